/* SPDX-License-Identifier: MPL-2.0
 *
 * The arithmetic of one cell, exact in integers: refill is accounted to the billionth of a millionth, so that no sequence of
 * small steps gains or loses anything against one large step.
 */
#include "shm/cell.h"

#include <string.h>

typedef unsigned __int128 wide;

#define FAR_AWAY (INT64_MAX / 4) /* some 73 years in nanoseconds; sums of two stay below INT64_MAX */

/* Time in which RATE brings back AMOUNT millionths, less what REMAINDER already did; rounded up. */
static int64_t time_to_refill(int64_t amount, int64_t rate, uint32_t remainder)
{
    wide need = (wide)amount * NANOSECONDS_PER_SECOND;
    wide time;

    if (amount <= 0)
        return 0;
    need -= remainder;
    if (need <= UINT64_MAX - (uint64_t)rate)
        time = ((uint64_t)need + (uint64_t)rate - 1) / (uint64_t)rate;
    else
        time = (need + (uint64_t)rate - 1) / (uint64_t)rate;
    return time > FAR_AWAY ? FAR_AWAY : (int64_t)time;
}

int64_t cell_time_to_refill(int64_t amount, int64_t rate)
{
    return time_to_refill(amount, rate, 0);
}

void cell_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    int64_t elapsed = now.boot_ns - cell->stamp_ns;
    uint64_t product, millionths;

    if (elapsed <= 0)
        return;
    if (cell->spent > 0 && !__builtin_mul_overflow((uint64_t)elapsed, (uint64_t)limit->rate, &product) &&
        !__builtin_add_overflow(product, cell->remainder, &product)) {
        millionths = product / NANOSECONDS_PER_SECOND;
        cell->remainder = (uint32_t)(product % NANOSECONDS_PER_SECOND);
    } else {
        wide exact = (wide)(uint64_t)elapsed * (uint64_t)limit->rate + cell->remainder;

        millionths = exact / NANOSECONDS_PER_SECOND > INT64_MAX ? INT64_MAX : (uint64_t)(exact / NANOSECONDS_PER_SECOND);
        cell->remainder = (uint32_t)(exact % NANOSECONDS_PER_SECOND);
    }
    if (millionths >= (uint64_t)cell->spent) {
        cell->spent = 0;
        cell->remainder = 0;
    } else {
        cell->spent -= (int64_t)millionths;
    }
    cell->stamp_ns = now.boot_ns;
}

void cell_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct cell_view *view)
{
    view->remaining = limit->capacity - cell->spent;
    view->fits = cost <= view->remaining;
    view->reset_ns = time_to_refill(cell->spent, limit->rate, cell->remainder);
    if (view->fits)
        view->wait_ns = 0;
    else if (cost > limit->capacity)
        view->wait_ns = INT64_MAX;
    else
        view->wait_ns = time_to_refill(cost - view->remaining, limit->rate, cell->remainder);
}

void cell_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost)
{
    cell->spent += cost;
    cell->expires_ns = cell->stamp_ns + time_to_refill(cell->spent, limit->rate, cell->remainder);
}

void cell_init(struct cell *cell, const uint64_t key[2], const struct cell_limit *limit, struct moment now)
{
    memset(cell, 0, sizeof(*cell));
    cell->key[0] = key[0];
    cell->key[1] = key[1];
    cell->kind = (uint8_t)limit->kind;
    cell->stamp_ns = now.boot_ns;
    cell->expires_ns = now.boot_ns;
}

bool cell_is_sane(const struct cell *cell)
{
    if (cell->kind == CELL_FREE)
        return true;
    return cell->kind < CELL_KINDS && cell->spent >= 0 && cell->spent <= INT64_MAX / 2 &&
           cell->remainder < NANOSECONDS_PER_SECOND && cell->expires_ns >= cell->stamp_ns &&
           cell->stamp_ns <= INT64_MAX / 2 && cell->stamp_ns >= INT64_MIN / 2;
}
