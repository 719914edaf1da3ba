/* SPDX-License-Identifier: MPL-2.0
 *
 * What an admitted request reserved, and what it really used.
 *
 * Settlement is one admission: a mark that this reservation is settled, which fits once, and behind it the corrections, all or
 * nothing. Charges stand before the mark and refunds behind it, so that a process killed half way can only have charged
 * too much.
 */
#include "policy/decide_private.h"

#include "policy/reservation.h"

static int64_t extra_of(const struct charge *charge, struct moment now)
{
    return charge->limit.kind == CELL_WINDOW ? charge->view.window_end_s : now.boot_ns;
}

static void add_entry(const struct decision *decision, uint32_t index, struct reservation *reservation)
{
    const struct charge *charge = &decision->decider->charges[index];
    const struct charge_source *source = &decision->decider->sources[index];

    if (!decide_limits_roles[source->role].is_settled || charge->is_held_back || charge->has_no_room)
        return;
    if (reservation->count == RESERVATION_MAX_ENTRIES) {
        decide_counts_one(decision, COUNTER_reservations_cut);
        return;
    }
    reservation->entries[reservation->count++] = (struct reservation_entry){
        .mark = decision->decider->rules[source->rule_index].mark,
        .role = (uint8_t)source->role,
        .key = {charge->key[0], charge->key[1]},
        .cost = charge->cost,
        .extra = extra_of(charge, decision->now),
        .layout = charge->view.layout,
    };
}

void decide_reserve_write(const struct decision *decision, struct verdict *verdict)
{
    struct decider *decider = decision->decider;
    struct reservation reservation = {.count = 0};

    for (uint32_t i = 0; i < decision->charge_count; i++)
        add_entry(decision, i, &reservation);
    if (reservation.count == 0)
        return;
    reservation.expires_s = decision->now.wall_ns / NANOSECONDS_PER_SECOND + RESERVATION_LIFE_S;
    reservation.begun_ns = decision->now.boot_ns;
    reservation.nonce = ++decider->nonce;
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

/* Turns an entry into the charge that corrects it. false when there is nothing to correct. */
static bool correct(struct decision *decision, const struct reservation_entry *entry, const struct decide_usage *usage,
                    struct charge *charge)
{
    int64_t used = (usage->prompt_tokens + usage->completion_tokens) * BUNDLE_MILLIONTHS;
    struct charge_source source = {.role = (enum charge_role)entry->role};
    uint32_t index = find_rule(decision->decider, entry->mark);

    if (index == BUNDLE_NO_INDEX || entry->role >= CHARGE_ROLES)
        return false;
    locate_rule(decision->decider, index, &source);
    *charge = (struct charge){.key = {entry->key[0], entry->key[1]}, .never_refuses = true};
    if (!decide_limits_of(decision->decider, index, source.rule, source.role, decision->now, &charge->limit,
                          &source.window_ns))
        return false;
    charge->cost = source.role == CHARGE_FLIGHT ? -entry->cost : used - entry->cost;
    charge->layout = entry->layout;
    if (charge->limit.kind == CELL_WINDOW)
        charge->window_end_s = entry->extra;
    else
        charge->begun_ns = entry->extra;
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

static enum decide_settlement apply(struct decision *decision, const struct reservation *reservation,
                                    const struct decide_usage *usage, const uint64_t digest[2])
{
    struct charge charges[RESERVATION_MAX_ENTRIES + 1], correction;
    uint32_t order[RESERVATION_MAX_ENTRIES + 1], count = 0, mark;
    struct admission admission;

    for (uint32_t i = 0; i < reservation->count; i++)
        if (correct(decision, &reservation->entries[i], usage, &correction) && correction.cost > 0)
            charges[count++] = correction;
    mark = count;
    charges[count++] = mark_of(digest);
    for (uint32_t i = 0; i < reservation->count; i++)
        if (correct(decision, &reservation->entries[i], usage, &correction) && correction.cost < 0)
            charges[count++] = correction;
    admission_take(decision->decider->arena, charges, order, count, decision->now, &admission);
    decide_counts_admission(decision, &admission);
    if (admission.is_stuck || charges[mark].has_no_room)
        return DECIDE_SETTLEMENT_BUSY;
    return admission.is_admitted ? DECIDE_SETTLED : DECIDE_SETTLED_BEFORE;
}

/* Tokens are counted once for each policy, although a policy may have several limits. */
static void count_usage(const struct decision *decision, const struct reservation *reservation,
                        const struct decide_usage *usage)
{
    const struct policy *last = NULL;

    for (uint32_t i = 0; i < reservation->count; i++) {
        const struct reservation_entry *entry = &reservation->entries[i];
        uint32_t index = find_rule(decision->decider, entry->mark);
        struct charge_source source;

        if (index == BUNDLE_NO_INDEX || entry->role == CHARGE_FLIGHT)
            continue;
        locate_rule(decision->decider, index, &source);
        if (source.policy != last)
            decide_counts_usage(decision, source.policy, usage, entry->cost / BUNDLE_MILLIONTHS);
        last = source.policy;
    }
}

static enum decide_settlement settle(struct decision *decision, struct slice text, const struct decide_usage *usage)
{
    const uint64_t *key = arena_hash_key(decision->decider->arena);
    enum decide_settlement result;
    struct reservation reservation;
    uint64_t digest[2];

    if (usage->prompt_tokens < 0 || usage->prompt_tokens > ESTIMATE_MOST || usage->completion_tokens < 0 ||
        usage->completion_tokens > ESTIMATE_MOST)
        return DECIDE_SETTLEMENT_UNKNOWN;
    if (!reservation_parse(text, key, &reservation, digest))
        return DECIDE_SETTLEMENT_UNKNOWN;
    if (decision->now.wall_ns / NANOSECONDS_PER_SECOND >= reservation.expires_s ||
        decision->now.boot_ns >= reservation.begun_ns + RESERVATION_LIFE_S * NANOSECONDS_PER_SECOND)
        return DECIDE_SETTLEMENT_EXPIRED;
    result = apply(decision, &reservation, usage, digest);
    if (result == DECIDE_SETTLED)
        count_usage(decision, &reservation, usage);
    return result;
}

enum decide_settlement decide_reserve_settle(struct decider *decider, struct slice text,
                                             const struct decide_usage *usage, struct moment now)
{
    static const enum counter counters[] = {
        [DECIDE_SETTLED] = COUNTER_reservations_settled,
        [DECIDE_SETTLED_BEFORE] = COUNTER_reservations_repeated,
        [DECIDE_SETTLEMENT_EXPIRED] = COUNTER_reservations_expired,
        [DECIDE_SETTLEMENT_UNKNOWN] = COUNTER_reservations_unknown,
        [DECIDE_SETTLEMENT_BUSY] = COUNTER_reservations_busy,
    };
    struct decision decision = {.decider = decider, .now = now, .counts = decider->slot != NULL};
    enum decide_settlement result = settle(&decision, text, usage);

    decide_counts_one(&decision, counters[result]);
    return result;
}
