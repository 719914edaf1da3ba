/* SPDX-License-Identifier: MPL-2.0
 *
 * The circuit breaker: spending of the last minute, as this minute's and the share of the last one's that a sliding minute still
 * covers. The request that would bring it over the threshold opens the breaker and is refused, and so is everything until it
 * closes: after its time, or by hand. What a settlement adds counts in its own minute; what it gives back, in that of the request.
 */
#include "shm/cell_kinds.h"

#define MINUTE (60 * NANOSECONDS_PER_SECOND)

/* As a fresh cell would be. */
static void begin_anew(struct cell *cell, struct moment now)
{
    cell->of.breaker.opened_ns = 0;
    cell->of.breaker.previous = 0;
    cell->spent = 0;
    cell->stamp_ns = now.boot_ns;
}

void cell_breaker_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    int64_t minutes = (now.boot_ns - cell->stamp_ns) / MINUTE;

    if (cell->of.breaker.opened_ns) {
        if (limit->length_ns > 0 && now.boot_ns - cell->of.breaker.opened_ns >= limit->length_ns)
            begin_anew(cell, now);
        return;
    }
    if (minutes <= 0)
        return;
    if (minutes > 1) {
        begin_anew(cell, now);
        return;
    }
    cell->of.breaker.previous = cell->spent;
    cell->spent = 0;
    cell->stamp_ns += MINUTE;
}

/* Spending of the sliding minute that ends now; rounded up. */
static int64_t sliding_minute(const struct cell *cell, struct moment now)
{
    int64_t elapsed = now.boot_ns - cell->stamp_ns;
    int64_t covered = elapsed < 0 ? MINUTE : elapsed < MINUTE ? MINUTE - elapsed : 0;

    return cell->spent +
           (int64_t)(((__int128)cell->of.breaker.previous * covered + MINUTE - 1) / MINUTE);
}

void cell_breaker_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                        struct cell_view *view)
{
    int64_t opened_ns = cell->of.breaker.opened_ns;

    view->remaining = opened_ns ? 0 : limit->capacity - sliding_minute(cell, now);
    view->fits = !opened_ns && cost <= view->remaining;
    view->trips = !opened_ns && !view->fits;
    view->reset_ns = opened_ns || view->trips ? limit->length_ns : MINUTE;
    if (opened_ns && limit->length_ns)
        view->reset_ns = opened_ns + limit->length_ns - now.boot_ns;
    view->wait_ns = limit->length_ns ? view->reset_ns : INT64_MAX;
}

static void keep_while_open(struct cell *cell, const struct cell_limit *limit)
{
    cell->expires_ns = limit->length_ns ? cell->of.breaker.opened_ns + limit->length_ns : CELL_FAR_AWAY;
}

/* An open one counts nothing, and is kept for as long as it is open: a reload may have changed how long that is. */
void cell_breaker_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now)
{
    (void)now;
    if (cell->of.breaker.opened_ns) {
        keep_while_open(cell, limit);
        return;
    }
    cell_spend(cell, cost);
    cell->expires_ns = cell->stamp_ns + 2 * MINUTE;
}

void cell_breaker_give_back(struct cell *cell, int64_t amount, int64_t begun_ns)
{
    int64_t *minute = begun_ns >= cell->stamp_ns ? &cell->spent : &cell->of.breaker.previous;

    if (begun_ns >= cell->stamp_ns - MINUTE)
        *minute = *minute > amount ? *minute - amount : 0;
}

void cell_breaker_trip(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    cell->of.breaker.opened_ns = now.boot_ns > 0 ? now.boot_ns : 1;
    keep_while_open(cell, limit);
}

/* Whether an open one has closed by now only its limit tells; open, it counts nothing. */
bool cell_breaker_correct(struct cell *cell, int64_t cost, int64_t begun_ns, uint16_t layout, struct moment now)
{
    static const struct cell_limit never_closes;

    (void)layout;
    cell_breaker_refresh(cell, &never_closes, now);
    if (cost < 0)
        cell_breaker_give_back(cell, -cost, begun_ns);
    else if (!cell->of.breaker.opened_ns)
        cell_breaker_debit(cell, &never_closes, cost, now);
    return true;
}

bool cell_breaker_is_sane(const struct cell *cell)
{
    return cell->of.breaker.previous >= 0 && cell->of.breaker.previous <= CELL_SPENT_MAX &&
           cell->of.breaker.opened_ns >= -CELL_STAMP_MAX && cell->of.breaker.opened_ns <= CELL_STAMP_MAX;
}
