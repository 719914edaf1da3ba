/* SPDX-License-Identifier: MPL-2.0
 *
 * Events of the ring -> the fill of each rule: see fill.h.
 */
#include "cli/fill.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/emit.h"
#include "cli/ranking.h"
#include "shm/moment.h"

#define BAR_WIDTH 20

static bool is_same_rule(const struct event *a, const struct event *b)
{
    return slice_equal(event_get(a, EVENT_TEXT_POLICY), event_get(b, EVENT_TEXT_POLICY)) &&
           slice_equal(event_get(a, EVENT_TEXT_RULE), event_get(b, EVENT_TEXT_RULE));
}

static int fullest(const struct ranking *identities, const struct ranking_row *rule)
{
    int most = ranking_fill(rule);

    for (size_t i = 0; i < RANKING_ROWS; i++) {
        const struct ranking_row *row = &identities->rows[i];

        if (row->key && ranking_fill(row) > most && is_same_rule(&row->last, &rule->last))
            most = ranking_fill(row);
    }
    return most;
}

static void add(struct fill *fill, const struct ranking *identities, const struct ranking_row *row)
{
    struct slice policy = event_get(&row->last, EVENT_TEXT_POLICY), rule = event_get(&row->last, EVENT_TEXT_RULE);
    struct fill_rule *to = &fill->rules[fill->count];

    if (rule.size == 0 || ranking_fill(row) < 0)
        return;
    *to = (struct fill_rule){.percent = fullest(identities, row), .rejects = row->total[RANKING_REJECTS]};
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

bool fill_read(const struct arena *arena, struct fill *fill)
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
        count = ranking_sort(rules, RANKING_BY_FILL, moment_now().wall_ns, rows, FILL_RULES);
        for (size_t i = 0; i < count; i++)
            add(fill, identities, rows[i]);
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
