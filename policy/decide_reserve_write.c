/* SPDX-License-Identifier: MPL-2.0
 *
 * The reservation that goes with an admitted request: an entry for each of its charges that is corrected when it is known
 * what the request used.
 */
#include "policy/decide_private.h"

#include "policy/reservation.h"

static int64_t extra_of(const struct charge *charge)
{
    return charge->limit.kind == CELL_WINDOW ? charge->view.window_end_s : charge->refreshed.stamp_ns;
}

/* Is this charge corrected when it is known what the request used? */
static bool is_settled(const struct decider *decider, const struct charge_source *source)
{
    return decide_limits_roles[source->role].is_settled && decider->rules[source->rule_index].is_settled;
}

static bool was_charged(const struct charge *charge)
{
    return !charge->is_held_back && !charge->has_no_room;
}

static bool is_entry(const struct decision *decision, uint32_t index)
{
    const struct decider *decider = decision->decider;

    return is_settled(decider, &decider->sources[index]) && was_charged(&decider->charges[index]);
}

/* Makes ENTRY that of the breaker at INDEX, which counts the largest cost of its policy's charges: the entries of these stand
 * before it, of the others the largest stays spent. false when none has an entry. */
static bool describe_breaker(const struct decision *decision, uint32_t index, struct reservation_entry *entry)
{
    const struct decider *decider = decision->decider;
    const struct charge_source *sources = decider->sources;
    const struct policy *policy = sources[index].policy;

    entry->mark = decider->rules[decider->policies[policy - decider->bundle->policies].first_rule].mark;
    entry->extra = 0;
    entry->layout = 0;
    for (uint32_t i = index; i-- > 0 && sources[i].policy == policy;) {
        if (is_entry(decision, i))
            entry->layout++;
        else if (sources[i].rule && sources[i].role != CHARGE_FLIGHT && decider->charges[i].cost > entry->extra)
            entry->extra = decider->charges[i].cost;
    }
    return entry->layout > 0;
}

/* false when nothing of this charge is corrected later. */
static bool describe(const struct decision *decision, uint32_t index, struct reservation_entry *entry)
{
    const struct charge *charge = &decision->decider->charges[index];
    const struct charge_source *source = &decision->decider->sources[index];

    entry->role = (uint8_t)source->role;
    entry->key[0] = charge->key[0];
    entry->key[1] = charge->key[1];
    entry->cost = charge->cost;
    if (source->role == CHARGE_BREAKER)
        return was_charged(charge) && describe_breaker(decision, index, entry);
    entry->mark = decision->decider->rules[source->rule_index].mark;
    entry->extra = extra_of(charge);
    entry->layout = charge->view.layout;
    return is_entry(decision, index);
}

static void add_entry(const struct decision *decision, uint32_t index, struct reservation *reservation)
{
    struct reservation_entry entry;

    if (!describe(decision, index, &entry))
        return;
    if (reservation->count < RESERVATION_MAX_ENTRIES)
        reservation->entries[reservation->count++] = entry;
    else
        decide_counts_one(decision, COUNTER_reservations_cut);
}

void decide_reserve_write(const struct decision *decision, struct verdict *verdict)
{
    struct decider *decider = decision->decider;
    struct reservation reservation;

    if (!decision->has_settled)
        return;
    reservation.count = 0;
    for (uint32_t i = 0; i < decision->charge_count; i++)
        add_entry(decision, i, &reservation);
    if (reservation.count == 0)
        return;
    reservation.expires_s = decision->now.wall_ns / NANOSECONDS_PER_SECOND + RESERVATION_LIFE_S;
    reservation.begun_ns = decision->now.boot_ns;
    reservation.nonce = ++decider->nonce;
    reservation.weight = decision->weight;
    reservation.has_price = decision->price != NULL;
    if (decision->price)
        reservation.price = *decision->price;
    verdict->reservation_size = reservation_print(&reservation, decider->reservation_key, verdict->reservation,
                                                  sizeof(verdict->reservation));
}
