/* SPDX-License-Identifier: MPL-2.0
 *
 * All-or-nothing admission: see admission.h.
 *
 *   order by stripe -> lock each stripe once, in order -> find a cell or room for one -> judge -> apply -> unlock
 *
 * A process that dies between two debits leaves the first charged and the second not: somebody lost one request's worth, nobody
 * got one too many.
 */
#include "shm/admission.h"

#include "shm/arena_layout.h"
#include "shm/stripe.h"

/* The order has each charge's stripe above its index, so that who sorts and locks looks at nothing else. */
static uint64_t place_of(uint32_t stripe, size_t index)
{
    return (uint64_t)stripe << 32 | (uint32_t)index;
}

static uint32_t stripe_at(uint64_t place)
{
    return (uint32_t)(place >> 32);
}

static struct charge *charge_at(struct charge *charges, uint64_t place)
{
    return &charges[(uint32_t)place];
}

/* Shell sort: in place, no allocation, fast for the few charges a request has and tolerable for thousands. */
static void sort_by_stripe(uint64_t *order, size_t count)
{
    size_t gap = 1;

    while (gap < count / 3)
        gap = gap * 3 + 1;
    for (; gap > 0; gap /= 3)
        for (size_t i = gap; i < count; i++) {
            uint64_t moving = order[i];
            size_t j = i;

            for (; j >= gap && order[j - gap] > moving; j -= gap)
                order[j] = order[j - gap];
            order[j] = moving;
        }
}

static bool is_first_of_stripe(const uint64_t *order, size_t i)
{
    return i == 0 || stripe_at(order[i - 1]) != stripe_at(order[i]);
}

/* Unlocks the stripes of the first COUNT charges. */
static void unlock_all(const struct arena *arena, const uint64_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_first_of_stripe(order, i))
            stripe_unlock(arena_stripe(arena, stripe_at(order[i])));
}

static bool lock_all(const struct arena *arena, const uint64_t *order, size_t count, uint64_t *repaired)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_first_of_stripe(order, i))
            continue;
        if (stripe_lock(arena_stripe(arena, stripe_at(order[i])), repaired) != STRIPE_LOCKED) {
            unlock_all(arena, order, i);
            return false;
        }
    }
    return true;
}

/* Judges one charge against a copy of its cell, brought up to now; the cell itself stays as it is. */
static void judge(struct charge *charge, const struct cell *cell, struct moment now)
{
    charge->is_fresh = !cell || cell->kind != charge->limit.kind;
    if (charge->is_fresh)
        cell_init(&charge->refreshed, charge->key, &charge->limit, now);
    else
        charge->refreshed = *cell;
    cell_refresh(&charge->refreshed, &charge->limit, now);
    cell_judge(&charge->refreshed, &charge->limit, charge->cost, now, &charge->view);
    charge->view.trips = charge->view.trips && !charge->never_refuses;
    charge->refuses = !charge->view.fits && !charge->never_refuses;
}

/* The same for a charge whose limit is not known: its cell corrected, and never a new one. */
static void judge_unserved(struct charge *charge, const struct cell *cell, struct moment now)
{
    charge->view = (struct cell_view){.fits = true};
    charge->is_fresh = false;
    charge->has_no_room = !cell || cell->kind != charge->limit.kind;
    if (charge->has_no_room)
        return;
    charge->refreshed = *cell;
    charge->has_no_room = !cell_correct(&charge->refreshed, charge->cost, charge->begun_ns, charge->layout, now);
}

/* The identity is new, and its stripe is full of live cells. */
static void judge_without_room(struct charge *charge)
{
    charge->has_no_room = true;
    charge->refuses = charge->refuses || !(charge->admits_when_full || charge->never_refuses);
}

/* Finds the cells of the charges [from, to) of one stripe, then rooms for those that have none. */
static void locate(const struct arena *arena, struct charge *charges, const uint64_t *order, size_t from, size_t to,
                   struct moment now, struct admission *admission)
{
    struct stripe *stripe = arena_stripe(arena, stripe_at(order[from]));
    uint32_t taken[64];
    size_t taken_count = 0;

    for (size_t i = from; i < to; i++) {
        struct charge *charge = charge_at(charges, order[i]);

        charge->cell = stripe_find(stripe, charge->key);
        if (charge->cell == STRIPE_NO_CELL)
            continue;
        if (charge->is_unserved)
            judge_unserved(charge, &stripe->cells[charge->cell], now);
        else
            judge(charge, &stripe->cells[charge->cell], now);
        if (taken_count < 64)
            taken[taken_count++] = charge->cell;
    }
    for (size_t i = from; i < to; i++) {
        struct charge *charge = charge_at(charges, order[i]);

        if (charge->cell != STRIPE_NO_CELL)
            continue;
        if (charge->is_unserved) {
            judge_unserved(charge, NULL, now);
            continue;
        }
        judge(charge, NULL, now);
        if (charge->cost < 0) {
            /* Nothing was spent that could be given back. */
            charge->has_no_room = true;
            continue;
        }
        if (taken_count < 64)
            charge->cell = stripe_find_room(stripe, charge->key, now, taken, taken_count);
        if (charge->cell != STRIPE_NO_CELL) {
            taken[taken_count++] = charge->cell;
            continue;
        }
        judge_without_room(charge);
        admission->no_room++;
    }
}

/* Of a charge and its excuse one is idle. */
static void settle_excuses(struct charge *charges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct charge *excuse = charges[i].excuse ? &charges[charges[i].excuse - 1] : NULL;

        if (!excuse)
            continue;
        excuse->is_idle = !excuse->view.fits || excuse->has_no_room;
        charges[i].is_idle = !excuse->is_idle;
        excuse->refuses = false;
        charges[i].refuses = charges[i].refuses && !charges[i].is_idle;
    }
}

/* True when no charge of group 0 refuses. Marks the charges of the other groups that do not pass as a whole. */
static bool settle_groups(struct charge *charges, size_t count)
{
    bool enforced_fits = true;

    for (size_t from = 0, to; from < count; from = to) {
        bool fits = true;

        for (to = from; to < count && charges[to].group == charges[from].group; to++)
            fits = fits && !charges[to].refuses;
        for (size_t i = from; i < to; i++)
            charges[i].is_held_back = !fits;
        if (charges[from].group == 0)
            enforced_fits = enforced_fits && fits;
    }
    return enforced_fits;
}

/* True when what is given back belongs to a window that the cell has left behind, to what was forgotten when it was reset, or has come
 * back to a bucket with time: to give it back again would be at the cost of what others have spent since. */
static bool is_too_late(const struct charge *charge, const struct cell *cell)
{
    if (charge->cost >= 0)
        return false;
    if (charge->limit.kind == CELL_BUCKET)
        return !charge->is_unserved && charge->begun_ns < charge->refreshed.of.whole_ns;
    return (charge->limit.kind == CELL_WINDOW && cell->of.window_end_s != charge->window_end_s) ||
           cell_forgets(cell, charge->begun_ns);
}

/* Changes the cell of a charge: debits what was judged or, when that is all there is to do, opens its breaker. The stripe
 * has been locked since the cell was judged, and no other charge has it. */
static void apply(const struct arena *arena, struct charge *charge, struct moment now, struct admission *admission)
{
    struct stripe *stripe = arena_stripe(arena, charge->stripe);
    bool was_used = stripe->cells[charge->cell].kind != CELL_FREE;
    struct cell *cell;

    if (is_too_late(charge, &stripe->cells[charge->cell]))
        return;
    cell = stripe_change_begin(stripe, charge->cell, charge->key);
    *cell = charge->refreshed;
    admission->created += charge->is_fresh;
    admission->reused += charge->is_fresh && was_used;
    if (charge->is_unserved) {
        stripe_change_end(stripe);
        return;
    }
    if (charge->view.trips)
        cell_trip(cell, &charge->limit, now);
    else if (charge->limit.kind == CELL_FLIGHT && charge->cost < 0)
        cell_land(cell, &charge->limit, charge->begun_ns, charge->layout);
    else if (charge->limit.kind == CELL_BREAKER && charge->cost < 0)
        cell_give_back(cell, -charge->cost, charge->begun_ns);
    else
        cell_debit_judged(cell, &charge->limit, charge->cost, now, &charge->view);
    stripe_change_end(stripe);
}

/* True when the charge changes its cell: it is admitted and has something to count, or its breaker opens. */
static bool is_due(const struct charge *charge, bool is_admitted)
{
    if (charge->has_no_room || charge->is_idle)
        return false;
    return charge->view.trips || (is_admitted && !charge->is_held_back);
}

/* True when a bucket that refuses is said to be whole before what it refuses would fit: a reload made its limit slower after
 * it was last charged. It must outlive the wait; else it would be given away, or left out of a snapshot, while it counts. The same goes
 * for an open breaker that may have to stay open for longer. */
static bool expires_early(const struct charge *charge, struct moment now)
{
    if (charge->limit.kind == CELL_BREAKER)
        return !charge->view.fits && !charge->is_fresh && charge->refreshed.of.breaker.opened_ns != 0;
    return charge->view.wait_ns > 0 && charge->view.wait_ns < INT64_MAX && charge->limit.kind == CELL_BUCKET &&
           !charge->is_fresh && charge->refreshed.expires_ns - now.boot_ns < charge->view.wait_ns;
}

/* Moves the expiry of a charge's cell to what the limit says, and nothing else: a refusal leaves no trace in what is left. */
static void prolong(const struct arena *arena, const struct charge *charge, struct moment now)
{
    struct stripe *stripe = arena_stripe(arena, charge->stripe);
    struct cell longer = charge->refreshed;

    cell_debit(&longer, &charge->limit, 0, now);
    if (longer.expires_ns <= charge->refreshed.expires_ns)
        return;
    stripe_change_begin(stripe, charge->cell, charge->key)->expires_ns = longer.expires_ns;
    stripe_change_end(stripe);
}

/* Places every charge, has the memory of their cells fetched all at once, and empties the result fields. */
static void prepare(const struct arena *arena, struct charge *charges, uint64_t *order, size_t count,
                    struct admission *admission)
{
    *admission = (struct admission){.is_admitted = true};
    for (size_t i = 0; i < count; i++) {
        charges[i].stripe = arena ? arena_stripe_of(arena, charges[i].key) : 0;
        if (arena)
            stripe_prefetch(arena_stripe(arena, charges[i].stripe), charges[i].key);
        charges[i].cell = STRIPE_NO_CELL;
        charges[i].has_no_room = false;
        charges[i].refuses = false;
        charges[i].is_idle = false;
        charges[i].is_held_back = false;
        if (order)
            order[i] = place_of(charges[i].stripe, i);
    }
}

void admission_take(const struct arena *arena, struct charge *charges, uint64_t *order, size_t count, struct moment now,
                    struct admission *admission)
{
    prepare(arena, charges, order, count, admission);
    sort_by_stripe(order, count);
    if (!lock_all(arena, order, count, &admission->repaired)) {
        admission->is_stuck = true;
        admission->is_admitted = false;
        return;
    }
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && !is_first_of_stripe(order, to);)
            to++;
        locate(arena, charges, order, from, to, now, admission);
    }
    settle_excuses(charges, count);
    admission->is_admitted = settle_groups(charges, count);
    for (size_t i = 0; i < count; i++)
        if (is_due(&charges[i], admission->is_admitted))
            apply(arena, &charges[i], now, admission);
        else if (expires_early(&charges[i], now))
            prolong(arena, &charges[i], now);
    unlock_all(arena, order, count);
}

void admission_look(const struct arena *arena, struct charge *charges, size_t count, struct moment now,
                    struct admission *admission)
{
    prepare(arena, charges, NULL, count, admission);
    for (size_t i = 0; i < count; i++) {
        const struct stripe *stripe = arena ? arena_stripe(arena, charges[i].stripe) : NULL;
        uint32_t index = stripe ? stripe_find(stripe, charges[i].key) : STRIPE_NO_CELL;

        charges[i].cell = index;
        judge(&charges[i], index == STRIPE_NO_CELL ? NULL : &stripe->cells[index], now);
        if (stripe && index == STRIPE_NO_CELL && !stripe_has_room(stripe, charges[i].key, now))
            judge_without_room(&charges[i]);
    }
    settle_excuses(charges, count);
    admission->is_admitted = settle_groups(charges, count);
}
