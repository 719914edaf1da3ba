/* SPDX-License-Identifier: MPL-2.0
 *
 * lock -> find -> refresh -> change -> unlock, for one cell: see correction.h.
 */
#include "shm/correction.h"

#include "shm/arena_layout.h"
#include "shm/stripe.h"

/* Locks the stripe of KEY and finds its cell, of the limit's kind; unlocked again when there is none. */
static enum correction_result open_cell(const struct arena *arena, const uint64_t key[2],
                                        const struct cell_limit *limit, struct stripe **stripe, uint32_t *index)
{
    uint64_t repaired = 0;

    *stripe = arena_stripe(arena, arena_stripe_of(arena, key));
    if (stripe_lock(*stripe, &repaired) != STRIPE_LOCKED)
        return CORRECTION_STUCK;
    *index = stripe_find(*stripe, key);
    if (*index != STRIPE_NO_CELL && (*stripe)->cells[*index].kind == limit->kind)
        return CORRECTION_DONE;
    stripe_unlock(*stripe);
    return CORRECTION_NOTHING;
}

static bool says_nothing(const struct cell *cell)
{
    return cell->spent == 0 &&
           (cell->kind != CELL_BREAKER || (cell->of.breaker.opened_ns == 0 && cell->of.breaker.previous == 0));
}

enum correction_result correction_reset(const struct arena *arena, const uint64_t key[2],
                                        const struct cell_limit *limit, struct moment now)
{
    struct stripe *stripe;
    uint32_t index;
    enum correction_result result = open_cell(arena, key, limit, &stripe, &index);
    struct cell before, *cell;

    if (result != CORRECTION_DONE)
        return result;
    before = stripe->cells[index];
    cell_refresh(&before, limit, now);
    if (says_nothing(&before)) {
        result = CORRECTION_NOTHING;
    } else {
        cell = stripe_change_begin(stripe, index, key);
        cell_init(cell, key, limit, now);
        cell_mark_reset(cell, now);
        cell_refresh(cell, limit, now);
        stripe_change_end(stripe);
    }
    stripe_unlock(stripe);
    return result;
}

enum correction_result correction_grant(const struct arena *arena, const uint64_t key[2],
                                        const struct cell_limit *limit, int64_t amount, struct moment now,
                                        int64_t *given)
{
    struct stripe *stripe;
    uint32_t index;
    enum correction_result result = open_cell(arena, key, limit, &stripe, &index);
    struct cell *cell;

    *given = 0;
    if (result != CORRECTION_DONE)
        return result;
    cell = stripe_change_begin(stripe, index, key);
    cell_refresh(cell, limit, now);
    *given = amount < cell->spent ? amount : cell->spent;
    cell_debit(cell, limit, -*given, now);
    stripe_change_end(stripe);
    stripe_unlock(stripe);
    return *given > 0 ? CORRECTION_DONE : CORRECTION_NOTHING;
}

enum correction_result correction_land(const struct arena *arena, const uint64_t key[2],
                                       const struct cell_limit *limit, int64_t begun_ns, uint16_t layout,
                                       struct moment now)
{
    struct stripe *stripe;
    uint32_t index;
    enum correction_result result = open_cell(arena, key, limit, &stripe, &index);
    struct cell *cell;
    bool is_landed = false;

    if (result != CORRECTION_DONE)
        return result;
    if (stripe->cells[index].layout == layout) { /* else it has got another time to live, which must not go back */
        cell = stripe_change_begin(stripe, index, key);
        cell_refresh(cell, limit, now);
        is_landed = cell_land(cell, limit, begun_ns, layout);
        stripe_change_end(stripe);
    }
    stripe_unlock(stripe);
    return is_landed ? CORRECTION_DONE : CORRECTION_NOTHING;
}
