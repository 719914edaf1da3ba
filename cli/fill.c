/* SPDX-License-Identifier: MPL-2.0
 *
 * Events of the ring -> identities of each rule -> their cells: see fill.h.
 */
#include "cli/fill.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/emit.h"
#include "cli/keys_view.h"
#include "cli/ranking.h"
#include "shm/moment.h"

#define BAR_WIDTH 20

static bool is_same_rule(const struct event *a, const struct event *b)
{
    return slice_equal(event_get(a, EVENT_TEXT_POLICY), event_get(b, EVENT_TEXT_POLICY)) &&
           slice_equal(event_get(a, EVENT_TEXT_RULE), event_get(b, EVENT_TEXT_RULE));
}

struct look {
    const struct arena *arena;
    struct decider *decider; /* NULL: the loaded bundle is not known */
    struct moment now;
    int percent;
};

static void on_limit(void *context, const struct decide_cells_limit *limit)
{
    struct look *look = context;
    struct keys_view view;
    int percent;

    keys_view_read(look->arena, limit, look->now, &view);
    percent = keys_view_fill(&view);
    if (percent > look->percent)
        look->percent = percent;
}

/* What the cells say now; what the last event said where they cannot be found. */
static int fill_of(struct look *look, const struct ranking_row *row)
{
    struct decide_cells_pair pairs[KEYS_VIEW_PAIRS];
    struct decide_cells_identity identity = {.pairs = pairs,
                                             .policy = event_get(&row->last, EVENT_TEXT_POLICY),
                                             .rule = event_get(&row->last, EVENT_TEXT_RULE)};

    look->percent = -1;
    if (look->decider && keys_view_name(&row->last, pairs, &identity.count))
        decide_cells_list(look->decider, &identity, look->now, on_limit, look);
    return look->percent >= 0 ? look->percent : ranking_fill(row);
}

static int fullest(struct look *look, const struct ranking *identities, const struct ranking_row *rule)
{
    int most = -1;

    for (size_t i = 0; i < RANKING_ROWS; i++) {
        const struct ranking_row *row = &identities->rows[i];
        int percent = row->key && is_same_rule(&row->last, &rule->last) ? fill_of(look, row) : -1;

        if (percent > most)
            most = percent;
    }
    return most >= 0 ? most : ranking_fill(rule);
}

static void add(struct fill *fill, struct look *look, const struct ranking *identities, const struct ranking_row *row)
{
    struct slice policy = event_get(&row->last, EVENT_TEXT_POLICY), rule = event_get(&row->last, EVENT_TEXT_RULE);
    struct fill_rule *to = &fill->rules[fill->count];

    if (rule.size == 0 || ranking_fill(row) < 0)
        return;
    *to = (struct fill_rule){.percent = fullest(look, identities, row), .rejects = row->total[RANKING_REJECTS]};
    snprintf(to->policy, sizeof(to->policy), "%.*s", (int)policy.size, policy.data);
    snprintf(to->rule, sizeof(to->rule), "%.*s", (int)rule.size, rule.data);
    fill->count++;
}

static int compare(const void *left, const void *right)
{
    const struct fill_rule *a = left, *b = right;

    if (a->percent != b->percent)
        return b->percent - a->percent;
    return (a->rejects < b->rejects) - (a->rejects > b->rejects);
}

bool fill_read(const struct arena *arena, const struct bundle *bundle, struct fill *fill)
{
    struct look look = {.arena = arena, .now = moment_now()};
    struct ranking *identities = malloc(sizeof(*identities)), *rules = malloc(sizeof(*rules));
    const struct ranking_row *rows[FILL_RULES];
    bool has_memory = identities && rules;
    size_t count;

    fill->count = 0;
    if (has_memory) {
        look.decider = bundle ? decide_new(bundle, arena, NULL, 0) : NULL;
        ranking_init(identities, false, arena_hash_key(arena));
        ranking_init(rules, true, arena_hash_key(arena));
        ranking_read(identities, rules, arena);
        count = ranking_sort(rules, RANKING_BY_FILL, moment_now().wall_ns, rows, FILL_RULES);
        for (size_t i = 0; i < count; i++)
            add(fill, &look, identities, rows[i]);
        decide_free(look.decider);
        qsort(fill->rules, fill->count, sizeof(fill->rules[0]), compare);
    }
    free(identities);
    free(rules);
    return has_memory;
}

void fill_print(const struct fill *fill)
{
    for (uint32_t i = 0; i < fill->count; i++) {
        const struct fill_rule *rule = &fill->rules[i];

        fputs(i == 0 ? "  limits       [" : "               [", stdout);
        for (int j = 0; j < BAR_WIDTH; j++)
            putchar(j < rule->percent * BAR_WIDTH / 100 ? '#' : '.');
        printf("] %3d %% ", rule->percent);
        emit_plain(slice_of(rule->policy), stdout);
        putchar('/');
        emit_plain(slice_of(rule->rule), stdout);
        if (rule->rejects > 0)
            printf(", refused lately: %" PRId64, rule->rejects);
        putchar('\n');
    }
}

void fill_print_json(const struct fill *fill)
{
    putchar('[');
    for (uint32_t i = 0; i < fill->count; i++) {
        fputs(i > 0 ? ",{\"policy\":" : "{\"policy\":", stdout);
        emit_json_string(slice_of(fill->rules[i].policy), stdout);
        fputs(",\"rule\":", stdout);
        emit_json_string(slice_of(fill->rules[i].rule), stdout);
        printf(",\"fill_percent\":%d,\"rejects\":%" PRId64 "}", fill->rules[i].percent, fill->rules[i].rejects);
    }
    putchar(']');
}
