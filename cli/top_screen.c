/* SPDX-License-Identifier: MPL-2.0
 *
 * A frame of `fairvisor top` on a terminal: see top_view.h.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/top_view.h"
#include "shm/counted.h"
#include "shm/counters.h"
#include "shm/moment.h"

#define HEAD_LINES   4
#define FULL_PERCENT 90
#define FIGURES      5

/* What a line holds on a terminal of FROM columns and more: who is limited is to be seen on each, so that a narrow one goes
 * without the bar, without the figures of width 0 and without what stands before the colon in names of keys. */
struct layout {
    unsigned from;
    bool is_narrow;
    int figures[FIGURES];
    unsigned place; /* policy and rule; more of them is cut off on a narrow terminal, and moves the identity on a wide one */
};

static const char *const figure_names[FIGURES] = {"reject/s", "would/s", "allow/s", "cost/s", "rejects"};

static const struct layout layouts[] = {
    {100, false, {8, 8, 8, 8, 8}, 24},
    {80, true, {8, 7, 7, 6, 0}, 20},
    {60, true, {8, 7, 0, 0, 0}, 16},
    {0, true, {8, 0, 0, 0, 0}, 8},
};

static const struct layout *find_layout(const struct screen *screen)
{
    const struct layout *layout = layouts;

    while (screen->width < layout->from)
        layout++;
    return layout;
}

static void draw_figures(struct screen *screen, const struct layout *layout, const char *const texts[FIGURES])
{
    for (int i = 0; i < FIGURES; i++)
        if (layout->figures[i] > 0)
            screen_print(screen, " %*s", layout->figures[i], texts[i]);
    screen_put(screen, SLICE("  "));
}

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
    const struct layout *layout = find_layout(screen);
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
    if (!layout->is_narrow)
        screen_print(screen, "%-*s ", TOP_BAR_WIDTH + 2, "fill");
    screen_print(screen, "%4s", layout->is_narrow ? "fill" : "%");
    draw_figures(screen, layout, figure_names);
    screen_print(screen, "%-*.*s %s", (int)layout->place, (int)layout->place, "policy/rule", view->by_rule ? "" : "identity");
    while (screen->column < screen->width)
        screen_put(screen, SLICE(" "));
    screen_end_line(screen);
}

static void draw_place(struct screen *screen, const struct layout *layout, const struct event *event, bool is_last)
{
    unsigned width = screen->width, end = screen->column + layout->place;
    struct slice rule = event_get(event, EVENT_TEXT_RULE);

    if (layout->is_narrow && !is_last && end < width)
        screen->width = end; /* what is wider is cut */
    screen_put(screen, top_view_place(event));
    if (rule.size > 0) {
        screen_put(screen, SLICE("/"));
        screen_put(screen, rule);
    }
    screen->width = width;
    while (screen->column < end && screen->column < width)
        screen_put(screen, SLICE(" "));
}

/* "x-key" of "header:x-key". */
static struct slice bare(struct slice name)
{
    const char *colon = name.size > 0 ? memchr(name.data, ':', name.size) : NULL;
    size_t used = colon ? (size_t)(colon + 1 - name.data) : 0;

    return (struct slice){name.data + used, name.size - used};
}

static void draw_keys(struct screen *screen, const struct layout *layout, const struct event *event)
{
    struct slice name, value;
    size_t at = 0;

    while (at < event->rule_keys && event_next_key(event, &at, &name, &value)) {
        screen_put(screen, SLICE(" "));
        screen_put(screen, layout->is_narrow ? bare(name) : name);
        screen_put(screen, SLICE("="));
        screen_put(screen, value);
    }
}

static void draw_row(struct screen *screen, const struct top_view *view, const struct ranking_row *row, int64_t now_ns)
{
    const struct layout *layout = find_layout(screen);
    char bar[TOP_FIGURE_SIZE], text[FIGURES][TOP_FIGURE_SIZE];
    int fill = ranking_fill(row);

    top_view_bar(fill, bar);
    if (fill >= FULL_PERCENT)
        screen_style(screen, "\033[31m");
    screen_print(screen, "%s", layout->is_narrow ? bar + TOP_BAR_WIDTH + 3 : bar);
    screen_style(screen, "\033[0m");
    draw_figures(screen, layout,
                 (const char *const[FIGURES]){top_view_rate(row, RANKING_REJECTS, now_ns, text[0]),
                                              top_view_rate(row, RANKING_WOULD_REJECTS, now_ns, text[1]),
                                              top_view_rate(row, RANKING_ALLOWS, now_ns, text[2]),
                                              top_view_rate(row, RANKING_COST, now_ns, text[3]),
                                              top_view_total(row, RANKING_REJECTS, text[4])});
    draw_place(screen, layout, &row->last, view->by_rule);
    if (!view->by_rule)
        draw_keys(screen, layout, &row->last);
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
