/* SPDX-License-Identifier: MPL-2.0
 *
 * Cells of every kind behind one table: see cell.h.
 */
#include "shm/cell.h"

#include <string.h>

#include "shm/cell_kinds.h"

static const struct kind_row {
    cell_refresh_kind *refresh;
    cell_judge_kind *judge;
    cell_debit_kind *debit;
    cell_is_sane_kind *is_sane;
    cell_correct_kind *correct; /* NULL: nothing that is settled */
} kinds[CELL_KINDS] = {
    [CELL_BUCKET] = {cell_bucket_refresh, cell_bucket_judge, cell_bucket_debit, cell_bucket_is_sane, cell_bucket_correct},
    [CELL_WINDOW] = {cell_window_refresh, cell_window_judge, cell_window_debit, cell_window_is_sane, cell_window_correct},
    [CELL_COUNT] = {cell_count_refresh, cell_count_judge, cell_count_debit, cell_count_is_sane, NULL},
    [CELL_FLIGHT] = {cell_flight_refresh, cell_flight_judge, cell_flight_debit, cell_flight_is_sane, cell_flight_correct},
    [CELL_BREAKER] = {cell_breaker_refresh, cell_breaker_judge, cell_breaker_debit, cell_breaker_is_sane,
                      cell_breaker_correct},
};

void cell_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    kinds[limit->kind].refresh(cell, limit, now);
    if (now.boot_ns > cell->stamp_ns && limit->kind != CELL_BREAKER)
        cell->stamp_ns = now.boot_ns;
}

void cell_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                struct cell_view *view)
{
    *view = (struct cell_view){.remaining = limit->capacity - cell->spent};
    view->fits = cost <= view->remaining;
    kinds[limit->kind].judge(cell, limit, cost, now, view);
    if (view->fits)
        view->wait_ns = 0;
    else if (cost > limit->capacity)
        view->wait_ns = INT64_MAX;
}

/* A stamp that lies far ahead (somebody else wrote it) must not make a cell of ours that is sane no more, and so is forgotten. */
static inline void bound_expiry(struct cell *cell)
{
    if (cell->expires_ns > CELL_STAMP_MAX)
        cell->expires_ns = CELL_STAMP_MAX;
}

void cell_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now)
{
    kinds[limit->kind].debit(cell, limit, cost, now);
    bound_expiry(cell);
}

void cell_debit_judged(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                       const struct cell_view *view)
{
    if (limit->kind == CELL_BUCKET && view->fits && cost > 0) {
        cell->spent += cost; /* up to the capacity */
        cell->expires_ns = cell->stamp_ns + view->reset_ns;
        bound_expiry(cell);
    } else {
        cell_debit(cell, limit, cost, now);
    }
}

void cell_trip(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    cell_breaker_trip(cell, limit, now);
    bound_expiry(cell);
}

void cell_give_back(struct cell *cell, int64_t amount, int64_t begun_ns)
{
    cell_breaker_give_back(cell, amount, begun_ns);
}

bool cell_land(struct cell *cell, const struct cell_limit *limit, int64_t begun_ns, uint16_t layout)
{
    return cell_flight_land(cell, limit, begun_ns, layout);
}

bool cell_correct(struct cell *cell, int64_t cost, int64_t begun_ns, uint16_t layout, struct moment now)
{
    bool is_corrected = kinds[cell->kind].correct && kinds[cell->kind].correct(cell, cost, begun_ns, layout, now);

    bound_expiry(cell);
    return is_corrected;
}

void cell_init(struct cell *cell, const uint64_t key[2], const struct cell_limit *limit, struct moment now)
{
    memset(cell, 0, sizeof(*cell));
    cell->key[0] = key[0];
    cell->key[1] = key[1];
    cell->kind = (uint8_t)limit->kind;
    cell->stamp_ns = now.boot_ns;
    cell->expires_ns = now.boot_ns;
    if (limit->kind == CELL_BUCKET)
        cell->of.whole_ns = now.boot_ns;
}

void cell_mark_reset(struct cell *cell, struct moment now)
{
    if (cell->kind == CELL_WINDOW)
        cell->of.reset_ns = now.boot_ns;
}

bool cell_forgets(const struct cell *cell, int64_t begun_ns)
{
    return cell->kind == CELL_WINDOW && cell->of.reset_ns != 0 && begun_ns < cell->of.reset_ns;
}

bool cell_shift(struct cell *cell, int64_t shift)
{
    if (cell->kind == CELL_FREE)
        return false;
    if (cell->kind == CELL_WINDOW && cell->of.reset_ns != 0)
        cell->of.reset_ns += shift;
    cell->stamp_ns += shift;
    cell->expires_ns += shift;
    if (cell->kind == CELL_BREAKER && cell->of.breaker.opened_ns)
        cell->of.breaker.opened_ns += shift;
    if (cell->kind == CELL_BUCKET)
        cell->of.whole_ns += shift;
    return cell->kind != CELL_FLIGHT || shift == 0;
}

bool cell_is_sane(const struct cell *cell)
{
    if (cell->kind == CELL_FREE)
        return true;
    return cell->kind < CELL_KINDS && cell->spent >= 0 && cell->spent <= CELL_SPENT_MAX &&
           cell->stamp_ns <= CELL_STAMP_MAX && cell->stamp_ns >= -CELL_STAMP_MAX && cell->expires_ns >= -CELL_STAMP_MAX &&
           cell->expires_ns <= CELL_STAMP_MAX && kinds[cell->kind].is_sane(cell);
}
