/* SPDX-License-Identifier: MPL-2.0
 *
 * The token bucket, exact in integers: refill is accounted to the billionth of a millionth, so that no sequence of small steps
 * gains or loses anything against one large step.
 */
#include "shm/cell_bucket.h"

#include "shm/cell_kinds.h"

typedef unsigned __int128 wide;

/* Nothing is spent, at the time of its stamp. */
static void make_whole(struct cell *cell)
{
    cell->spent = 0;
    cell->of.remainder = 0;
    cell->of.whole_ns = cell->stamp_ns;
}

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

void cell_bucket_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    uint64_t elapsed = (uint64_t)(now.boot_ns - cell->stamp_ns), per = (uint64_t)limit->per_ns;
    wide refilled = (wide)elapsed * (uint64_t)limit->rate + (uint64_t)cell->of.remainder; /* times PER */

    if (now.boot_ns <= cell->stamp_ns)
        return;
    /* A bucket that is whole forgets the remainder. Divided is only when it is not, by 64 bits when they do. */
    if (refilled >= (wide)(uint64_t)cell->spent * per) {
        cell->stamp_ns = now.boot_ns;
        make_whole(cell);
    } else if (refilled <= UINT64_MAX) {
        cell->spent -= (int64_t)((uint64_t)refilled / per);
        cell->of.remainder = (int64_t)((uint64_t)refilled % per);
    } else {
        cell->spent -= (int64_t)(refilled / per);
        cell->of.remainder = (int64_t)(refilled % per);
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
        make_whole(cell);
    cell->expires_ns = cell->stamp_ns + time_to_refill(limit, cell->spent, cell->of.remainder);
}

/* What is left of a bucket's LIFE_NS when of SPENT millionths KEPT stay; rounded up, so that it is not forgotten too soon. One that
 * would be longer than a cell can say stays so. */
static int64_t shorter_life(int64_t life_ns, int64_t kept, int64_t spent)
{
    return life_ns >= CELL_FAR_AWAY ? life_ns : (int64_t)(((__int128)life_ns * kept + spent - 1) / spent);
}

/* Without its rate. What comes back comes off in the end, whether it did before the correction or does after it; only a bucket that
 * has become whole must forget its past first. How long a millionth takes is what the cell's own expiry tells, rounded up. */
bool cell_bucket_correct(struct cell *cell, int64_t cost, int64_t begun_ns, uint16_t layout, struct moment now)
{
    int64_t spent = cell->spent, life_ns = cell->expires_ns - cell->stamp_ns;
    __int128 longer;

    (void)layout;
    if (cost < 0 && begun_ns < cell->of.whole_ns)
        return true; /* it has come back */
    if (cost > 0 && (spent < 2 || life_ns <= 0))
        return false;
    if (cost > 0 && cell->expires_ns <= now.boot_ns) {
        cell->stamp_ns = cell->expires_ns = now.boot_ns;
        make_whole(cell);
    }
    cell_spend(cell, cost);
    if (cell->spent == 0) {
        make_whole(cell);
        cell->expires_ns = cell->stamp_ns;
    } else if (cost < 0) {
        cell->expires_ns = cell->stamp_ns + shorter_life(life_ns, cell->spent, spent);
    } else if (cost > 0) {
        longer = (__int128)cost * life_ns / (spent - 1) + 1;
        cell->expires_ns += longer > CELL_FAR_AWAY ? CELL_FAR_AWAY : (int64_t)longer;
        if (cell->expires_ns - cell->stamp_ns > CELL_FAR_AWAY)
            cell->expires_ns = cell->stamp_ns + CELL_FAR_AWAY;
    }
    return true;
}

bool cell_bucket_is_sane(const struct cell *cell)
{
    return cell->of.remainder >= 0 && cell->of.remainder < CELL_PER_MINUTE && cell->expires_ns >= cell->stamp_ns &&
           cell->of.whole_ns >= -CELL_STAMP_MAX && cell->of.whole_ns <= CELL_STAMP_MAX;
}
