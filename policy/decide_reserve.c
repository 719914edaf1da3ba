/* SPDX-License-Identifier: MPL-2.0
 *
 * What an admitted request reserved, and what it really used.
 *
 * Settlement is one admission: a mark that this reservation is settled, which fits once, and behind it the corrections, all or
 * nothing. Charges stand before the mark and refunds behind it, so that a process killed half way can only have charged
 * too much. A limit that a reload took away is corrected where it was counted, for it may come back; where that is not to be
 * found any more, the result says so.
 */
#include "policy/decide_private.h"

#include "policy/reservation.h"

static int64_t extra_of(const struct charge *charge, struct moment now)
{
    return charge->limit.kind == CELL_WINDOW ? charge->view.window_end_s : now.boot_ns;
}

/* Is this charge corrected when it is known what the request used? */
static bool is_settled(const struct charge_source *source)
{
    return decide_limits_roles[source->role].is_settled &&
           (source->role != CHARGE_BUDGET || source->rule->config.cost_budget.cost.source == COST_SOURCE_USAGE);
}

static bool was_charged(const struct charge *charge)
{
    return !charge->is_held_back && !charge->has_no_room;
}

static bool is_entry(const struct decision *decision, uint32_t index)
{
    return is_settled(&decision->decider->sources[index]) && was_charged(&decision->decider->charges[index]);
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
    entry->extra = extra_of(charge, decision->now);
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

static bool is_any_settled(const struct decision *decision)
{
    for (uint32_t i = 0; i < decision->charge_count; i++)
        if (decide_limits_roles[decision->decider->sources[i].role].is_settled)
            return true;
    return false;
}

void decide_reserve_write(const struct decision *decision, struct verdict *verdict)
{
    struct decider *decider = decision->decider;
    struct reservation reservation;

    if (!is_any_settled(decision))
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
    verdict->reservation_size = reservation_print(&reservation, arena_hash_key(decider->arena), verdict->reservation,
                                                  sizeof(verdict->reservation));
}

/* ---- settle ------------------------------------------------------------------------------------------------------- */

/* Index of the rule with MARK, or BUNDLE_NO_INDEX when a reload took it away. */
static uint32_t find_rule(const struct decider *decider, uint64_t mark)
{
    uint32_t low = 0, high = decider->bundle->rule_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (decider->rules[decider->by_mark[middle]].mark < mark)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == decider->bundle->rule_count || decider->rules[decider->by_mark[low]].mark != mark)
        return BUNDLE_NO_INDEX;
    return decider->by_mark[low];
}

/* The policy and the rule behind an index over the whole bundle. */
static void locate_rule(const struct decider *decider, uint32_t index, struct charge_source *source)
{
    const struct bundle *bundle = decider->bundle;
    uint32_t low = 0, high = bundle->policy_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (decider->policies[middle].first_rule <= index)
            low = middle;
        else
            high = middle;
    }
    source->policy = &bundle->policies[low];
    source->rule = decide_rules_at(source->policy, index - decider->policies[low].first_rule);
    source->rule_index = index;
}

/* What came of a request, in the units of its limits. */
struct outcome {
    int64_t tokens; /* millionths */
    int64_t money;  /* millionths */
    bool has_money; /* a price is known */
};

static struct outcome outcome_of(const struct decider *decider, const struct reservation *reservation,
                                 const struct usage *usage, struct slice model)
{
    struct outcome outcome = {.tokens = (usage->in_total + usage->out_total) * BUNDLE_MILLIONTHS};

    outcome.has_money = decide_money_used(decider, usage, model, reservation->has_price ? &reservation->price : NULL,
                                          &outcome.money);
    return outcome;
}

/* What an entry should have been charged. Nobody knows what came of it (no OUTCOME): as it was. */
static int64_t owed(const struct reservation_entry *entry, const struct outcome *outcome)
{
    if (!outcome && entry->role != CHARGE_FLIGHT)
        return entry->cost;
    switch (entry->role) {
    case CHARGE_FLIGHT:
        return 0;
    case CHARGE_BUDGET:
        return outcome->has_money ? outcome->money : entry->cost;
    default:
        return outcome->tokens;
    }
}

/* What the breaker behind ENTRY should have counted: the largest cost of its policy, as when it was reserved. */
static int64_t owed_to_breaker(const struct reservation *reservation, const struct reservation_entry *entry,
                               const struct outcome *outcome)
{
    int64_t largest = entry->extra;

    for (uint32_t i = 1; i <= entry->layout && entry - i >= reservation->entries; i++)
        if (owed(entry - i, outcome) > largest)
            largest = owed(entry - i, outcome);
    return largest;
}

static bool limit_of(struct decision *decision, uint32_t index, struct charge_source *source, struct cell_limit *limit)
{
    if (source->role == CHARGE_BREAKER) {
        *limit = decide_guards_breaker_limit(source->policy);
        return source->policy->breaker.is_enabled;
    }
    return decide_limits_of(decision->decider, index, source->rule, source->role, decision->now, limit,
                            &source->window_ns);
}

/* The limit of an entry. false when the bundle does not have it any more. */
static bool find_limit(struct decision *decision, const struct reservation_entry *entry, struct cell_limit *limit)
{
    struct charge_source source = {.role = (enum charge_role)entry->role};
    uint32_t index = find_rule(decision->decider, entry->mark);

    if (index == BUNDLE_NO_INDEX)
        return false;
    locate_rule(decision->decider, index, &source);
    return limit_of(decision, index, &source, limit);
}

/* In what cells the limits that are settled count. */
static const enum cell_kind kinds_of_roles[CHARGE_ROLES] = {[CHARGE_BUDGET] = CELL_WINDOW,
                                                            [CHARGE_MINUTE] = CELL_BUCKET,
                                                            [CHARGE_DAY] = CELL_WINDOW,
                                                            [CHARGE_FLIGHT] = CELL_FLIGHT,
                                                            [CHARGE_BREAKER] = CELL_BREAKER};

/* Turns an entry into the charge that corrects it. false when there is nothing to correct. */
static bool correct(struct decision *decision, const struct reservation *reservation,
                    const struct reservation_entry *entry, const struct outcome *outcome, struct charge *charge)
{
    if (entry->role >= CHARGE_ROLES || kinds_of_roles[entry->role] == CELL_FREE)
        return false;
    *charge = (struct charge){.key = {entry->key[0], entry->key[1]}, .never_refuses = true};
    if (!find_limit(decision, entry, &charge->limit)) {
        charge->is_unserved = true;
        charge->limit.kind = kinds_of_roles[entry->role];
    }
    charge->cost = owed(entry, outcome) - entry->cost;
    charge->layout = entry->layout;
    charge->begun_ns = reservation->begun_ns;
    if (charge->limit.kind == CELL_WINDOW)
        charge->window_end_s = entry->extra;
    else if (charge->limit.kind == CELL_BREAKER && outcome)
        charge->cost = owed_to_breaker(reservation, entry, outcome) - entry->cost;
    return charge->cost != 0;
}

/* The mark that a reservation is settled: it fits once and outlives the reservation. */
static struct charge mark_of(const uint64_t digest[2])
{
    struct charge mark = {
        .limit = {.kind = CELL_COUNT,
                  .capacity = BUNDLE_MILLIONTHS,
                  .length_ns = 2 * RESERVATION_LIFE_S * NANOSECONDS_PER_SECOND},
        .cost = BUNDLE_MILLIONTHS,
    };

    mark.key[0] = digest[0];
    mark.key[1] = ~digest[1];
    return mark;
}

/* What came of corrections that were made. Where nothing is counted any more there is nothing to give back either. */
static enum decide_settlement result_of(const struct charge *charges, uint32_t count)
{
    enum decide_settlement result = DECIDE_SETTLED;

    for (uint32_t i = 0; i < count; i++)
        if (charges[i].is_unserved && charges[i].has_no_room && charges[i].cost > 0)
            return DECIDE_SETTLED_IN_PART;
        else if (charges[i].is_unserved)
            result = DECIDE_SETTLED_UNSERVED;
    return result;
}

static enum decide_settlement apply(struct decision *decision, const struct reservation *reservation,
                                    const struct outcome *outcome, const uint64_t digest[2])
{
    struct charge charges[RESERVATION_MAX_ENTRIES + 1], correction;
    uint32_t order[RESERVATION_MAX_ENTRIES + 1], count = 0, mark;
    struct admission admission;

    for (uint32_t i = 0; i < reservation->count; i++)
        if (correct(decision, reservation, &reservation->entries[i], outcome, &correction) && correction.cost > 0)
            charges[count++] = correction;
    mark = count;
    charges[count++] = mark_of(digest);
    for (uint32_t i = 0; i < reservation->count; i++)
        if (correct(decision, reservation, &reservation->entries[i], outcome, &correction) && correction.cost < 0)
            charges[count++] = correction;
    admission_take(decision->decider->arena, charges, order, count, decision->now, &admission);
    decide_counts_admission(decision, &admission);
    if (admission.is_stuck || charges[mark].has_no_room)
        return DECIDE_SETTLEMENT_BUSY;
    return admission.is_admitted ? result_of(charges, count) : DECIDE_SETTLED_BEFORE;
}

/* The policy an entry is of, or NULL when a reload took its rule away. */
static const struct policy *policy_of(const struct decider *decider, const struct reservation_entry *entry)
{
    uint32_t index = find_rule(decider, entry->mark);
    struct charge_source source = {.policy = NULL};

    if (index != BUNDLE_NO_INDEX)
        locate_rule(decider, index, &source);
    return source.policy;
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
    uint32_t rule_index = find_rule(decision->decider, entry->mark);
    struct charge_source source = {.role = (enum charge_role)entry->role};

    if (entry->role == CHARGE_FLIGHT || entry->role == CHARGE_BREAKER || cost == entry->cost ||
        (reservation->weight == 0 && rule_index != BUNDLE_NO_INDEX) ||
        (index > 0 && reservation->entries[index - 1].mark == entry->mark))
        return;
    if (rule_index != BUNDLE_NO_INDEX)
        locate_rule(decision->decider, rule_index, &source);
    decide_events_settled(decision, reservation, entry, &source, cost);
}

static bool is_too_late(const struct decision *decision, const struct reservation *reservation)
{
    return decision->now.wall_ns / NANOSECONDS_PER_SECOND >= reservation->expires_s ||
           decision->now.boot_ns >= reservation->begun_ns + RESERVATION_LIFE_S * NANOSECONDS_PER_SECOND;
}

static enum decide_settlement settle(struct decision *decision, struct slice text, const struct usage *usage,
                                     struct slice model, bool expires)
{
    const uint64_t *key = arena_hash_key(decision->decider->arena);
    enum decide_settlement result;
    struct reservation reservation;
    struct outcome outcome;
    uint64_t digest[2];

    if (usage && !usage_is_possible(usage))
        return DECIDE_SETTLEMENT_UNKNOWN;
    if (!reservation_parse(text, key, &reservation, digest))
        return DECIDE_SETTLEMENT_UNKNOWN;
    if (expires && is_too_late(decision, &reservation))
        return DECIDE_SETTLEMENT_EXPIRED;
    if (!usage)
        return apply(decision, &reservation, NULL, digest);
    outcome = outcome_of(decision->decider, &reservation, usage, model);
    result = apply(decision, &reservation, &outcome, digest);
    if (result > DECIDE_SETTLED_IN_PART)
        return result;
    count_usage(decision, &reservation, usage);
    for (uint32_t i = 0; i < reservation.count; i++)
        tell_change(decision, &reservation, i, owed(&reservation.entries[i], &outcome));
    return result;
}

static enum decide_settlement settle_and_count(struct decider *decider, struct slice text, const struct usage *usage,
                                               struct slice model, struct moment now, bool expires)
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
    enum decide_settlement result = settle(&decision, text, usage, model, expires);

    decide_counts_one(&decision, counters[result]);
    return result;
}

enum decide_settlement decide_reserve_settle(struct decider *decider, struct slice text, const struct usage *usage,
                                             struct slice model, struct moment now)
{
    return settle_and_count(decider, text, usage, model, now, true);
}

enum decide_settlement decide_reserve_finish(struct decider *decider, struct slice text, const struct usage *usage,
                                             struct slice model, struct moment now)
{
    return settle_and_count(decider, text, usage, model, now, false);
}

enum decide_settlement decide_reserve_release(struct decider *decider, struct slice text, struct moment now)
{
    struct decision decision = {.decider = decider, .now = now, .counts = decider->slot != NULL};
    struct reservation reservation;
    uint64_t digest[2];

    if (!reservation_parse(text, arena_hash_key(decider->arena), &reservation, digest))
        return DECIDE_SETTLEMENT_UNKNOWN;
    return apply(&decision, &reservation, NULL, digest);
}

/* Charges for the entries that OUTCOME goes beyond; ENTRIES says which. A limit that is not there any more limits nothing; the settlement
 * charges it. An entry keeps its window when the next one pays for what is
 * added: of that nothing can be given back later, and never too much. */
static uint32_t find_growth(struct decision *decision, const struct reservation *reservation, const struct outcome *outcome,
                            struct charge *charges, uint32_t *entries)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < reservation->count; i++) {
        if (reservation->entries[i].role == CHARGE_BREAKER)
            continue;
        if (!correct(decision, reservation, &reservation->entries[i], outcome, &charges[count]) ||
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
    const uint64_t *key = arena_hash_key(decider->arena);
    uint32_t order[RESERVATION_MAX_ENTRIES], entries[RESERVATION_MAX_ENTRIES], count;
    struct charge charges[RESERVATION_MAX_ENTRIES];
    struct reservation reservation;
    struct admission admission;
    struct outcome outcome;
    uint64_t digest[2];

    if (!reservation_parse((struct slice){text, size}, key, &reservation, digest))
        return false;
    outcome = outcome_of(decider, &reservation, usage, model);
    count = find_growth(&decision, &reservation, &outcome, charges, entries);
    admission_take(decider->arena, charges, order, count, now, &admission);
    decide_counts_admission(&decision, &admission);
    if (!admission.is_admitted)
        return false;
    for (uint32_t i = 0; i < count; i++)
        tell_change(&decision, &reservation, entries[i], reservation.entries[entries[i]].cost + charges[i].cost);
    for (uint32_t i = 0; i < count; i++)
        reservation.entries[entries[i]].cost += charges[i].cost;
    return reservation_print(&reservation, key, text, size) == size;
}

uint32_t decide_reserve_flights(struct decider *decider, struct slice text, struct flight flights[RESERVATION_MAX_ENTRIES])
{
    struct decision decision = {.decider = decider};
    struct reservation reservation;
    struct charge charge;
    uint64_t digest[2];
    uint32_t count = 0;

    if (!reservation_parse(text, arena_hash_key(decider->arena), &reservation, digest))
        return 0;
    for (uint32_t i = 0; i < reservation.count; i++) {
        if (reservation.entries[i].role != CHARGE_FLIGHT ||
            !correct(&decision, &reservation, &reservation.entries[i], NULL, &charge) || charge.is_unserved)
            continue;
        flights[count++] = (struct flight){.key = {charge.key[0], charge.key[1]},
                                           .begun_ns = charge.begun_ns,
                                           .length_ns = charge.limit.length_ns,
                                           .layout = charge.layout};
    }
    return count;
}
