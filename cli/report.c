/* SPDX-License-Identifier: MPL-2.0
 *
 * Prints a replay: see report.h. Names and values come from a log and are printed so that no terminal obeys them.
 */
#include "cli/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/emit.h"
#include "shm/moment.h"

/* ---- what is printed --------------------------------------------------------------------------------------------- */

static void add_caveat(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_caveat(struct report *report, const char *format, ...)
{
    va_list arguments;

    if (report->caveat_count == REPORT_CAVEATS)
        return;
    va_start(arguments, format);
    vsnprintf(report->caveats[report->caveat_count++], sizeof(report->caveats[0]), format, arguments);
    va_end(arguments);
}

static void find_caveats(struct report *report)
{
    const struct traffic *traffic = report->traffic;
    uint64_t unsettled = 0, untold = 0;

    for (size_t i = 0; i < report->replay_count; i++) {
        unsettled += report->replays[i].unsettled;
        untold += report->replays[i].tally.untold;
    }
    if (report->is_dry)
        add_caveat(report, "dry run: every policy is in shadow, none keeps a request from the others");
    if (traffic->is_coarse)
        add_caveat(report, "the log has times in whole seconds; the requests of one second were spread evenly over it");
    if (traffic->out_of_order > 0)
        add_caveat(report, "lines earlier than one before them: %zu; all were put in order", traffic->out_of_order);
    if (traffic->timeless > 0)
        add_caveat(report, "lines without a time: %zu; each took that of the line before", traffic->timeless);
    if (traffic->sampled > 0)
        add_caveat(report, "the log is a sample: %zu further requests are missing, so that more would be refused than here",
                   traffic->sampled);
    if (unsettled > 0)
        add_caveat(report, "reservations that stayed charged, because the log does not say what was used: %" PRIu64, unsettled);
    if (untold > 0)
        add_caveat(report, "more than %u identities: %" PRIu64 " requests count for their rules only",
                   TALLY_MAX_IDENTITIES, untold);
}

bool report_finish(struct report *report)
{
    find_caveats(report);
    for (size_t i = 0; i < report->replay_count; i++) {
        tally_finish(&report->replays[i].tally);
        report->worst[i] =
            tally_worst(&report->replays[i].tally, report->most, &report->worst_count[i], &report->worst_all[i]);
        if (!report->worst[i] || report->replays[i].is_out_of_memory || report->replays[i].tally.is_out_of_memory)
            return false;
    }
    return report->replay_count == 1 ||
           contrast_finish(&report->contrast, &report->replays[0].tally, &report->replays[1].tally);
}

void report_fini(struct report *report)
{
    contrast_fini(&report->contrast);
    free(report->worst[0]);
    free(report->worst[1]);
}

const char *report_share(uint64_t part, uint64_t all, char text[REPORT_SHARE_SIZE])
{
    unsigned tenths = all > 0 ? (unsigned)(((unsigned __int128)part * 1000 + all / 2) / all) : 0;

    snprintf(text, REPORT_SHARE_SIZE, "%u.%u %%", tenths / 10 % 1000, tenths % 10);
    return text;
}

void report_print_reasons(const struct tally_row *row, FILE *out)
{
    const char *separator = "";

    for (int reason = 1; reason < REASON_COUNT; reason++) {
        if (row->by_reason[reason] == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, separator, verdict_reasons[reason].name, row->by_reason[reason]);
        separator = ", ";
    }
}

static int compare_rows(const void *left, const void *right)
{
    const struct tally_row *a = *(const struct tally_row *const *)left, *b = *(const struct tally_row *const *)right;

    /* Policies lie in one array, sorted by id, and their rules in arrays of their own. */
    if (a->policy != b->policy)
        return !a->policy ? -1 : !b->policy ? 1 : a->policy < b->policy ? -1 : 1;
    if (!a->rule || !b->rule)
        return a->rule ? -1 : b->rule ? 1 : strcmp(a->guard, b->guard);
    if (a->rule->is_fallback || b->rule->is_fallback)
        return a->rule->is_fallback - b->rule->is_fallback;
    return a->rule < b->rule ? -1 : 1;
}

const struct tally_row **report_rows(const struct tally *tally, size_t *count)
{
    const struct tally_row **rows;
    size_t all = 0;

    for (const struct tally_row *row = tally->rows; row; row = row->next)
        all++;
    rows = calloc(all + 1, sizeof(*rows));
    *count = 0;
    for (const struct tally_row *row = tally->rows; row && rows; row = row->next)
        rows[(*count)++] = row;
    if (rows)
        qsort(rows, *count, sizeof(*rows), compare_rows);
    return rows;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void print_plural(uint64_t count, const char *what, FILE *out)
{
    fprintf(out, "%" PRIu64 " %s%s", count, what, count == 1 ? "" : "s");
}

static void print_log(const struct report *report, FILE *out)
{
    const struct traffic *traffic = report->traffic;
    char from[EMIT_TIME_SIZE], to[EMIT_TIME_SIZE], span[EMIT_SPAN_SIZE];

    fputs("log       ", out);
    emit_plain(slice_of(input_name(report->log_path)), out);
    fputs(": ", out);
    print_plural(traffic->all_lines, "line", out);
    fputs(", ", out);
    print_plural(traffic->count, "request", out);
    if (traffic->other > 0)
        fprintf(out, ", %zu others that tell of no request", traffic->other);
    fprintf(out, "\ntime      %s to %s, %s\n", emit_time(report->from_ns, from), emit_time(report->to_ns, to),
            emit_span(report->to_ns - report->from_ns, span));
    if (traffic->bad > 0) {
        fputs("          ", out);
        emit_coloured(EMIT_WARN, "could not be read:", out);
        fputc(' ', out);
        print_plural(traffic->bad, "line", out);
        fputc('\n', out);
    }
    for (size_t i = 0; i < traffic->bad && i < TRAFFIC_BAD_SHOWN; i++) {
        fprintf(out, "          line %zu: ", traffic->first_bad[i].line);
        emit_plain(slice_of(traffic->first_bad[i].cause), out);
        fputc('\n', out);
    }
    for (size_t i = 0; i < report->caveat_count; i++)
        fprintf(out, "note      %s\n", report->caveats[i]);
}

static void print_sums(const struct tally *tally, FILE *out)
{
    uint64_t all = tally->allowed + tally->refused;
    char share[REPORT_SHARE_SIZE];

    fprintf(out, "allowed   %" PRIu64 ", %s\n", tally->allowed, report_share(tally->allowed, all, share));
    fprintf(out, "rejected  %" PRIu64 ", %s\n", tally->refused, report_share(tally->refused, all, share));
    if (tally->would > 0)
        fprintf(out, "shadow    would have rejected %" PRIu64 ", %s\n", tally->would,
                report_share(tally->would, all, share));
    if (tally->unmatched > 0)
        fprintf(out, "unmatched %" PRIu64 ", %s\n", tally->unmatched, report_share(tally->unmatched, all, share));
}

static void print_place(struct slice policy, struct slice rule, FILE *out)
{
    if (policy.size > 0) {
        emit_plain(policy, out);
        fputs(" / ", out);
    }
    emit_plain(rule, out);
}

static void print_rules(const struct tally *tally, FILE *out)
{
    size_t count;
    const struct tally_row **rows = report_rows(tally, &count);

    if (count > 0)
        fputs("\n  requests   rejected     shadow  identities  limit\n", out);
    for (size_t i = 0; i < count; i++) {
        const struct tally_row *row = rows[i];

        fprintf(out, "%10" PRIu64 " %10" PRIu64 " %10" PRIu64 "  %4" PRIu64 " of %" PRIu64 "%*s", row->requests,
                row->refused, row->would, row->identities_refused, row->identities,
                (int)(row->identities < 10 ? 1 : 0) + 1, "");
        print_place(row->policy ? row->policy->id : SLICE(""), tally_rule_name(row), out);
        if (row->refused > 0) {
            fputs(": ", out);
            report_print_reasons(row, out);
        }
        fputc('\n', out);
    }
    free(rows);
}

static void print_identities(const struct report *report, size_t which, FILE *out)
{
    char first[EMIT_TIME_SIZE], longest[EMIT_SPAN_SIZE], all[EMIT_SPAN_SIZE];

    if (report->worst_count[which] == 0)
        return;
    fprintf(out, "\n  refused         of  first                 longest       in all        identity (%zu of %zu)\n",
            report->worst_count[which], report->worst_all[which]);
    for (size_t i = 0; i < report->worst_count[which]; i++) {
        const struct tally_identity *identity = report->worst[which][i];

        fprintf(out, "%9" PRIu64 " %10" PRIu64 "  %-20s  %-12s  %-12s  ", identity->refused + identity->would,
                identity->requests, emit_time(identity->first_ns, first), emit_span(identity->longest_ns, longest),
                emit_span(identity->all_ns, all));
        emit_plain(identity->text, out);
        fputs(" by ", out);
        print_place(identity->row->policy ? identity->row->policy->id : SLICE(""), tally_rule_name(identity->row), out);
        fputc('\n', out);
    }
}

static void print_change(const struct contrast_row *row, FILE *out)
{
    bool is_more = row->after > row->before;

    fprintf(out, "%9" PRIu64 " %9" PRIu64 "  ", row->before, row->after);
    emit_coloured(is_more ? EMIT_BAD : EMIT_GOOD, is_more ? "more" : "less", out);
    fputs("  ", out);
    if (row->identity.size > 0) {
        emit_plain(row->identity, out);
        fputs(" by ", out);
    }
    print_place(row->policy, row->rule, out);
    fputc('\n', out);
}

static void print_contrast(const struct report *report, FILE *out)
{
    const struct contrast *contrast = &report->contrast;

    fputs("\nchanges   from ", out);
    emit_plain(slice_of(input_name(report->paths[0])), out);
    fputs(" to ", out);
    emit_plain(slice_of(input_name(report->paths[1])), out);
    fprintf(out,
            "\n          newly rejected %" PRIu64 ", newly allowed %" PRIu64 ", still rejected %" PRIu64
            ", still allowed %" PRIu64 "\n",
            contrast->newly_refused, contrast->newly_allowed, contrast->still_refused, contrast->still_allowed);
    if (contrast->rule_count > 0)
        fputs("\n  refused       now        limit\n", out);
    for (size_t i = 0; i < contrast->rule_count; i++)
        print_change(&contrast->rules[i], out);
    if (contrast->identity_count > 0)
        fprintf(out, "\n  refused       now        identity (%zu of %zu)\n",
                contrast->identity_count < report->most ? contrast->identity_count : report->most,
                contrast->identity_count);
    for (size_t i = 0; i < contrast->identity_count && i < report->most; i++)
        print_change(&contrast->identities[i], out);
}

void report_print(const struct report *report, FILE *out)
{
    print_log(report, out);
    for (size_t i = 0; i < report->replay_count; i++) {
        fputs("\npolicy    ", out);
        emit_plain(slice_of(input_name(report->paths[i])), out);
        fputs(", version ", out);
        emit_plain(report->replays[i].bundle->version_text, out);
        fputc('\n', out);
        print_sums(&report->replays[i].tally, out);
        print_rules(&report->replays[i].tally, out);
        print_identities(report, i, out);
    }
    if (report->replay_count > 1)
        print_contrast(report, out);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void print_text(const char *name, struct slice text, FILE *out)
{
    fprintf(out, "\"%s\":", name);
    emit_json_string(text, out);
}

static void print_time(const char *name, int64_t ns, FILE *out)
{
    char text[EMIT_TIME_SIZE];

    emit_time(ns, text);
    /* With milliseconds, in front of the Z. */
    fprintf(out, ",\"%s\":\"%.19s.%03dZ\"", name, text, (int)(ns / 1000000 % 1000));
}

static void print_seconds(const char *name, int64_t ns, FILE *out)
{
    fprintf(out, ",\"%s\":%" PRId64 ".%03" PRId64, name, ns / NANOSECONDS_PER_SECOND, ns / 1000000 % 1000);
}

static void print_place_json(const struct tally_row *row, FILE *out)
{
    if (row->policy) {
        print_text("policy", row->policy->id, out);
        fputc(',', out);
    }
    print_text(row->rule ? "rule" : "guard", tally_rule_name(row), out);
}

static void print_rules_json(const struct tally *tally, FILE *out)
{
    size_t count;
    const struct tally_row **rows = report_rows(tally, &count);

    fputs(",\"rules\":[", out);
    for (size_t i = 0; i < count; i++) {
        const struct tally_row *row = rows[i];
        const char *separator = "";

        fputs(i > 0 ? ",{" : "{", out);
        print_place_json(row, out);
        fprintf(out, ",\"requests\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"would_reject\":%" PRIu64
                     ",\"identities\":%" PRIu64 ",\"identities_limited\":%" PRIu64 ",\"reasons\":{",
                row->requests, row->refused, row->would, row->identities, row->identities_refused);
        for (int reason = 1; reason < REASON_COUNT; reason++)
            if (row->by_reason[reason] > 0) {
                fprintf(out, "%s\"%s\":%" PRIu64, separator, verdict_reasons[reason].name, row->by_reason[reason]);
                separator = ",";
            }
        fputs("}}", out);
    }
    fputc(']', out);
    free(rows);
}

static void print_identities_json(const struct report *report, size_t which, FILE *out)
{
    fprintf(out, ",\"identities_limited\":%zu,\"identities\":[", report->worst_all[which]);
    for (size_t i = 0; i < report->worst_count[which]; i++) {
        const struct tally_identity *identity = report->worst[which][i];

        fputs(i > 0 ? ",{" : "{", out);
        print_text("identity", identity->text, out);
        fputc(',', out);
        print_place_json(identity->row, out);
        fprintf(out, ",\"requests\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"would_reject\":%" PRIu64,
                identity->requests, identity->refused, identity->would);
        print_time("first", identity->first_ns, out);
        print_time("last", identity->last_ns, out);
        print_seconds("longest_seconds", identity->longest_ns, out);
        print_seconds("limited_seconds", identity->all_ns, out);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_timeline_json(const struct tally *tally, FILE *out)
{
    fputs(",\"timeline\":[", out);
    for (size_t i = 0; i < TALLY_SLOTS; i++) {
        fprintf(out, "%s{\"allowed\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"would_reject\":%" PRIu64, i > 0 ? "," : "",
                tally->slots_allowed[i], tally->slots_refused[i], tally->slots_would[i]);
        print_time("from", tally->from_ns + (int64_t)((__int128)tally->span_ns * (int64_t)i / TALLY_SLOTS), out);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_result_json(const struct report *report, size_t which, FILE *out)
{
    const struct tally *tally = &report->replays[which].tally;

    fputc('{', out);
    print_text("source", slice_of(input_name(report->paths[which])), out);
    fputc(',', out);
    print_text("version", report->replays[which].bundle->version_text, out);
    fprintf(out, ",\"allowed\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"would_reject\":%" PRIu64 ",\"unmatched\":%" PRIu64,
            tally->allowed, tally->refused, tally->would, tally->unmatched);
    print_rules_json(tally, out);
    print_identities_json(report, which, out);
    print_timeline_json(tally, out);
    fputc('}', out);
}

static void print_changes_json(const char *name, const struct contrast_row *rows, size_t count, FILE *out)
{
    fprintf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? ",{" : "{", out);
        if (rows[i].identity.size > 0) {
            print_text("identity", rows[i].identity, out);
            fputc(',', out);
        }
        print_text("policy", rows[i].policy, out);
        fputc(',', out);
        print_text("rule", rows[i].rule, out);
        fprintf(out, ",\"before\":%" PRIu64 ",\"after\":%" PRIu64 "}", rows[i].before, rows[i].after);
    }
    fputc(']', out);
}

static void print_log_json(const struct report *report, FILE *out)
{
    const struct traffic *traffic = report->traffic;

    fputs("\"log\":{", out);
    print_text("source", slice_of(input_name(report->log_path)), out);
    fprintf(out, ",\"lines\":%zu,\"requests\":%zu,\"bad\":%zu,\"out_of_order\":%zu", traffic->all_lines, traffic->count,
            traffic->bad, traffic->out_of_order);
    print_time("from", report->from_ns, out);
    print_time("to", report->to_ns, out);
    fputs(",\"bad_lines\":[", out);
    for (size_t i = 0; i < traffic->bad && i < TRAFFIC_BAD_SHOWN; i++) {
        fprintf(out, "%s{\"line\":%zu,", i > 0 ? "," : "", traffic->first_bad[i].line);
        print_text("cause", slice_of(traffic->first_bad[i].cause), out);
        fputc('}', out);
    }
    fputs("],\"notes\":[", out);
    for (size_t i = 0; i < report->caveat_count; i++) {
        fputs(i > 0 ? "," : "", out);
        emit_json_string(slice_of(report->caveats[i]), out);
    }
    fputs("]}", out);
}

void report_print_json(const struct report *report, FILE *out)
{
    const struct contrast *contrast = &report->contrast;
    size_t listed = contrast->identity_count < report->most ? contrast->identity_count : report->most;

    fputc('{', out);
    print_log_json(report, out);
    fprintf(out, ",\"dry_run\":%s,\"result\":", report->is_dry ? "true" : "false");
    print_result_json(report, 0, out);
    if (report->replay_count > 1) {
        fputs(",\"other\":", out);
        print_result_json(report, 1, out);
        fprintf(out,
                ",\"changes\":{\"newly_rejected\":%" PRIu64 ",\"newly_allowed\":%" PRIu64 ",\"still_rejected\":%" PRIu64
                ",\"still_allowed\":%" PRIu64,
                contrast->newly_refused, contrast->newly_allowed, contrast->still_refused, contrast->still_allowed);
        print_changes_json("rules", contrast->rules, contrast->rule_count, out);
        print_changes_json("identities", contrast->identities, listed, out);
        fputc('}', out);
    }
    fputs("}\n", out);
}
