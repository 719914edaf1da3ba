/* SPDX-License-Identifier: MPL-2.0
 *
 * Writes the page: see page.h. Every text of a bundle or a log goes through print_text, which leaves it no way to be
 * anything but text.
 */
#include "config.h"

#include "cli/page.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/emit.h"
#include "shm/utf8.h"

#define CHART_WIDTH  900
#define CHART_HEIGHT 160
#define SPARK_WIDTH  240
#define SPARK_HEIGHT 24

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>fairvisor test</title>\n<style>\n"
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:64em;padding:0 1em;color:#222;background:#fff}\n"
    "h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #ccc}h3{font-size:1em}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25em .7em .25em 0;vertical-align:top}\n"
    "th{border-bottom:1px solid #999}td{border-bottom:1px solid #eee;overflow-wrap:anywhere}.n{text-align:right}\n"
    ".sums{font-size:1.15em}.note{color:#555}.bad{color:#b3261e}.good{color:#2e7d32}\n"
    ".allowed{fill:#7cb98a}.rejected{fill:#c9483e}.shadow{fill:#e0a030}svg text{font-size:11px;fill:#555}\n"
    "svg{max-width:100%;height:auto}\n"
    "</style>\n</head>\n<body>\n";

static void print_text(struct slice text, FILE *out)
{
    while (text.size > 0) {
        size_t size = utf8_size(text), used = size ? size : 1;
        char c = text.data[0];

        if (size == 0 || utf8_is_control(text.data, size))
            fputs("&#xFFFD;", out);
        else if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            fprintf(out, "&#%d;", c);
        else
            fwrite(text.data, 1, size, out);
        text = (struct slice){text.data + used, text.size - used};
    }
}

static void print_place(struct slice policy, struct slice rule, FILE *out)
{
    if (policy.size > 0) {
        print_text(policy, out);
        fputs(" / ", out);
    }
    print_text(rule, out);
}

/* ---- charts ------------------------------------------------------------------------------------------------------ */

static void print_bar(const char *class, size_t slot, uint64_t from, uint64_t count, uint64_t most, int width, int height,
                      FILE *out)
{
    /* Hundredths of a pixel, exactly. */
    uint64_t top = (uint64_t)((unsigned __int128)(from + count) * (unsigned)height * 100 / most);
    uint64_t bottom = (uint64_t)((unsigned __int128)from * (unsigned)height * 100 / most);
    uint64_t y = (uint64_t)height * 100 - top, x = slot * (uint64_t)width * 100 / TALLY_SLOTS;

    if (count > 0)
        fprintf(out, "<rect class=\"%s\" x=\"%" PRIu64 ".%02" PRIu64 "\" y=\"%" PRIu64 ".%02" PRIu64
                     "\" width=\"%d\" height=\"%" PRIu64 ".%02" PRIu64 "\"/>\n",
                class, x / 100, x % 100, y / 100, y % 100, width / TALLY_SLOTS - 1 > 0 ? width / TALLY_SLOTS - 1 : 1,
                (top - bottom) / 100, (top - bottom) % 100);
}

static void print_chart(const struct report *report, const struct tally *tally, FILE *out)
{
    char from[EMIT_TIME_SIZE], to[EMIT_TIME_SIZE];
    uint64_t most = 1;

    for (size_t i = 0; i < TALLY_SLOTS; i++)
        if (tally->slots_allowed[i] + tally->slots_refused[i] > most)
            most = tally->slots_allowed[i] + tally->slots_refused[i];
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"requests over time\">\n", CHART_WIDTH,
            CHART_HEIGHT + 18, CHART_WIDTH);
    for (size_t i = 0; i < TALLY_SLOTS; i++) {
        uint64_t shadow = tally->slots_would[i] < tally->slots_allowed[i] ? tally->slots_would[i] : tally->slots_allowed[i];

        print_bar("rejected", i, 0, tally->slots_refused[i], most, CHART_WIDTH, CHART_HEIGHT, out);
        print_bar("shadow", i, tally->slots_refused[i], shadow, most, CHART_WIDTH, CHART_HEIGHT, out);
        print_bar("allowed", i, tally->slots_refused[i] + shadow, tally->slots_allowed[i] - shadow, most, CHART_WIDTH,
                  CHART_HEIGHT, out);
    }
    fprintf(out, "<text x=\"0\" y=\"%d\">%s</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
            CHART_HEIGHT + 14, emit_time(report->from_ns, from), CHART_WIDTH, CHART_HEIGHT + 14,
            emit_time(report->to_ns, to));
    fprintf(out, "<text x=\"0\" y=\"11\">%" PRIu64 " requests</text></svg>\n", most);
}

static void print_spark(const uint64_t slots[TALLY_SLOTS], FILE *out)
{
    uint64_t most = 1;

    for (size_t i = 0; i < TALLY_SLOTS; i++)
        if (slots[i] > most)
            most = slots[i];
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"refusals over time\">\n", SPARK_WIDTH,
            SPARK_HEIGHT, SPARK_WIDTH);
    for (size_t i = 0; i < TALLY_SLOTS; i++)
        print_bar("rejected", i, 0, slots[i], most, SPARK_WIDTH, SPARK_HEIGHT, out);
    fputs("</svg>", out);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void print_number(uint64_t number, FILE *out)
{
    fprintf(out, "<td class=\"n\">%" PRIu64 "</td>", number);
}

static void print_rules(const struct tally *tally, FILE *out)
{
    size_t count;
    const struct tally_row **rows = report_rows(tally, &count);

    fputs("<h3>Limits</h3>\n<table><tr><th>limit</th><th class=\"n\">requests</th><th class=\"n\">rejected</th>"
          "<th class=\"n\">shadow</th><th class=\"n\">identities limited</th><th>when</th><th>why</th></tr>\n",
          out);
    for (size_t i = 0; i < count; i++) {
        fputs("<tr><td>", out);
        print_place(rows[i]->policy ? rows[i]->policy->id : SLICE(""), tally_rule_name(rows[i]), out);
        fputs("</td>", out);
        print_number(rows[i]->requests, out);
        print_number(rows[i]->refused, out);
        print_number(rows[i]->would, out);
        fprintf(out, "<td class=\"n\">%" PRIu64 " of %" PRIu64 "</td><td>", rows[i]->identities_refused,
                rows[i]->identities);
        if (rows[i]->refused + rows[i]->would > 0)
            print_spark(rows[i]->slots, out);
        fputs("</td><td>", out);
        report_print_reasons(rows[i], out);
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
    free(rows);
}

static void print_identities(const struct report *report, size_t which, FILE *out)
{
    char first[EMIT_TIME_SIZE], last[EMIT_TIME_SIZE], longest[EMIT_SPAN_SIZE], all[EMIT_SPAN_SIZE];

    fprintf(out, "<h3>Identities most limited, %zu of %zu</h3>\n", report->worst_count[which], report->worst_all[which]);
    fputs("<table><tr><th>identity</th><th>limit</th><th class=\"n\">requests</th><th class=\"n\">refused</th>"
          "<th>first</th><th>last</th><th>longest</th><th>in all</th></tr>\n",
          out);
    for (size_t i = 0; i < report->worst_count[which]; i++) {
        const struct tally_identity *identity = report->worst[which][i];

        fputs("<tr><td>", out);
        print_text(identity->text, out);
        fputs("</td><td>", out);
        print_place(identity->row->policy ? identity->row->policy->id : SLICE(""), tally_rule_name(identity->row), out);
        fputs("</td>", out);
        print_number(identity->requests, out);
        print_number(identity->refused + identity->would, out);
        fprintf(out, "<td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n", emit_time(identity->first_ns, first),
                emit_time(identity->last_ns, last), emit_span(identity->longest_ns, longest),
                emit_span(identity->all_ns, all));
    }
    fputs("</table>\n", out);
}

static void print_result(const struct report *report, size_t which, FILE *out)
{
    const struct tally *tally = &report->replays[which].tally;
    uint64_t all = tally->allowed + tally->refused;
    char share[REPORT_SHARE_SIZE];

    fputs("<h2>", out);
    print_text(slice_of(input_name(report->paths[which])), out);
    fputs(", version ", out);
    print_text(report->replays[which].bundle->version_text, out);
    fprintf(out, "</h2>\n<p class=\"sums\"><span class=\"good\">allowed %" PRIu64 "</span>, <span class=\"bad\">rejected %" PRIu64
                 " (%s)</span>",
            tally->allowed, tally->refused, report_share(tally->refused, all, share));
    if (tally->would > 0)
        fprintf(out, ", shadow policies would have rejected %" PRIu64 " (%s)", tally->would,
                report_share(tally->would, all, share));
    if (tally->unmatched > 0)
        fprintf(out, ", %" PRIu64 " matched no policy", tally->unmatched);
    fputs("</p>\n", out);
    print_chart(report, tally, out);
    print_rules(tally, out);
    if (report->worst_count[which] > 0)
        print_identities(report, which, out);
}

static void print_changes(const char *title, const struct contrast_row *rows, size_t count, FILE *out)
{
    if (count == 0)
        return;
    fprintf(out, "<h3>%s</h3>\n<table><tr><th></th><th class=\"n\">refused before</th><th class=\"n\">now</th></tr>\n",
            title);
    for (size_t i = 0; i < count; i++) {
        fputs("<tr><td>", out);
        if (rows[i].identity.size > 0) {
            print_text(rows[i].identity, out);
            fputs(" by ", out);
        }
        print_place(rows[i].policy, rows[i].rule, out);
        fputs("</td>", out);
        print_number(rows[i].before, out);
        print_number(rows[i].after, out);
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void print_contrast(const struct report *report, FILE *out)
{
    const struct contrast *contrast = &report->contrast;
    size_t listed = contrast->identity_count < report->most ? contrast->identity_count : report->most;

    fprintf(out,
            "<h2>What changes</h2>\n<p class=\"sums\"><span class=\"bad\">newly rejected %" PRIu64
            "</span>, <span class=\"good\">newly allowed %" PRIu64 "</span>, still rejected %" PRIu64
            ", still allowed %" PRIu64 "</p>\n",
            contrast->newly_refused, contrast->newly_allowed, contrast->still_refused, contrast->still_allowed);
    print_changes("Limits", contrast->rules, contrast->rule_count, out);
    print_changes("Identities", contrast->identities, listed, out);
}

static void print_log(const struct report *report, FILE *out)
{
    const struct traffic *traffic = report->traffic;
    char from[EMIT_TIME_SIZE], to[EMIT_TIME_SIZE], span[EMIT_SPAN_SIZE];

    fputs("<h1>fairvisor test</h1>\n<p>", out);
    print_text(slice_of(input_name(report->log_path)), out);
    fprintf(out, ": %zu requests in %zu lines, from %s to %s (%s)</p>\n", traffic->count, traffic->all_lines,
            emit_time(report->from_ns, from), emit_time(report->to_ns, to),
            emit_span(report->to_ns - report->from_ns, span));
    if (traffic->bad > 0)
        fprintf(out, "<p class=\"bad\">%zu lines could not be read.</p>\n<ul>\n", traffic->bad);
    for (size_t i = 0; i < traffic->bad && i < TRAFFIC_BAD_SHOWN; i++) {
        fprintf(out, "<li>line %zu: ", traffic->first_bad[i].line);
        print_text(slice_of(traffic->first_bad[i].cause), out);
        fputs("</li>\n", out);
    }
    if (traffic->bad > 0)
        fputs("</ul>\n", out);
    for (size_t i = 0; i < report->note_count; i++) {
        fputs("<p class=\"note\">", out);
        print_text(slice_of(report->notes[i]), out);
        fputs("</p>\n", out);
    }
}

void page_print(const struct report *report, FILE *out)
{
    fputs(head, out);
    print_log(report, out);
    if (report->replay_count > 1)
        print_contrast(report, out);
    for (size_t i = 0; i < report->replay_count; i++)
        print_result(report, i, out);
    fputs("<p class=\"note\">fairvisor " PACKAGE_VERSION "</p>\n</body>\n</html>\n", out);
}
