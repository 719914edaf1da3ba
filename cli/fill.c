/* SPDX-License-Identifier: MPL-2.0
 *
 * Events of the ring -> identities of each rule -> the cells that they name: see fill.h.
 */
#include "cli/fill.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/emit.h"
#include "cli/keys_view.h"
#include "policy/decide_cells.h"
#include "shm/moment.h"

#define BAR_WIDTH 20

struct look {
    const struct arena *arena;
    struct moment now;
    int percent;
    int64_t limit, remaining; /* of the fullest */
};

static void on_limit(void *context, const struct decide_cells_limit *limit)
{
    struct look *look = context;
    struct keys_view view;
    int percent;

    keys_view_read(look->arena, limit, look->now, &view);
    percent = keys_view_fill(&view);
    if (percent <= look->percent)
        return;
    look->percent = percent;
    look->limit = limit->limit.capacity;
    look->remaining = keys_view_is_open(&view) ? 0 : view.cell.remaining;
}

static void look_at_identities(struct ranking *identities, struct decider *decider, const struct arena *arena, struct moment now)
{
    for (size_t i = 0; i < RANKING_ROWS; i++) {
        struct ranking_row *row = &identities->rows[i];
        struct look look = {.arena = arena, .now = now, .percent = -1};

        if (!row->key)
            continue;
        decide_cells_of_event(decider, &row->last, now, on_limit, &look);
        row->limit = look.limit;
        row->remaining = look.remaining;
    }
}

/* Of each rule the fullest identity. */
static void sum_up(const struct ranking *identities, struct ranking *rules)
{
    for (size_t i = 0; i < RANKING_ROWS; i++)
        rules->rows[i].limit = 0;
    for (size_t i = 0; i < RANKING_ROWS; i++) {
        const struct ranking_row *row = &identities->rows[i];
        struct ranking_row *rule = row->key && row->limit > 0 ? ranking_find(rules, &row->last) : NULL;

        if (!rule || ranking_fill(rule) >= ranking_fill(row))
            continue;
        rule->limit = row->limit;
        rule->remaining = row->remaining;
    }
}

void fill_refresh(struct ranking *identities, struct ranking *rules, struct decider *decider, const struct arena *arena)
{
    if (!decider)
        return;
    look_at_identities(identities, decider, arena, moment_now());
    sum_up(identities, rules);
}

static void add(struct fill *fill, const struct ranking_row *row)
{
    struct slice policy = event_get(&row->last, EVENT_TEXT_POLICY), rule = event_get(&row->last, EVENT_TEXT_RULE);
    struct fill_rule *to = &fill->rules[fill->count];

    if (rule.size == 0 || ranking_fill(row) < 0)
        return;
    *to = (struct fill_rule){.percent = ranking_fill(row), .rejects = row->total[RANKING_REJECTS]};
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

bool fill_read(const struct arena *arena, struct decider *decider, struct fill *fill)
{
    struct ranking *identities = malloc(sizeof(*identities)), *rules = malloc(sizeof(*rules));
    const struct ranking_row *rows[FILL_RULES];
    bool has_memory = identities && rules;
    size_t count;

    fill->count = 0;
    if (has_memory) {
        ranking_init(identities, false, arena_hash_key(arena));
        ranking_init(rules, true, arena_hash_key(arena));
        ranking_read(identities, rules, arena);
        fill_refresh(identities, rules, decider, arena);
        count = ranking_sort(rules, RANKING_BY_FILL, moment_now().wall_ns, rows, FILL_RULES);
        for (size_t i = 0; i < count; i++)
            add(fill, rows[i]);
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
        emit_json_text(i > 0 ? ",{\"policy\":" : "{\"policy\":", slice_of(fill->rules[i].policy), stdout);
        emit_json_text(",\"rule\":", slice_of(fill->rules[i].rule), stdout);
        printf(",\"fill_percent\":%d,\"rejects\":%" PRId64 "}", fill->rules[i].percent, fill->rules[i].rejects);
    }
    putchar(']');
}
