/* SPDX-License-Identifier: MPL-2.0
 *
 * A frame of `fairvisor top` on a terminal: see top_view.h.
 */
#include <inttypes.h>

#include "cli/emit.h"
#include "cli/top_view.h"
#include "shm/counted.h"
#include "shm/counters.h"
#include "shm/moment.h"

#define HEAD_LINES   4
#define FULL_PERCENT 90

static void draw_state(struct screen *screen, const struct instance *instance)
{
    char span[EMIT_SPAN_SIZE], text[COUNTED_SIZE];
    struct arena_status status;

    screen_print(screen, "fairvisor top - instance %s", instance->settings.instance);
    if (instance->orphans > 0)
        screen_print(screen, " IS NOT RUNNING: ITS MASTER IS DEAD, %s on until drained",
                     counted(instance->orphans, "worker serves", "workers serve", text));
    else if (!instance->is_running)
        screen_print(screen, " IS NOT RUNNING");
    else if (arena_read_status(&instance->arena, &status))
        screen_print(screen, ", policy %s, up %s, %s", status.policy_version,
                     emit_span(moment_now().wall_ns - status.started_at_ns, span),
                     counted(status.worker_count, "worker", "workers", text));
    screen_print(screen, ", %s",
                 counted(counters_sum(&instance->arena, COUNTER_connections), "connection", "connections", text));
}

static void draw_head(struct screen *screen, const struct top_view *view)
{
    char text[COUNTED_SIZE];

    screen_style(screen, "\033[1m");
    draw_state(screen, &view->instance);
    screen_end_line(screen);
    screen_print(screen, "%s, %" PRIu64 " lost, of the %s by %s%s%s", counted((int64_t)view->events, "event", "events", text),
                 view->lost, view->by_rule ? "rules" : "identities", ranking_order_name(view->order),
                 view->is_paused ? ", PAUSED" : "",
                 view->copy.decider ? "" : ", fill as last told: the loaded policy cannot be read");
    screen_end_line(screen);
    screen_style(screen, "\033[7m");
    screen_print(screen, "%-*s %4s %8s %8s %8s %8s %8s  %-24s %s", TOP_BAR_WIDTH + 2, "fill", "%", "reject/s", "would/s",
                 "allow/s", "cost/s", "rejects", "policy/rule", view->by_rule ? "" : "identity");
    while (screen->column < screen->width)
        screen_put(screen, SLICE(" "));
    screen_end_line(screen);
}

static void put_padded(struct screen *screen, struct slice text, unsigned until)
{
    screen_put(screen, text);
    while (screen->column < until && screen->column < screen->width)
        screen_put(screen, SLICE(" "));
}

static void draw_keys(struct screen *screen, const struct event *event)
{
    struct slice name, value;
    size_t at = 0;

    while (at < event->rule_keys && event_next_key(event, &at, &name, &value)) {
        screen_put(screen, SLICE(" "));
        screen_put(screen, name);
        screen_put(screen, SLICE("="));
        screen_put(screen, value);
    }
}

static void draw_row(struct screen *screen, const struct top_view *view, const struct ranking_row *row, int64_t now_ns)
{
    char bar[TOP_FIGURE_SIZE], text[5][TOP_FIGURE_SIZE];
    struct slice rule = event_get(&row->last, EVENT_TEXT_RULE);
    int fill = ranking_fill(row);
    unsigned begins;

    top_view_bar(fill, bar);
    if (fill >= FULL_PERCENT)
        screen_style(screen, "\033[31m");
    screen_print(screen, "%s", bar);
    screen_style(screen, "\033[0m");
    screen_print(screen, " %8s %8s %8s %8s %8s  ", top_view_rate(row, RANKING_REJECTS, now_ns, text[0]),
                 top_view_rate(row, RANKING_WOULD_REJECTS, now_ns, text[1]), top_view_rate(row, RANKING_ALLOWS, now_ns, text[2]),
                 top_view_rate(row, RANKING_COST, now_ns, text[3]), top_view_total(row, RANKING_REJECTS, text[4]));
    begins = screen->column;
    screen_put(screen, top_view_place(&row->last));
    if (rule.size > 0) {
        screen_put(screen, SLICE("/"));
        screen_put(screen, rule);
    }
    put_padded(screen, SLICE(""), begins + 24);
    if (!view->by_rule)
        draw_keys(screen, &row->last);
    if (!top_view_is_served(view, row))
        screen_put(screen, SLICE(" " TOP_NOT_SERVED));
    screen_end_line(screen);
}

bool top_screen_draw(struct screen *screen, struct top_view *view)
{
    size_t room = screen->height > HEAD_LINES ? screen->height - HEAD_LINES : 0, count;
    int64_t now_ns = moment_now().wall_ns;
    bool is_hashed = false;

    count = top_view_sort(view, view->first + (view->lines && view->lines < room ? (size_t)view->lines : room));
    if (view->first >= count)
        view->first = count ? count - 1 : 0;
    screen_begin(screen);
    draw_head(screen, view);
    for (size_t i = view->first; i < count; i++) {
        draw_row(screen, view, view->rows[i], now_ns);
        is_hashed |= (view->rows[i]->last.flags & EVENT_IS_HASHED) != 0 && !view->by_rule;
    }
    screen_style(screen, "\033[2m");
    screen_print(screen, "r c f a sort   i identities or rules   p pause   j k scroll   q quit%s",
                 is_hashed ? "   #...: a value that `redact` hides" : "");
    return screen_end(screen);
}
