/* SPDX-License-Identifier: MPL-2.0
 *
 * What the ring holds, once, for people or for programs: see top_view.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/emit.h"
#include "cli/top_view.h"
#include "shm/counted.h"
#include "shm/event_print.h"
#include "shm/moment.h"

static void print_json_keys(const struct event *event)
{
    struct slice name, value;
    size_t at = 0;

    fputs(",\"keys\":{", stdout);
    while (at < event->rule_keys && event_next_key(event, &at, &name, &value)) {
        if (at > 1)
            putchar(',');
        emit_json_string(name, stdout);
        putchar(':');
        emit_json_string(value, stdout);
    }
    putchar('}');
}

static void print_json_amount(const char *name, int64_t millionths)
{
    char text[EVENT_PRINT_NUMBER_SIZE];

    event_print_number(millionths, text);
    printf(",\"%s\":%s", name, text);
}

static void print_json_row(const struct top_view *view, const struct ranking_row *row)
{
    static const char *const names[] = {
#define RANKING_COUNT_NAME(symbol, name) name,
        RANKING_COUNT_ROWS(RANKING_COUNT_NAME)
#undef RANKING_COUNT_NAME
    };
    char time[EVENT_PRINT_TIME_SIZE];

    emit_json_text("{\"policy\":", event_get(&row->last, EVENT_TEXT_POLICY), stdout);
    emit_json_text(",\"rule\":", event_get(&row->last, EVENT_TEXT_RULE), stdout);
    printf(",\"served\":%s", top_view_is_served(view, row) ? "true" : "false");
    if (!view->by_rule)
        print_json_keys(&row->last);
    for (int i = 0; i < RANKING_COST; i++)
        printf(",\"%s\":%" PRId64, names[i], row->total[i]);
    print_json_amount(names[RANKING_COST], row->total[RANKING_COST]);
    if (ranking_fill(row) >= 0) {
        print_json_amount("limit", row->limit);
        print_json_amount("remaining", row->remaining);
        printf(",\"fill_percent\":%d", ranking_fill(row));
    }
    event_print_time(row->last.wall_ns, time);
    printf(",\"last\":\"%s\"}", time);
}

void top_once_print_json(const struct top_view *view, size_t count)
{
    char time[EVENT_PRINT_TIME_SIZE];

    event_print_time(moment_now().wall_ns, time);
    emit_json_text("{\"instance\":", slice_of(view->instance.settings.instance), stdout);
    printf(",\"running\":%s", view->instance.is_running ? "true" : "false");
    printf(",\"time\":\"%s\",\"events\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"sort\":\"%s\",\"by\":\"%s\",\"rows\":[", time,
           view->events, view->lost, ranking_order_name(view->order), view->by_rule ? "rule" : "identity");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putchar(',');
        print_json_row(view, view->rows[i]);
    }
    puts("]}");
}

static void print_text_row(const struct top_view *view, const struct ranking_row *row)
{
    char bar[TOP_FIGURE_SIZE], text[4][TOP_FIGURE_SIZE];
    struct slice name, value, rule = event_get(&row->last, EVENT_TEXT_RULE);
    size_t at = 0;

    top_view_bar(ranking_fill(row), bar);
    printf("%s %8s %8s %8s %8s  ", bar, top_view_total(row, RANKING_REJECTS, text[0]),
           top_view_total(row, RANKING_WOULD_REJECTS, text[1]), top_view_total(row, RANKING_ALLOWS, text[2]),
           top_view_total(row, RANKING_COST, text[3]));
    emit_plain(top_view_place(&row->last), stdout);
    if (rule.size > 0) {
        putchar('/');
        emit_plain(rule, stdout);
    }
    while (!view->by_rule && at < row->last.rule_keys && event_next_key(&row->last, &at, &name, &value)) {
        putchar(' ');
        emit_plain(name, stdout);
        putchar('=');
        emit_plain(value, stdout);
    }
    puts(top_view_is_served(view, row) ? "" : " " TOP_NOT_SERVED);
}

void top_once_print(const struct top_view *view, size_t count)
{
    char text[COUNTED_SIZE];

    printf("%s, %" PRIu64 " lost\n%-*s %4s %8s %8s %8s %8s  %s\n",
           counted((int64_t)view->events, "event", "events", text), view->lost, TOP_BAR_WIDTH + 2,
           "fill", "%", "rejects", "would", "allows", "cost", view->by_rule ? "policy/rule" : "policy/rule identity");
    for (size_t i = 0; i < count; i++)
        print_text_row(view, view->rows[i]);
    if (!view->copy.decider)
        puts("fill as the last events told it: the copy of the loaded policy cannot be read");
}
