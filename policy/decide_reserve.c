/* SPDX-License-Identifier: MPL-2.0
 *
 * What an admitted request reserved is settled, grows, or is released.
 *
 * Settlement is one admission: a mark that this reservation is settled, which fits once, and the corrections, all or nothing.
 * Charges stand before the mark and refunds behind it, so that a process killed half way can only have charged too much. Who saw the
 * request's end himself has shown the reservation to nobody and ends it once: his needs no mark, which would take a cell for many
 * minutes and, where there is none left, the settlement with it. A limit that a reload took away is corrected where it was
 * counted, for it may come back; where that is not to be found any more, the result says so.
 */
#include "policy/decide_private.h"

#include "policy/reservation.h"

#define MARK_MARGIN_S  60 /* for a wall clock that goes back before a reboot */
#define CLOCKS_APART_S 2  /* wall and boot clock of one boot by less, rounded down as they are */

/* The mark that a reservation is settled: it fits once and outlives the reservation. */
static struct charge mark_of(const uint64_t digest[2])
{
    struct charge mark = {
        .limit = {.kind = CELL_COUNT,
                  .capacity = BUNDLE_MILLIONTHS,
                  .length_ns = (RESERVATION_LIFE_S + MARK_MARGIN_S) * NANOSECONDS_PER_SECOND},
        .cost = BUNDLE_MILLIONTHS,
    };

    mark.key[0] = digest[0];
    mark.key[1] = ~digest[1];
    return mark;
}

/* What came of corrections that were made. Where nothing is counted any more there is nothing to give back either; a charge is lost
 * there when its limit is not known or, its cell having come back to nothing and gone to somebody else, all others are in use. */
static enum decide_settlement result_of(const struct charge *charges, uint32_t count)
{
    enum decide_settlement result = DECIDE_SETTLED;

    for (uint32_t i = 0; i < count; i++)
        if (charges[i].has_no_room && charges[i].cost > 0)
            return DECIDE_SETTLED_IN_PART;
        else if (charges[i].is_unserved)
            result = DECIDE_SETTLED_UNSERVED;
    return result;
}

/* DIGEST NULL: it needs no mark. */
static enum decide_settlement apply(struct decision *decision, const struct reservation *reservation,
                                    const struct decide_outcome *outcome, const uint64_t digest[2])
{
    struct charge charges[RESERVATION_MAX_ENTRIES + 1], correction;
    uint64_t order[RESERVATION_MAX_ENTRIES + 1];
    uint32_t count = 0, mark;
    struct admission admission;

    for (uint32_t i = 0; i < reservation->count; i++)
        if (decide_owed_correct(decision, reservation, &reservation->entries[i], outcome, &correction) &&
            correction.cost > 0)
            charges[count++] = correction;
    mark = count;
    if (digest)
        charges[count++] = mark_of(digest);
    for (uint32_t i = 0; i < reservation->count; i++)
        if (decide_owed_correct(decision, reservation, &reservation->entries[i], outcome, &correction) &&
            correction.cost < 0)
            charges[count++] = correction;
    admission_take(decision->decider->arena, charges, order, count, decision->now, &admission);
    decide_counts_admission(decision, &admission);
    if (admission.is_stuck || (digest && charges[mark].has_no_room))
        return DECIDE_SETTLEMENT_BUSY;
    return admission.is_admitted ? result_of(charges, count) : DECIDE_SETTLED_BEFORE;
}

/* The policy an entry is of, or NULL when a reload took its rule away. */
static const struct policy *policy_of(const struct decider *decider, const struct reservation_entry *entry)
{
    struct charge_source source;

    return decide_rules_find(decider, entry->mark, &source) ? source.policy : NULL;
}

/* Is there an entry that says more of POLICY's tokens than the one at INDEX: an earlier one of tokens or, for one of
 * money, any of tokens or an earlier one? */
static bool is_told(const struct decider *decider, const struct reservation *reservation, uint32_t index,
                    const struct policy *policy)
{
    bool is_money = reservation->entries[index].role == CHARGE_BUDGET;

    for (uint32_t i = 0; i < reservation->count; i++) {
        const struct reservation_entry *entry = &reservation->entries[i];
        bool is_tokens = entry->role == CHARGE_MINUTE || entry->role == CHARGE_DAY;

        if ((is_money && is_tokens) || (i < index && (is_tokens || entry->role == CHARGE_BUDGET) && is_tokens == !is_money))
            if (policy_of(decider, entry) == policy)
                return true;
    }
    return false;
}

/* Tokens are counted once for each policy, although a policy may have several limits; what none has any more, once under none. */
static void count_usage(const struct decision *decision, const struct reservation *reservation,
                        const struct usage *usage)
{
    for (uint32_t i = 0; i < reservation->count; i++) {
        const struct reservation_entry *entry = &reservation->entries[i];
        const struct policy *policy = policy_of(decision->decider, entry);

        if (entry->role == CHARGE_FLIGHT || entry->role == CHARGE_BREAKER || is_told(decision->decider, reservation, i, policy))
            continue;
        decide_counts_usage(decision, policy, usage,
                            entry->role == CHARGE_BUDGET ? -1 : entry->cost / BUNDLE_MILLIONTHS);
    }
}

/* Tells what the first entry of its rule became: all limits of a rule count the same. Of a rule that is not there any more it is told
 * whether its request was or not. */
static void tell_change(struct decision *decision, const struct reservation *reservation, uint32_t index, int64_t cost)
{
    const struct reservation_entry *entry = &reservation->entries[index];
    struct charge_source source = {.role = (enum charge_role)entry->role};
    bool is_there = decide_rules_find(decision->decider, entry->mark, &source);

    if (entry->role == CHARGE_FLIGHT || entry->role == CHARGE_BREAKER || cost == entry->cost ||
        (reservation->weight == 0 && is_there) ||
        (index > 0 && reservation->entries[index - 1].mark == entry->mark))
        return;
    decide_events_settled(decision, reservation, entry, &source, cost);
}

static bool is_too_late(const struct decision *decision, const struct reservation *reservation)
{
    return decision->now.wall_ns / NANOSECONDS_PER_SECOND >= reservation->expires_s ||
           decision->now.boot_ns >= reservation->begun_ns + RESERVATION_LIFE_S * NANOSECONDS_PER_SECOND;
}

/* Whether RESERVATION was made before a reboot: later than now by the boot clock, of which another process may have seen a little
 * more, or longer ago by the wall clock than by the boot clock, which begins anew. A wall clock that was put forward looks the same. */
static bool is_of_another_boot(const struct reservation *reservation, int64_t age_s, struct moment now)
{
    return reservation->begun_ns > now.boot_ns + NANOSECONDS_PER_SECOND ||
           age_s > (now.boot_ns - reservation->begun_ns) / NANOSECONDS_PER_SECOND + CLOCKS_APART_S;
}

/* The boot times of what was reserved before a reboot are moved to this boot as those of the cells are, by what the wall clock says of
 * how long ago it was at least. A wall clock that went back says nothing: then it is too late. No request in flight outlives a reboot:
 * its lane stays as it is, which is right where the wall clock was put forward. */
static void move_to_this_boot(struct reservation *reservation, struct moment now)
{
    int64_t age_s = now.wall_ns / NANOSECONDS_PER_SECOND - reservation->expires_s + RESERVATION_LIFE_S, shift;

    if (age_s > RESERVATION_LIFE_S || !is_of_another_boot(reservation, age_s, now))
        return; /* too late as it is, or of this boot */
    if (age_s < 0)
        age_s = RESERVATION_LIFE_S;
    else if (age_s > 0)
        age_s--; /* both moments were rounded down */
    shift = now.boot_ns - age_s * NANOSECONDS_PER_SECOND - reservation->begun_ns;
    reservation->begun_ns += shift;
    for (uint32_t i = 0; i < reservation->count; i++)
        if (reservation->entries[i].role == CHARGE_MINUTE)
            reservation->entries[i].extra += shift;
}

/* SAW_END: whoever settles it saw the request's end himself. */
static enum decide_settlement settle(struct decision *decision, struct slice text, const struct usage *usage,
                                     struct slice model, bool saw_end)
{
    const uint64_t *key = decision->decider->reservation_key;
    enum decide_settlement result;
    struct reservation reservation;
    struct decide_outcome outcome;
    uint64_t digest[2];

    if (usage && !usage_is_possible(usage))
        return DECIDE_SETTLEMENT_UNKNOWN;
    if (!reservation_parse(text, key, &reservation, digest))
        return DECIDE_SETTLEMENT_UNKNOWN;
    if (!saw_end)
        move_to_this_boot(&reservation, decision->now);
    if (!saw_end && is_too_late(decision, &reservation))
        return DECIDE_SETTLEMENT_EXPIRED;
    if (usage)
        outcome = decide_owed_outcome(decision->decider, &reservation, usage, model);
    result = apply(decision, &reservation, usage ? &outcome : NULL, saw_end ? NULL : digest);
    if (!usage || result > DECIDE_SETTLED_IN_PART)
        return result;
    count_usage(decision, &reservation, usage);
    for (uint32_t i = 0; i < reservation.count; i++)
        tell_change(decision, &reservation, i, decide_owed_by(&reservation.entries[i], &outcome));
    return result;
}

static enum decide_settlement settle_and_count(struct decider *decider, struct slice text, const struct usage *usage,
                                               struct slice model, struct moment now, bool saw_end)
{
    static const enum counter counters[] = {
        [DECIDE_SETTLED] = COUNTER_reservations_settled,
        [DECIDE_SETTLED_UNSERVED] = COUNTER_reservations_unserved,
        [DECIDE_SETTLED_IN_PART] = COUNTER_reservations_in_part,
        [DECIDE_SETTLED_BEFORE] = COUNTER_reservations_repeated,
        [DECIDE_SETTLEMENT_EXPIRED] = COUNTER_reservations_expired,
        [DECIDE_SETTLEMENT_UNKNOWN] = COUNTER_reservations_unknown,
        [DECIDE_SETTLEMENT_BUSY] = COUNTER_reservations_busy,
    };
    struct decision decision = {.decider = decider, .now = now, .counts = decider->slot != NULL};
    enum decide_settlement result = settle(&decision, text, usage, model, saw_end);

    decide_counts_one(&decision, counters[result]);
    return result;
}

enum decide_settlement decide_reserve_settle(struct decider *decider, struct slice text, const struct usage *usage,
                                             struct slice model, struct moment now)
{
    return settle_and_count(decider, text, usage, model, now, false);
}

enum decide_settlement decide_reserve_finish(struct decider *decider, struct slice text, const struct usage *usage,
                                             struct slice model, struct moment now)
{
    return settle_and_count(decider, text, usage, model, now, true);
}

enum decide_settlement decide_reserve_release(struct decider *decider, struct slice text, struct moment now)
{
    struct decision decision = {.decider = decider, .now = now, .counts = decider->slot != NULL};
    enum decide_settlement result = settle(&decision, text, NULL, (struct slice){NULL, 0}, true);

    if (result == DECIDE_SETTLEMENT_BUSY)
        decide_counts_one(&decision, COUNTER_reservations_busy);
    return result;
}

/* Charges for the entries that OUTCOME goes beyond; ENTRIES says which. A limit that is not there any more limits nothing;
 * the settlement charges it. An entry keeps its window when the next one pays for what is added: of that nothing can be
 * given back later, and never too much. In a bucket only what is added can be given back later: all before it was used up. */
static uint32_t find_growth(struct decision *decision, const struct reservation *reservation,
                            const struct decide_outcome *outcome, struct charge *charges, uint32_t *entries)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < reservation->count; i++) {
        if (reservation->entries[i].role == CHARGE_BREAKER)
            continue;
        if (!decide_owed_correct(decision, reservation, &reservation->entries[i], outcome, &charges[count]) ||
            charges[count].cost < 0 || charges[count].is_unserved)
            continue;
        charges[count].never_refuses = false;
        entries[count++] = i;
    }
    return count;
}

bool decide_reserve_grow(struct decider *decider, char *text, size_t size, const struct usage *usage, struct slice model,
                         struct moment now)
{
    struct decision decision = {.decider = decider, .now = now, .counts = decider->slot != NULL};
    const uint64_t *key = decider->reservation_key;
    uint64_t order[RESERVATION_MAX_ENTRIES];
    uint32_t entries[RESERVATION_MAX_ENTRIES], count;
    struct charge charges[RESERVATION_MAX_ENTRIES];
    struct reservation reservation;
    struct admission admission;
    struct decide_outcome outcome;
    uint64_t digest[2];

    if (!reservation_parse((struct slice){text, size}, key, &reservation, digest))
        return false;
    outcome = decide_owed_outcome(decider, &reservation, usage, model);
    count = find_growth(&decision, &reservation, &outcome, charges, entries);
    admission_take(decider->arena, charges, order, count, now, &admission);
    decide_counts_admission(&decision, &admission);
    if (!admission.is_admitted)
        return false;
    for (uint32_t i = 0; i < count; i++)
        tell_change(&decision, &reservation, entries[i], reservation.entries[entries[i]].cost + charges[i].cost);
    for (uint32_t i = 0; i < count; i++) {
        reservation.entries[entries[i]].cost += charges[i].cost;
        if (charges[i].limit.kind == CELL_BUCKET)
            reservation.entries[entries[i]].extra = charges[i].refreshed.stamp_ns;
    }
    return reservation_print(&reservation, key, text, size) == size;
}

uint32_t decide_reserve_flights(struct decider *decider, struct slice text, struct flight flights[RESERVATION_MAX_ENTRIES])
{
    struct decision decision = {.decider = decider};
    struct reservation reservation;
    struct charge charge;
    uint64_t digest[2];
    uint32_t count = 0;

    if (!reservation_parse(text, decider->reservation_key, &reservation, digest))
        return 0;
    for (uint32_t i = 0; i < reservation.count; i++) {
        if (reservation.entries[i].role != CHARGE_FLIGHT ||
            !decide_owed_correct(&decision, &reservation, &reservation.entries[i], NULL, &charge) || charge.is_unserved)
            continue;
        flights[count++] = (struct flight){.key = {charge.key[0], charge.key[1]},
                                           .begun_ns = charge.begun_ns,
                                           .length_ns = charge.limit.length_ns,
                                           .layout = charge.layout};
    }
    return count;
}
