/* SPDX-License-Identifier: MPL-2.0
 *
 * The token bucket, exact in integers: refill is accounted to the billionth of a millionth, so that no sequence of small steps
 * gains or loses anything against one large step.
 */
#include "shm/cell_bucket.h"

#include "shm/cell_kinds.h"

typedef unsigned __int128 wide;

/* Time in which LIMIT brings back AMOUNT millionths, less what REMAINDER already did; rounded up. */
static int64_t time_to_refill(const struct cell_limit *limit, int64_t amount, int64_t remainder)
{
    uint64_t rate = (uint64_t)limit->rate, need;
    wide time;

    if (amount <= 0)
        return 0;
    if (!__builtin_mul_overflow((uint64_t)amount, (uint64_t)limit->per_ns, &need) && need <= UINT64_MAX - rate)
        time = (need - (uint64_t)remainder + rate - 1) / rate;
    else
        time = ((wide)(uint64_t)amount * (uint64_t)limit->per_ns - (uint64_t)remainder + rate - 1) / rate;
    return time > CELL_FAR_AWAY ? CELL_FAR_AWAY : (int64_t)time;
}

int64_t cell_bucket_time(const struct cell_limit *limit, int64_t amount)
{
    return time_to_refill(limit, amount, 0);
}

/* Takes REFILLED millionths off what is spent; a bucket that is whole forgets the remainder. */
static void give_back(struct cell *cell, wide refilled, int64_t remainder)
{
    if (refilled >= (wide)(uint64_t)cell->spent) {
        cell->spent = 0;
        cell->of.remainder = 0;
    } else {
        cell->spent -= (int64_t)refilled;
        cell->of.remainder = remainder;
    }
}

void cell_bucket_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    uint64_t elapsed = (uint64_t)(now.boot_ns - cell->stamp_ns), per = (uint64_t)limit->per_ns;
    uint64_t product;

    if (now.boot_ns <= cell->stamp_ns)
        return;
    if (!__builtin_mul_overflow(elapsed, (uint64_t)limit->rate, &product) &&
        !__builtin_add_overflow(product, (uint64_t)cell->of.remainder, &product)) {
        give_back(cell, product / per, (int64_t)(product % per));
    } else {
        wide exact = (wide)elapsed * (uint64_t)limit->rate + (uint64_t)cell->of.remainder;

        give_back(cell, exact / per, (int64_t)(exact % per));
    }
}

void cell_bucket_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                       struct cell_view *view)
{
    (void)now;
    view->reset_ns = time_to_refill(limit, cell->spent + cost, cell->of.remainder);
    if (!view->fits)
        view->wait_ns = time_to_refill(limit, cost - view->remaining, cell->of.remainder);
}

void cell_bucket_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now)
{
    (void)now;
    cell_spend(cell, cost);
    if (cell->spent == 0)
        cell->of.remainder = 0;
    cell->expires_ns = cell->stamp_ns + time_to_refill(limit, cell->spent, cell->of.remainder);
}

bool cell_bucket_is_sane(const struct cell *cell)
{
    return cell->of.remainder >= 0 && cell->of.remainder < CELL_PER_MINUTE && cell->expires_ns >= cell->stamp_ns;
}
