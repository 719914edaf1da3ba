/* SPDX-License-Identifier: MPL-2.0
 *
 * Sums over the journal: see ledger.h.
 */
#include "tests/policy/processes/ledger.h"

#include <stdio.h>
#include <string.h>

#define DAY  INT64_C(86400)
#define HOUR INT64_C(3600)

/* ---- what one row did to one cell ----------------------------------------------------------------------------------
 */

static bool is_done(const struct scene_row *row)
{
    return atomic_load(&row->state) == SCENE_DONE;
}

static bool is_in_hands(const struct scene_row *row)
{
    return atomic_load(&row->state) == SCENE_STARTED;
}

/* Whether a request that came to its end was charged under a kind of limit. */
static bool is_charged(const struct scene_row *row, enum scene_kind kind)
{
    return row->is_allowed && (kind != SCENE_SHADOW || !row->would_reject);
}

static bool asks(const struct scene_row *row, enum scene_kind kind, int identity)
{
    return !row->is_settlement && atomic_load(&row->state) != SCENE_FREE && row->identity[kind] == identity;
}

/* What settling row TARGET changes in a cell: negative gives back. */
static int64_t correction(const struct scene *scene, uint32_t target, enum scene_kind kind, int identity)
{
    const struct scene_row *row = &scene->journal->rows[target];

    if (row->identity[kind] != identity)
        return 0;
    if (kind == SCENE_FLIGHT)
        return -1;
    return kind == SCENE_MINUTE || kind == SCENE_DAY ? scene_used(scene, target) - row->cost[kind] : 0;
}

/* ---- a cell after the round ----------------------------------------------------------------------------------------
 */

struct bounds {
    int64_t low, high;
};

static void add_requests(const struct scene *scene, uint32_t first, uint32_t end, enum scene_kind kind, int identity,
                         struct bounds *bounds)
{
    for (uint32_t i = first; i < end; i++) {
        const struct scene_row *row = &scene->journal->rows[i];

        if (!asks(row, kind, identity))
            continue;
        if (is_in_hands(row)) {
            bounds->high += row->cost[kind];
        } else if (is_charged(row, kind)) {
            bounds->low += row->cost[kind];
            bounds->high += row->cost[kind];
        }
    }
}

/* How the attempts of a round at settling one reservation ended. */
struct attempts {
    int settled, before, in_hands;
};

static struct attempts count_attempts(const struct scene *scene, uint32_t first, uint32_t end, uint32_t target)
{
    struct attempts attempts = {0};

    for (uint32_t i = first; i < end; i++) {
        const struct scene_row *row = &scene->journal->rows[i];

        if (!row->is_settlement || row->target != target || atomic_load(&row->state) == SCENE_FREE)
            continue;
        attempts.in_hands += is_in_hands(row);
        attempts.settled += is_done(row) && row->result == DECIDE_SETTLED;
        attempts.before += is_done(row) && row->result == DECIDE_SETTLED_BEFORE;
        ck_assert(!is_done(row) || row->result == DECIDE_SETTLED || row->result == DECIDE_SETTLED_BEFORE ||
                  row->result == DECIDE_SETTLEMENT_BUSY);
    }
    return attempts;
}

/* A dead worker may have charged more before the mark that it did so, and may not have given back what it had marked.
 */
static void add_settlement(const struct ledger *ledger, uint32_t target, struct attempts attempts, int64_t change,
                           enum scene_kind kind, struct bounds *bounds)
{
    if (ledger->is_settled[target] || change == 0)
        return;
    if (attempts.settled > 0) {
        bounds->low += change;
        bounds->high += change;
    } else if (change < 0 && attempts.before + attempts.in_hands > 0) {
        bounds->low += change;
    } else if (change > 0 && attempts.before > 0 && !ledger->may_be_settled[target]) {
        bounds->low += change;
    }
    if (change > 0)
        bounds->high += change * attempts.in_hands;
    /* What had come back with time meanwhile cannot be given back once more. */
    if (change < 0 && attempts.settled > 0 && kind == SCENE_MINUTE && target < ledger->first)
        bounds->high -= change;
}

static void check_cell(struct ledger *ledger, struct scene *scene, uint32_t end, const struct attempts *attempts,
                       enum scene_kind kind, int identity)
{
    struct bounds bounds = {ledger->spent[kind][identity], ledger->spent[kind][identity]};
    bool is_open, may_open = ledger->is_open[identity], must_open = ledger->is_open[identity];
    int64_t spent = scene_spent(scene, kind, identity, &is_open);

    add_requests(scene, ledger->first, end, kind, identity, &bounds);
    for (uint32_t i = 0; i < end; i++)
        add_settlement(ledger, i, attempts[i], correction(scene, i, kind, identity), kind, &bounds);
    for (uint32_t i = ledger->first; i < end && kind == SCENE_BREAKER; i++) {
        const struct scene_row *row = &scene->journal->rows[i];

        may_open = may_open || (asks(row, kind, identity) && (is_in_hands(row) || !row->is_allowed));
        must_open = must_open || (asks(row, kind, identity) && is_done(row) && row->refused_by == (int)kind);
    }
    if (kind == SCENE_BREAKER && (is_open ? may_open : spent == scene_limits[kind].capacity && may_open)) {
        ck_assert_int_le(bounds.low, scene_limits[kind].capacity);
        ledger->is_open[identity] = true;
        return;
    }
    ck_assert_msg(kind != SCENE_BREAKER || (!is_open && !must_open), "breaker of %d: open %d, must be %d, may be %d",
                  identity, is_open, must_open, may_open);
    ck_assert_msg(spent >= bounds.low && spent <= bounds.high,
                  "%s of %d (kind %d): %lld spent, but the journal says %lld to %lld", scene_limits[kind].policy,
                  identity, (int)kind, (long long)spent, (long long)bounds.low, (long long)bounds.high);
    ledger->unsure += bounds.low != bounds.high;
    ledger->spent[kind][identity] = spent;
}

/* ---- one verdict ---------------------------------------------------------------------------------------------------
 */

/* The least and the most that a cell may have held when ROW was judged. */
static struct bounds around(const struct ledger *ledger, const struct scene *scene, uint32_t end,
                            const struct scene_row *row, enum scene_kind kind)
{
    int identity = row->identity[kind];
    struct bounds bounds = {ledger->spent[kind][identity], ledger->spent[kind][identity]};

    for (uint32_t i = ledger->first; i < end; i++) {
        const struct scene_row *other = &scene->journal->rows[i];
        bool is_surely_before = is_done(other) && other->ended < row->started;
        bool may_be_before = is_in_hands(other) || other->started < row->ended;
        int64_t change;

        if (other == row || atomic_load(&other->state) == SCENE_FREE || !may_be_before)
            continue;
        if (!other->is_settlement) {
            if (other->identity[kind] != identity || (is_done(other) && !is_charged(other, kind)))
                continue;
            bounds.high += other->cost[kind];
            bounds.low += is_surely_before ? other->cost[kind] : 0;
            continue;
        }
        change = correction(scene, other->target, kind, identity);
        if (ledger->is_settled[other->target] || change == 0)
            continue;
        if (change > 0) {
            bounds.high += change;
            bounds.low += is_surely_before && other->result == DECIDE_SETTLED ? change : 0;
        } else {
            bounds.low += change;
            bounds.high += is_surely_before && other->result == DECIDE_SETTLED && other->target >= ledger->first ? change : 0;
        }
    }
    return bounds;
}

/* Nobody was let through whom the limit did not allow, nobody was refused whom it did. */
static void check_row(const struct ledger *ledger, const struct scene *scene, uint32_t end, uint32_t index)
{
    const struct scene_row *row = &scene->journal->rows[index];

    for (int i = 0; i < SCENE_KINDS; i++) {
        enum scene_kind kind = (enum scene_kind)i;
        bool is_refused = kind == SCENE_SHADOW ? row->is_allowed && row->would_reject : row->refused_by == i;
        int64_t capacity = scene_limits[kind].capacity;
        struct bounds bounds;

        if (row->identity[kind] == SCENE_NOBODY || (kind == SCENE_BREAKER && ledger->is_open[row->identity[kind]]))
            continue;
        bounds = around(ledger, scene, end, row, kind);
        if (is_charged(row, kind))
            ck_assert_msg(bounds.low + row->cost[kind] <= capacity, "row %u: %s let one too many through: %lld + %lld",
                          index, scene_limits[kind].policy, (long long)bounds.low, (long long)row->cost[kind]);
        if (is_refused && row->reason != REASON_state_full && kind != SCENE_BREAKER)
            ck_assert_msg(bounds.high + row->cost[kind] > capacity, "row %u: %s refused without a reason: %lld + %lld",
                          index, scene_limits[kind].policy, (long long)bounds.high, (long long)row->cost[kind]);
    }
}

static void check_rows(struct ledger *ledger, const struct scene *scene, uint32_t end)
{
    for (uint32_t i = ledger->first; i < end; i++) {
        const struct scene_row *row = &scene->journal->rows[i];

        ledger->in_hands += is_in_hands(row);
        if (!is_done(row))
            continue;
        if (row->is_settlement) {
            ledger->settled += row->result == DECIDE_SETTLED;
            continue;
        }
        ledger->admitted += row->is_allowed;
        ledger->refused += !row->is_allowed;
        check_row(ledger, scene, end, i);
    }
}

void ledger_check(struct ledger *ledger, struct scene *scene)
{
    static struct attempts attempts[SCENE_ROWS];
    uint32_t end = atomic_load(&scene->journal->end);

    check_rows(ledger, scene, end);
    for (uint32_t i = 0; i < end; i++) {
        attempts[i] = count_attempts(scene, ledger->first, end, i);
        ck_assert_msg(attempts[i].settled + ledger->is_settled[i] <= 1, "row %u was settled twice", i);
        ck_assert_msg(attempts[i].before == 0 || ledger->is_settled[i] || ledger->may_be_settled[i] ||
                          attempts[i].settled + attempts[i].in_hands > 0,
                      "row %u was settled before anybody settled it", i);
    }
    for (int kind = 0; kind < SCENE_KINDS; kind++)
        for (int identity = 0; identity < SCENE_IDENTITIES; identity++)
            check_cell(ledger, scene, end, attempts, (enum scene_kind)kind, identity);
    for (uint32_t i = 0; i < end; i++) {
        ledger->is_settled[i] = ledger->is_settled[i] || attempts[i].settled + attempts[i].before > 0;
        ledger->may_be_settled[i] = ledger->may_be_settled[i] || attempts[i].in_hands > 0;
    }
    ledger->first = end;
}

/* ---- time ----------------------------------------------------------------------------------------------------------
 */

static int64_t after(const struct ledger *ledger, const struct scene *scene, enum scene_kind kind, int identity,
                     int64_t seconds, bool is_epoch)
{
    int64_t spent = ledger->spent[kind][identity] - scene_limits[kind].rate * seconds;
    int64_t window = kind == SCENE_DAY ? DAY : HOUR, from = scene->now.wall_ns / NANOSECONDS_PER_SECOND;

    if (kind == SCENE_DAY || kind == SCENE_BUDGET)
        return (from + seconds) / window == from / window ? spent : 0;
    return is_epoch || spent < 0 ? 0 : spent;
}

void ledger_advance(struct ledger *ledger, struct scene *scene, int64_t seconds, bool is_epoch)
{
    struct moment next = {scene->now.boot_ns + seconds * NANOSECONDS_PER_SECOND,
                          scene->now.wall_ns + seconds * NANOSECONDS_PER_SECOND};

    for (int kind = 0; kind < SCENE_KINDS; kind++)
        for (int identity = 0; identity < SCENE_IDENTITIES; identity++)
            ledger->spent[kind][identity] =
                after(ledger, scene, (enum scene_kind)kind, identity, seconds, is_epoch);
    scene->now = next;
    if (is_epoch) {
        memset(ledger->is_open, 0, sizeof(ledger->is_open));
        memset(ledger->is_settled, 0, sizeof(ledger->is_settled));
        memset(ledger->may_be_settled, 0, sizeof(ledger->may_be_settled));
        memset(scene->journal, 0, sizeof(*scene->journal));
        ledger->first = 0;
    }
    for (int kind = 0; kind < SCENE_KINDS; kind++)
        for (int identity = 0; identity < SCENE_IDENTITIES; identity++) {
            bool is_open;
            int64_t spent = scene_spent(scene, (enum scene_kind)kind, identity, &is_open);

            if (kind == SCENE_BREAKER && ledger->is_open[identity])
                continue;
            ck_assert_msg(spent == ledger->spent[kind][identity], "%s of %d after %lld s: %lld spent, not %lld",
                          scene_limits[kind].policy, identity, (long long)seconds, (long long)spent,
                          (long long)ledger->spent[kind][identity]);
        }
}
