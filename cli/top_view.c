/* SPDX-License-Identifier: MPL-2.0
 *
 * Figures of `fairvisor top`: see top_view.h.
 */
#include "cli/top_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/fill.h"
#include "shm/moment.h"

size_t top_view_sort(struct top_view *view, size_t room)
{
    const struct ranking *ranking = view->by_rule ? &view->rules : &view->identities;

    bundle_copy_refresh(&view->copy, &view->instance);
    fill_refresh(&view->identities, &view->rules, view->copy.decider, &view->instance.arena);
    return ranking_sort(ranking, view->order, moment_now().wall_ns, view->rows, room < TOP_MAX_LINES ? room : TOP_MAX_LINES);
}

/* "0.5", "12", "1.2k", "34M" of thousandths. */
static const char *short_number(int64_t thousandths, char text[TOP_FIGURE_SIZE])
{
    static const char units[] = " kMGTP";
    int unit = 0;

    while (thousandths >= 1000000 && units[unit + 1] != '\0') {
        thousandths /= 1000;
        unit++;
    }
    if (thousandths < 10000 && (thousandths % 1000 / 100 != 0 || unit > 0))
        snprintf(text, TOP_FIGURE_SIZE, "%" PRId64 ".%" PRId64 "%.*s", thousandths / 1000, thousandths % 1000 / 100, unit > 0,
                 &units[unit]);
    else
        snprintf(text, TOP_FIGURE_SIZE, "%" PRId64 "%.*s", thousandths / 1000, unit > 0, &units[unit]);
    return text;
}

const char *top_view_rate(const struct ranking_row *row, enum ranking_count count, int64_t now_ns, char text[TOP_FIGURE_SIZE])
{
    int64_t rate = ranking_rate(row, count, now_ns);

    return short_number(count == RANKING_COST ? rate / 1000000 : rate, text);
}

const char *top_view_total(const struct ranking_row *row, enum ranking_count count, char text[TOP_FIGURE_SIZE])
{
    int64_t total = row->total[count];

    if (count == RANKING_COST)
        return short_number(total / 1000, text);
    return short_number(total < INT64_MAX / 1000 ? total * 1000 : INT64_MAX, text);
}

void top_view_bar(int percent, char text[TOP_FIGURE_SIZE])
{
    char bar[TOP_BAR_WIDTH + 1], figure[16] = "-";

    for (int i = 0; i < TOP_BAR_WIDTH; i++)
        bar[i] = percent < 0 ? ' ' : i < percent * TOP_BAR_WIDTH / 100 ? '#' : '.';
    bar[TOP_BAR_WIDTH] = '\0';
    if (percent >= 0)
        snprintf(figure, sizeof(figure), "%d", percent);
    snprintf(text, TOP_FIGURE_SIZE, "[%s] %4s", bar, figure);
}

struct slice top_view_place(const struct event *event)
{
    struct slice policy = event_get(event, EVENT_TEXT_POLICY), reason = event_get(event, EVENT_TEXT_REASON);

    if (policy.size > 0)
        return policy;
    return reason.size > 0 ? reason : SLICE("(none enforced)");
}

/* TEXT is NAME, or the beginning of it when the event cut its texts. */
static bool is_named(struct slice text, struct slice name, const struct event *event)
{
    struct slice head = {name.data, text.size < name.size ? text.size : name.size};

    return slice_equal(text, event->flags & EVENT_IS_CUT ? head : name);
}

static bool has_rule(const struct policy *policy, const struct event *event)
{
    struct slice rule = event_get(event, EVENT_TEXT_RULE);

    if (rule.size == 0) /* a guard of the policy, or its fallback without a name */
        return true;
    for (uint32_t i = 0; i < policy->rule_count; i++)
        if (is_named(rule, policy->rules[i].name, event))
            return true;
    return policy->fallback && is_named(rule, policy->fallback->name, event);
}

bool top_view_is_served(const struct top_view *view, const struct ranking_row *row)
{
    struct slice id = event_get(&row->last, EVENT_TEXT_POLICY);
    const struct bundle *bundle = view->copy.bundle;

    if (!bundle || id.size == 0)
        return true;
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        if (is_named(id, bundle->policies[i].id, &row->last) && has_rule(&bundle->policies[i], &row->last))
            return true;
    return false;
}
