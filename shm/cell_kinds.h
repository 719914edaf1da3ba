/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to shm/cell*.c: what each kind of cell does. One file per kind, one row each in cell.c.
 */
#ifndef FAIRVISOR_SHM_CELL_KINDS_H
#define FAIRVISOR_SHM_CELL_KINDS_H

#include "shm/cell.h"

#define CELL_ONE      INT64_C(1000000)  /* one request, one token, one unit of money: in millionths */
#define CELL_SPENT_MAX (INT64_MAX / 2)  /* settlements may overdraw; a sum with one more cost stays below INT64_MAX */
#define CELL_STAMP_MAX (INT64_MAX / 2)  /* of any moment in a cell, either way from the boot */
#define CELL_FAR_AWAY (INT64_MAX / 4)   /* some 73 years in nanoseconds; sums of two stay below INT64_MAX */

typedef void cell_refresh_kind(struct cell *cell, const struct cell_limit *limit, struct moment now);
typedef void cell_judge_kind(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                             struct cell_view *view);
typedef void cell_debit_kind(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now);
typedef bool cell_is_sane_kind(const struct cell *cell);
typedef bool cell_correct_kind(struct cell *cell, int64_t cost, int64_t begun_ns, uint16_t layout, struct moment now);

cell_refresh_kind cell_bucket_refresh, cell_window_refresh, cell_count_refresh, cell_flight_refresh,
    cell_breaker_refresh;
cell_judge_kind cell_bucket_judge, cell_window_judge, cell_count_judge, cell_flight_judge, cell_breaker_judge;
cell_debit_kind cell_bucket_debit, cell_window_debit, cell_count_debit, cell_flight_debit, cell_breaker_debit;
cell_is_sane_kind cell_bucket_is_sane, cell_window_is_sane, cell_count_is_sane, cell_flight_is_sane,
    cell_breaker_is_sane;
cell_correct_kind cell_bucket_correct, cell_window_correct, cell_flight_correct, cell_breaker_correct;

void cell_breaker_give_back(struct cell *cell, int64_t amount, int64_t begun_ns);
void cell_breaker_trip(struct cell *cell, const struct cell_limit *limit, struct moment now);
bool cell_flight_land(struct cell *cell, const struct cell_limit *limit, int64_t begun_ns, uint16_t layout);

/* Adds COST to what is spent, up to what a sane cell may hold; a negative one gives back, never below nothing. */
static inline void cell_spend(struct cell *cell, int64_t cost)
{
    int64_t spent;

    if (__builtin_add_overflow(cell->spent, cost, &spent) || spent > CELL_SPENT_MAX)
        spent = CELL_SPENT_MAX;
    cell->spent = spent > 0 ? spent : 0;
}

#endif
