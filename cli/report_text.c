/* SPDX-License-Identifier: MPL-2.0
 *
 * A replay as tables for people. Names and values come from a log and are printed so that no terminal obeys them.
 */
#include "cli/report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/emit.h"
#include "shm/counted.h"

static void print_log(const struct report *report, FILE *out)
{
    const struct traffic *traffic = report->traffic;
    char from[EMIT_TIME_SIZE], to[EMIT_TIME_SIZE], span[EMIT_SPAN_SIZE];
    char lines[COUNTED_SIZE], requests[COUNTED_SIZE], others[COUNTED_SIZE], bad[COUNTED_SIZE];

    fputs("log       ", out);
    emit_plain(slice_of(input_name(report->log_path)), out);
    fprintf(out, ": %s, %s", counted((int64_t)traffic->all_lines, "line", "lines", lines),
            counted((int64_t)traffic->count, "request", "requests", requests));
    if (traffic->other > 0)
        fprintf(out, ", %s of no request", counted((int64_t)traffic->other, "that tells", "that tell", others));
    if (traffic->empty > 0)
        fprintf(out, ", %zu empty", traffic->empty);
    fprintf(out, "\ntime      %s to %s, %s\n", emit_time(report->from_ns, from), emit_time(report->to_ns, to),
            emit_span(report->to_ns - report->from_ns, span));
    if (traffic->bad > 0) {
        fputs("          ", out);
        emit_coloured(EMIT_WARN, "could not be read:", out);
        fprintf(out, " %s\n", counted((int64_t)traffic->bad, "line", "lines", bad));
    }
    for (size_t i = 0; i < traffic->bad && i < TRAFFIC_BAD_SHOWN; i++) {
        fprintf(out, "          line %zu: ", traffic->first_bad[i].line);
        emit_plain(slice_of(traffic->first_bad[i].cause), out);
        fputc('\n', out);
    }
    for (size_t i = 0; i < report->note_count; i++) {
        fputs("note      ", out);
        emit_plain(slice_of(report->notes[i]), out);
        fputc('\n', out);
    }
}

/* Where the log tells what the service said: whether it is said again. */
static void print_agreement(const struct replay_agreement *agreement, FILE *out)
{
    uint64_t others = agreement->rejected_then + agreement->rejected_here;

    if (agreement->told == 0)
        return;
    fprintf(out, "as logged %" PRIu64 " of %" PRIu64 " verdicts", agreement->told - others, agreement->told);
    if (others > 0)
        fprintf(out, "; rejected only then %" PRIu64 ", only here %" PRIu64, agreement->rejected_then,
                agreement->rejected_here);
    fputc('\n', out);
}

static void print_sums(const struct replay *replay, FILE *out)
{
    const struct tally *tally = &replay->tally;
    uint64_t all = tally->allowed + tally->refused;
    char share[REPORT_SHARE_SIZE];

    fprintf(out, "allowed   %" PRIu64 ", %s\n", tally->allowed, report_share(tally->allowed, all, share));
    fprintf(out, "rejected  %" PRIu64 ", %s\n", tally->refused, report_share(tally->refused, all, share));
    if (tally->would > 0)
        fprintf(out, "shadow    would have rejected %" PRIu64 ", %s\n", tally->would,
                report_share(tally->would, all, share));
    if (tally->unmatched > 0)
        fprintf(out, "unmatched %" PRIu64 ", %s\n", tally->unmatched, report_share(tally->unmatched, all, share));
    print_agreement(&replay->agreement, out);
}

static void print_doubt(FILE *out)
{
    emit_coloured(EMIT_WARN, "doubtful", out);
    fputs("  do not rely on these figures: rules need what the log does not carry, see the notes\n", out);
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
        if (row->refused + row->would > 0) {
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

void report_text_print(const struct report *report, FILE *out)
{
    print_log(report, out);
    for (size_t i = 0; i < report->replay_count; i++) {
        fputs("\npolicy    ", out);
        emit_plain(slice_of(input_name(report->paths[i])), out);
        fputs(", version ", out);
        emit_plain(report->replays[i].bundle->version_text, out);
        fputc('\n', out);
        print_sums(&report->replays[i], out);
        if (report->is_doubtful[i])
            print_doubt(out);
        print_rules(&report->replays[i].tally, out);
        print_identities(report, i, out);
    }
    if (report->replay_count > 1)
        print_contrast(report, out);
}
