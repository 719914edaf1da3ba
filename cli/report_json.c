/* SPDX-License-Identifier: MPL-2.0
 *
 * A replay as one JSON object: its members are told in fairvisor(1), "REPLAY".
 */
#include "cli/report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/emit.h"
#include "shm/moment.h"

static void print_time(const char *name, int64_t ns, FILE *out)
{
    char text[EMIT_TIME_SIZE];

    emit_time(ns, text);
    /* With milliseconds, in front of the Z. */
    fprintf(out, ",\"%s\":\"%.19s.%03dZ\"", name, text, (int)(ns / 1000000 % 1000));
}

static void print_place_json(const struct tally_row *row, FILE *out)
{
    if (row->policy) {
        emit_json_text("\"policy\":", row->policy->id, out);
        fputc(',', out);
    }
    emit_json_text(row->rule ? "\"rule\":" : "\"guard\":", tally_rule_name(row), out);
}

/* Keys of ROW that requests lacked. One that is in the match, too, is told once: as its key. */
static void print_lacking(const struct tally_row *row, FILE *out)
{
    const char *separator = "";

    for (uint32_t i = 0; i < row->key_count; i++) {
        const struct tally_key *key = &row->keys[i];
        bool is_told = false;

        for (uint32_t j = 0; j < i; j++)
            is_told = is_told || (row->keys[j].descriptor == key->descriptor && row->keys[j].lacking > 0);
        if (key->lacking == 0 || is_told)
            continue;
        fputs(separator, out);
        emit_json_string(key->descriptor->text, out);
        fprintf(out, ":%" PRIu64, key->lacking);
        separator = ",";
    }
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
        fputs("},\"lacking\":{", out);
        print_lacking(row, out);
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

        emit_json_text(i > 0 ? ",{\"identity\":" : "{\"identity\":", identity->text, out);
        fputc(',', out);
        print_place_json(identity->row, out);
        fprintf(out, ",\"requests\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"would_reject\":%" PRIu64,
                identity->requests, identity->refused, identity->would);
        print_time("first", identity->first_ns, out);
        print_time("last", identity->last_ns, out);
        emit_json_seconds(",\"longest_seconds\":", identity->longest_ns, out);
        emit_json_seconds(",\"limited_seconds\":", identity->all_ns, out);
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
        print_time("from", tally_slot_ns(tally, i), out);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_result_json(const struct report *report, size_t which, FILE *out)
{
    const struct tally *tally = &report->replays[which].tally;
    const struct replay_agreement *agreement = &report->replays[which].agreement;

    emit_json_text("{\"source\":", slice_of(input_name(report->paths[which])), out);
    emit_json_text(",\"version\":", report->replays[which].bundle->version_text, out);
    fprintf(out, ",\"allowed\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"would_reject\":%" PRIu64 ",\"unmatched\":%" PRIu64,
            tally->allowed, tally->refused, tally->would, tally->unmatched);
    fprintf(out, ",\"as_logged\":{\"verdicts\":%" PRIu64 ",\"rejected_only_then\":%" PRIu64 ",\"rejected_only_here\":%" PRIu64 "}",
            agreement->told, agreement->rejected_then, agreement->rejected_here);
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
            emit_json_text("\"identity\":", rows[i].identity, out);
            fputc(',', out);
        }
        emit_json_text("\"policy\":", rows[i].policy, out);
        emit_json_text(",\"rule\":", rows[i].rule, out);
        fprintf(out, ",\"before\":%" PRIu64 ",\"after\":%" PRIu64 "}", rows[i].before, rows[i].after);
    }
    fputc(']', out);
}

static void print_log_json(const struct report *report, FILE *out)
{
    const struct traffic *traffic = report->traffic;

    emit_json_text("\"log\":{\"source\":", slice_of(input_name(report->log_path)), out);
    fprintf(out, ",\"lines\":%zu,\"requests\":%zu,\"bad\":%zu,\"other\":%zu,\"empty\":%zu,\"out_of_order\":%zu",
            traffic->all_lines, traffic->count, traffic->bad, traffic->other, traffic->empty, traffic->out_of_order);
    print_time("from", report->from_ns, out);
    print_time("to", report->to_ns, out);
    fputs(",\"bad_lines\":[", out);
    for (size_t i = 0; i < traffic->bad && i < TRAFFIC_BAD_SHOWN; i++) {
        fprintf(out, "%s{\"line\":%zu", i > 0 ? "," : "", traffic->first_bad[i].line);
        emit_json_text(",\"cause\":", slice_of(traffic->first_bad[i].cause), out);
        fputc('}', out);
    }
    fprintf(out, "],\"doubtful\":%s,\"notes\":[", report->is_doubtful[0] || report->is_doubtful[1] ? "true" : "false");
    for (size_t i = 0; i < report->note_count; i++) {
        fputs(i > 0 ? "," : "", out);
        emit_json_string(slice_of(report->notes[i]), out);
    }
    fputs("]}", out);
}

void report_json_print(const struct report *report, FILE *out)
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
