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
#include "shm/counted.h"
#include "shm/utf8.h"

#define CHART_WIDTH  1080
#define CHART_HEIGHT 160
#define SPARK_WIDTH  240
#define SPARK_HEIGHT 24

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    ":root{color-scheme:light dark;--text:#222;--soft:#555;--line:#ccc;--back:#fff;--good:#2e7d32;--bad:#b3261e;"
    "--allowed:#7cb98a;--rejected:#c9483e;--shadow:#e0a030}\n"
    "@media(prefers-color-scheme:dark){:root{--text:#ddd;--soft:#aaa;--line:#444;--back:#1b1b1b;--good:#81c784;--bad:#ef8078}}\n"
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em;color:var(--text);"
    "background:var(--back)}\n"
    "h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid var(--line);overflow-wrap:anywhere}"
    "h3{font-size:1em}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;padding:.25em .8em .25em 0;vertical-align:top;border-bottom:1px solid var(--line);"
    "white-space:nowrap}\n"
    "td.text{white-space:normal;overflow-wrap:anywhere;min-width:9em}td.why{white-space:normal}.n{text-align:right}\n"
    ".sums{font-size:1.15em}.note{color:var(--soft)}ul{padding-left:1.2em}.bad{color:var(--bad)}.good{color:var(--good)}\n"
    ".allowed{fill:var(--allowed)}.rejected{fill:var(--rejected)}.shadow{fill:var(--shadow)}\n"
    "svg text{font-size:12px;fill:var(--soft)}svg{max-width:100%;height:auto}.wide svg{max-width:none}\n"
    "</style>\n";

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

/* Where bars stand, in pixels: between TOP and TOP + HEIGHT. */
struct chart {
    int width, top, height;
    uint64_t most; /* is as high as HEIGHT */
};

/* COUNT on top of FROM others, in hundredths of a pixel, exactly; something is never drawn as nothing. */
static void print_bar(const struct chart *chart, const char *class, size_t slot, uint64_t from, uint64_t count, FILE *out)
{
    unsigned height = (unsigned)chart->height;
    uint64_t upper = (uint64_t)((unsigned __int128)(from + count) * height * 100 / chart->most);
    uint64_t lower = (uint64_t)((unsigned __int128)from * height * 100 / chart->most);
    uint64_t x = slot * (uint64_t)chart->width * 100 / TALLY_SLOTS, y;

    if (count == 0)
        return;
    if (upper < lower + 100)
        upper = lower + 100;
    if (upper > height * 100) {
        upper = height * 100;
        lower = lower < upper - 100 ? lower : upper - 100;
    }
    y = ((uint64_t)chart->top + height) * 100 - upper;
    fprintf(out, "<rect class=\"%s\" x=\"%" PRIu64 ".%02" PRIu64 "\" y=\"%" PRIu64 ".%02" PRIu64 "\" width=\"%d\" height=\"%" PRIu64
                 ".%02" PRIu64 "\"/>",
            class, x / 100, x % 100, y / 100, y % 100, chart->width / TALLY_SLOTS - 1, (upper - lower) / 100,
            (upper - lower) % 100);
}

static void print_chart_begin(const struct chart *chart, int below, const char *label, FILE *out)
{
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"%s\">\n", chart->width,
            chart->top + chart->height + below, chart->width, label);
}

/* What a reader who points at a bar is told. */
static void print_hint(const struct tally *tally, size_t slot, FILE *out)
{
    char from[EMIT_TIME_SIZE];

    fprintf(out, "<title>from %s: allowed %" PRIu64 ", rejected %" PRIu64, emit_time(tally_slot_ns(tally, slot), from),
            tally->slots_allowed[slot], tally->slots_refused[slot]);
    if (tally->slots_would[slot] > 0)
        fprintf(out, ", shadow would have rejected %" PRIu64, tally->slots_would[slot]);
    fputs("</title>", out);
}

static void print_slot(const struct chart *chart, const struct tally *tally, size_t slot, FILE *out)
{
    uint64_t allowed = tally->slots_allowed[slot], refused = tally->slots_refused[slot];
    uint64_t shadow = tally->slots_would[slot] < allowed ? tally->slots_would[slot] : allowed;

    if (allowed + refused == 0)
        return;
    fputs("<g>", out);
    print_hint(tally, slot, out);
    print_bar(chart, "allowed", slot, refused + shadow, allowed - shadow, out);
    print_bar(chart, "shadow", slot, refused, shadow, out);
    print_bar(chart, "rejected", slot, 0, refused, out);
    fputs("</g>\n", out);
}

static void print_legend(const struct tally *tally, FILE *out)
{
    static const struct {
        const char *class, *text;
    } colours[] = {{"allowed", "allowed"}, {"rejected", "rejected"}, {"shadow", "allowed, but shadow policies would have rejected"}};
    char span[EMIT_SPAN_SIZE];

    fputs("<p class=\"note\">", out);
    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]) - (tally->would == 0); i++)
        fprintf(out,
                "<svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"%s\" width=\"12\" height=\"12\"/>"
                "</svg> %s &#160; ",
                colours[i].class, colours[i].text);
    fprintf(out, "each bar %s</p>\n", emit_span(tally->span_ns / TALLY_SLOTS, span));
}

static void print_chart(const struct report *report, const struct tally *tally, FILE *out)
{
    struct chart chart = {.width = CHART_WIDTH, .top = 18, .height = CHART_HEIGHT, .most = 1};
    char from[EMIT_TIME_SIZE], to[EMIT_TIME_SIZE], requests[COUNTED_SIZE];
    int below = 18;

    for (size_t i = 0; i < TALLY_SLOTS; i++)
        if (tally->slots_allowed[i] + tally->slots_refused[i] > chart.most)
            chart.most = tally->slots_allowed[i] + tally->slots_refused[i];
    print_chart_begin(&chart, below, "requests over time", out);
    fprintf(out, "<text x=\"0\" y=\"12\">%s in the fullest bar</text>\n",
            counted((int64_t)chart.most, "request", "requests", requests));
    for (size_t i = 0; i < TALLY_SLOTS; i++)
        print_slot(&chart, tally, i, out);
    fprintf(out, "<text x=\"0\" y=\"%d\">%s</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text></svg>\n",
            chart.top + chart.height + below - 4, emit_time(report->from_ns, from), CHART_WIDTH,
            chart.top + chart.height + below - 4, emit_time(report->to_ns, to));
    print_legend(tally, out);
}

static void print_spark(const struct tally_row *row, FILE *out)
{
    struct chart chart = {.width = SPARK_WIDTH, .height = SPARK_HEIGHT, .most = 1};

    for (size_t i = 0; i < TALLY_SLOTS; i++)
        if (row->slots[i] > chart.most)
            chart.most = row->slots[i];
    print_chart_begin(&chart, 0, "refusals over time", out);
    for (size_t i = 0; i < TALLY_SLOTS; i++)
        print_bar(&chart, row->refused > 0 ? "rejected" : "shadow", i, 0, row->slots[i], out);
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

    fputs("<h3>Limits</h3>\n<div class=\"wide\"><table><tr><th>limit</th><th class=\"n\">requests</th><th class=\"n\">rejected</th>"
          "<th class=\"n\">shadow</th><th class=\"n\">identities limited</th><th>when</th><th>why</th></tr>\n",
          out);
    for (size_t i = 0; i < count; i++) {
        fputs("<tr><td class=\"text\">", out);
        print_place(rows[i]->policy ? rows[i]->policy->id : SLICE(""), tally_rule_name(rows[i]), out);
        fputs("</td>", out);
        print_number(rows[i]->requests, out);
        print_number(rows[i]->refused, out);
        print_number(rows[i]->would, out);
        fprintf(out, "<td class=\"n\">%" PRIu64 " of %" PRIu64 "</td><td>", rows[i]->identities_refused,
                rows[i]->identities);
        if (rows[i]->refused + rows[i]->would > 0)
            print_spark(rows[i], out);
        fputs("</td><td class=\"why\">", out);
        report_print_reasons(rows[i], out);
        fputs("</td></tr>\n", out);
    }
    fputs("</table></div>\n", out);
    free(rows);
}

static void print_identities(const struct report *report, size_t which, FILE *out)
{
    char first[EMIT_TIME_SIZE], last[EMIT_TIME_SIZE], longest[EMIT_SPAN_SIZE], all[EMIT_SPAN_SIZE];

    fprintf(out, "<h3>Identities most limited, %zu of %zu</h3>\n", report->worst_count[which], report->worst_all[which]);
    fputs("<div class=\"wide\"><table><tr><th>identity</th><th>limit</th><th class=\"n\">requests</th><th class=\"n\">refused</th>"
          "<th>first</th><th>last</th><th>longest</th><th>in all</th></tr>\n",
          out);
    for (size_t i = 0; i < report->worst_count[which]; i++) {
        const struct tally_identity *identity = report->worst[which][i];

        fputs("<tr><td class=\"text\">", out);
        print_text(identity->text, out);
        fputs("</td><td class=\"text\">", out);
        print_place(identity->row->policy ? identity->row->policy->id : SLICE(""), tally_rule_name(identity->row), out);
        fputs("</td>", out);
        print_number(identity->requests, out);
        print_number(identity->refused + identity->would, out);
        fprintf(out, "<td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n", emit_time(identity->first_ns, first),
                emit_time(identity->last_ns, last), emit_span(identity->longest_ns, longest),
                emit_span(identity->all_ns, all));
    }
    fputs("</table></div>\n", out);
}

static void print_result(const struct report *report, size_t which, FILE *out)
{
    const struct tally *tally = &report->replays[which].tally;
    const struct replay_agreement *agreement = &report->replays[which].agreement;
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
    if (agreement->told > 0)
        fprintf(out, "; %" PRIu64 " of %" PRIu64 " verdicts are as logged",
                agreement->told - agreement->rejected_then - agreement->rejected_here, agreement->told);
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
    fprintf(out, "<h3>%s</h3>\n<div class=\"wide\"><table><tr><th></th><th class=\"n\">refused before</th><th class=\"n\">now</th></tr>\n",
            title);
    for (size_t i = 0; i < count; i++) {
        fputs("<tr><td class=\"text\">", out);
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
    fputs("</table></div>\n", out);
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

static void print_notes(const struct report *report, FILE *out)
{
    const struct traffic *traffic = report->traffic;
    char bad[COUNTED_SIZE];

    if (traffic->bad > 0)
        fprintf(out, "<p class=\"bad\">%s could not be read.</p>\n<ul>\n", counted((int64_t)traffic->bad, "line", "lines", bad));
    for (size_t i = 0; i < traffic->bad && i < TRAFFIC_BAD_SHOWN; i++) {
        fprintf(out, "<li>line %zu: ", traffic->first_bad[i].line);
        print_text(slice_of(traffic->first_bad[i].cause), out);
        fputs("</li>\n", out);
    }
    fputs(traffic->bad > 0 ? "</ul>\n" : "", out);
    fputs(report->note_count > 0 ? "<ul class=\"note\">\n" : "", out);
    for (size_t i = 0; i < report->note_count; i++) {
        fputs("<li>", out);
        print_text(slice_of(report->notes[i]), out);
        fputs("</li>\n", out);
    }
    fputs(report->note_count > 0 ? "</ul>\n" : "", out);
}

static void print_log(const struct report *report, FILE *out)
{
    const struct traffic *traffic = report->traffic;
    char from[EMIT_TIME_SIZE], to[EMIT_TIME_SIZE], span[EMIT_SPAN_SIZE];
    char requests[COUNTED_SIZE], lines[COUNTED_SIZE];
    struct slice name = slice_of(input_name(report->log_path));

    fputs("<title>fairvisor test: ", out);
    print_text(name, out);
    fputs("</title>\n</head>\n<body>\n<h1>fairvisor test</h1>\n<p>", out);
    print_text(name, out);
    fprintf(out, ": %s in %s, from %s to %s (%s)</p>\n", counted((int64_t)traffic->count, "request", "requests", requests),
            counted((int64_t)traffic->all_lines, "line", "lines", lines), emit_time(report->from_ns, from), emit_time(report->to_ns, to),
            emit_span(report->to_ns - report->from_ns, span));
    print_notes(report, out);
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
