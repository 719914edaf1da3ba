/* SPDX-License-Identifier: MPL-2.0
 *
 * Sums of events: see ranking.h. Rates come from two windows: the share of the last one that still counts, and this one.
 */
#include "cli/ranking.h"

#include <stdlib.h>
#include <string.h>

#include "shm/moment.h"
#include "shm/siphash.h"

#define PROBES      16 /* places that one key may be in */
#define TOLERANCE_NS (NANOSECONDS_PER_SECOND / 100) /* that two clocks may differ in an event's age */
#define THOUSANDTHS (1000 * INT64_C(1000000000) / RANKING_WINDOW_NS) /* of a second, for one in a window */

static const char *const order_names[RANKING_ORDERS] = {"reject", "cost", "fill", "allow"};

const char *ranking_order_name(enum ranking_order order)
{
    return order_names[order];
}

void ranking_init(struct ranking *ranking, bool by_rule, const uint64_t hash_key[2])
{
    memset(ranking, 0, sizeof(*ranking));
    ranking->by_rule = by_rule;
    memcpy(ranking->hash_key, hash_key, sizeof(ranking->hash_key));
}

static uint64_t key_of(const struct ranking *ranking, const struct event *event)
{
    struct slice name, value;
    struct siphash hash;
    uint64_t out[2];
    size_t at = 0;

    siphash_init(&hash, ranking->hash_key);
    siphash_update_value(&hash, event_get(event, EVENT_TEXT_POLICY));
    siphash_update_value(&hash, event_get(event, EVENT_TEXT_RULE));
    while (!ranking->by_rule && at < event->rule_keys && event_next_key(event, &at, &name, &value)) {
        siphash_update_value(&hash, name);
        siphash_update_value(&hash, value);
    }
    siphash_final(&hash, out);
    return out[0] ? out[0] : 1;
}

/* The first to go: who did least, and of those who did it longest ago. */
static bool goes_before(const struct ranking_row *a, const struct ranking_row *b)
{
    int64_t a_weight = a->total[RANKING_REJECTS] + a->total[RANKING_WOULD_REJECTS];
    int64_t b_weight = b->total[RANKING_REJECTS] + b->total[RANKING_WOULD_REJECTS];

    if (a->window != b->window)
        return a->window < b->window;
    return a_weight != b_weight ? a_weight < b_weight : a->last.wall_ns < b->last.wall_ns;
}

static struct ranking_row *place_of(struct ranking *ranking, uint64_t key)
{
    struct ranking_row *worst = NULL;

    for (uint32_t i = 0; i < PROBES; i++) {
        struct ranking_row *row = &ranking->rows[(key + i) % RANKING_ROWS];

        if (row->key == key)
            return row;
        if (row->key == 0) {
            worst = row;
            break;
        }
        if (!worst || goes_before(row, worst))
            worst = row;
    }
    memset(worst, 0, sizeof(*worst));
    worst->key = key;
    return worst;
}

static int64_t window_of(int64_t wall_ns)
{
    return wall_ns / RANKING_WINDOW_NS;
}

static void turn(struct ranking_row *row, int64_t window)
{
    if (window <= row->window)
        return;
    for (int i = 0; i < RANKING_COUNTS; i++) {
        row->before[i] = window == row->window + 1 ? row->now[i] : 0;
        row->now[i] = 0;
    }
    row->window = window;
}

static void count(struct ranking_row *row, enum ranking_count which, int64_t amount, uint32_t weight)
{
    int64_t sum, product;

    if (amount < 0 || __builtin_mul_overflow(amount, (int64_t)weight, &product))
        return;
    if (!__builtin_add_overflow(row->total[which], product, &sum))
        row->total[which] = sum;
    if (!__builtin_add_overflow(row->now[which], product, &sum))
        row->now[which] = sum;
}

static struct ranking_row *find_key(struct ranking *ranking, uint64_t key)
{
    for (uint32_t i = 0; i < PROBES; i++) {
        struct ranking_row *row = &ranking->rows[(key + i) % RANKING_ROWS];

        if (row->key == key)
            return row;
    }
    return NULL;
}

struct ranking_row *ranking_find(struct ranking *ranking, const struct event *event)
{
    return find_key(ranking, key_of(ranking, event));
}

/* ---- settlements: they tell a cell, and no name ------------------------------------------------------------------- */

static struct ranking_place *find_place(struct ranking *ranking, uint64_t cell, bool takes_any)
{
    for (uint32_t i = 0; i < PROBES; i++) {
        struct ranking_place *place = &ranking->places[(cell + i) % RANKING_PLACES];

        if (place->cell == cell || (takes_any && place->cell == 0))
            return place;
    }
    return takes_any ? &ranking->places[cell % RANKING_PLACES] : NULL;
}

static void note_cells(struct ranking *ranking, const struct ranking_row *row)
{
    const uint64_t *cell;
    int role = -1;

    while (!ranking->by_rule && (cell = event_next_cell(&row->last, &role)) != NULL)
        *find_place(ranking, cell[0], true) = (struct ranking_place){cell[0], row->key};
}

static struct ranking_row *settled_row(struct ranking *ranking, const struct event *event)
{
    struct ranking_place *place;
    const uint64_t *cell;
    int role = -1;

    if (ranking->by_rule) /* without a name it is of a rule that is not served any more */
        return event_get(event, EVENT_TEXT_POLICY).size > 0 ? ranking_find(ranking, event) : NULL;
    cell = event_next_cell(event, &role);
    place = cell ? find_place(ranking, cell[0], false) : NULL;
    return place ? find_key(ranking, place->key) : NULL;
}

static void change(int64_t *sum, int64_t difference)
{
    if (__builtin_add_overflow(*sum, difference, sum) || *sum < 0)
        *sum = difference < 0 ? 0 : INT64_MAX;
}

/* Of a request that is counted: one from before the row began is not. */
static void settle(struct ranking *ranking, const struct event *event)
{
    struct ranking_row *row = settled_row(ranking, event);
    int64_t begun_ns, window, difference;

    if (!row || __builtin_sub_overflow(event->wall_ns, event->age_ns, &begun_ns) ||
        (__int128)begun_ns + TOLERANCE_NS < row->since_ns ||
        __builtin_sub_overflow(event->cost, event->reserved, &difference) ||
        __builtin_mul_overflow(difference, (int64_t)event->weight, &difference))
        return;
    window = window_of(begun_ns);
    change(&row->total[RANKING_COST], difference);
    if (window == row->window)
        change(&row->now[RANKING_COST], difference);
    else if (window == row->window - 1)
        change(&row->before[RANKING_COST], difference);
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

/* A refusal before any limit was looked at tells no cells. */
static void keep_last(struct ranking_row *row, const struct event *event)
{
    uint8_t roles = row->last.cell_roles;
    uint64_t cells[EVENT_CELLS][2];

    if (row->since_ns == 0)
        row->since_ns = event->wall_ns;
    memcpy(cells, row->last.cells, sizeof(cells));
    row->last = *event;
    if (event->cell_roles == 0) {
        row->last.cell_roles = roles;
        memcpy(row->last.cells, cells, sizeof(cells));
    }
}

void ranking_add(struct ranking *ranking, const struct event *event)
{
    struct ranking_row *row;

    if (event->action == EVENT_SETTLE)
        settle(ranking, event);
    if (event->action == EVENT_AUDIT || event->action == EVENT_SETTLE)
        return;
    row = place_of(ranking, key_of(ranking, event));
    turn(row, window_of(event->wall_ns));
    keep_last(row, event);
    note_cells(ranking, row);
    if (event->flags & EVENT_HAS_NUMBERS) {
        row->limit = event->limit;
        row->remaining = event->remaining;
    }
    if (event->action == EVENT_REJECT)
        count(row, RANKING_REJECTS, 1, event->weight);
    else if (event->action == EVENT_WOULD_REJECT)
        count(row, RANKING_WOULD_REJECTS, 1, event->weight);
    else
        count(row, RANKING_ALLOWS, 1, event->weight);
    if (event->action == EVENT_ALLOW || event->action == EVENT_CHARGE)
        count(row, RANKING_COST, event->cost, event->weight);
}

void ranking_read(struct ranking *identities, struct ranking *rules, const struct arena *arena)
{
    uint64_t end = events_count(arena);
    struct events_reader reader;
    static struct event event;

    events_begin_oldest(&reader, arena);
    while (events_read_kept(&reader, end, &event)) {
        ranking_add(identities, &event);
        if (rules)
            ranking_add(rules, &event);
    }
}

int64_t ranking_rate(const struct ranking_row *row, enum ranking_count count, int64_t now_ns)
{
    int64_t window = window_of(now_ns), passed = now_ns % RANKING_WINDOW_NS, before, now = 0;

    if (window == row->window) {
        before = row->before[count];
        now = row->now[count];
    } else if (window == row->window + 1) {
        before = row->now[count];
    } else {
        return 0;
    }
    return (int64_t)(((__int128)before * (RANKING_WINDOW_NS - passed) + (__int128)now * RANKING_WINDOW_NS) *
                     THOUSANDTHS / RANKING_WINDOW_NS);
}

int ranking_fill(const struct ranking_row *row)
{
    __int128 percent;

    if (row->limit <= 0)
        return -1;
    percent = ((__int128)row->limit - row->remaining) * 100 / row->limit;
    return percent < 0 ? 0 : percent > 999 ? 999 : (int)percent;
}

/* ---- order -------------------------------------------------------------------------------------------------------- */

struct ordering {
    enum ranking_order order;
    int64_t now_ns;
};

static int64_t score(const struct ordering *ordering, const struct ranking_row *row)
{
    switch (ordering->order) {
    case RANKING_BY_COST:
        return ranking_rate(row, RANKING_COST, ordering->now_ns);
    case RANKING_BY_FILL:
        return ranking_fill(row);
    case RANKING_BY_ALLOWS:
        return ranking_rate(row, RANKING_ALLOWS, ordering->now_ns);
    default:
        return ranking_rate(row, RANKING_REJECTS, ordering->now_ns) +
               ranking_rate(row, RANKING_WOULD_REJECTS, ordering->now_ns);
    }
}

static int64_t total(const struct ordering *ordering, const struct ranking_row *row)
{
    static const enum ranking_count counts[RANKING_ORDERS] = {RANKING_REJECTS, RANKING_COST, RANKING_REJECTS,
                                                              RANKING_ALLOWS};

    return row->total[counts[ordering->order]] +
           (ordering->order == RANKING_BY_REJECTS ? row->total[RANKING_WOULD_REJECTS] : 0);
}

/* What happens now before what happened once; then the key, so that rows do not change places for nothing. */
static int compare(const void *left, const void *right, void *context)
{
    const struct ranking_row *a = *(const struct ranking_row *const *)left;
    const struct ranking_row *b = *(const struct ranking_row *const *)right;
    int64_t a_score = score(context, a), b_score = score(context, b);

    if (a_score == b_score) {
        a_score = total(context, a);
        b_score = total(context, b);
    }
    if (a_score != b_score)
        return a_score > b_score ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

size_t ranking_sort(const struct ranking *ranking, enum ranking_order order, int64_t now_ns,
                    const struct ranking_row **rows, size_t room)
{
    struct ordering ordering = {order, now_ns};
    const struct ranking_row *all[RANKING_ROWS];
    size_t found = 0;

    for (size_t i = 0; i < RANKING_ROWS; i++)
        if (ranking->rows[i].key)
            all[found++] = &ranking->rows[i];
    qsort_r(all, found, sizeof(const struct ranking_row *), compare, &ordering);
    if (found > room)
        found = room;
    memcpy(rows, all, found * sizeof(const struct ranking_row *));
    return found;
}
