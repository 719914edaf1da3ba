/* SPDX-License-Identifier: MPL-2.0
 *
 * What each entry of a reservation should have been charged, and the charge that makes up for the difference.
 */
#include "policy/decide_private.h"

#include "policy/reservation.h"

struct decide_outcome decide_owed_outcome(const struct decider *decider, const struct reservation *reservation,
                                          const struct usage *usage, struct slice model)
{
    struct decide_outcome outcome = {.tokens = (usage->in_total + usage->out_total) * BUNDLE_MILLIONTHS};

    outcome.has_money = decide_money_used(decider, usage, model, reservation->has_price ? &reservation->price : NULL,
                                          &outcome.money);
    return outcome;
}

int64_t decide_owed_by(const struct reservation_entry *entry, const struct decide_outcome *outcome)
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
                               const struct decide_outcome *outcome)
{
    int64_t largest = entry->extra;

    for (uint32_t i = 1; i <= entry->layout && entry - i >= reservation->entries; i++)
        if (decide_owed_by(entry - i, outcome) > largest)
            largest = decide_owed_by(entry - i, outcome);
    return largest;
}

static bool limit_of(struct decision *decision, struct charge_source *source, struct cell_limit *limit)
{
    if (source->role == CHARGE_BREAKER) {
        *limit = decide_guards_breaker_limit(source->policy);
        return source->policy->breaker.is_enabled;
    }
    return decide_limits_of(decision->decider, source->rule_index, source->rule, source->role, decision->now, limit,
                            &source->window_ns);
}

/* The limit of an entry. false when the bundle does not have it any more. */
static bool find_limit(struct decision *decision, const struct reservation_entry *entry, struct cell_limit *limit)
{
    struct charge_source source = {.role = (enum charge_role)entry->role};

    return decide_rules_find(decision->decider, entry->mark, &source) && limit_of(decision, &source, limit);
}

/* In what cells the limits that are settled count. */
static const enum cell_kind kinds_of_roles[CHARGE_ROLES] = {[CHARGE_BUDGET] = CELL_WINDOW,
                                                            [CHARGE_MINUTE] = CELL_BUCKET,
                                                            [CHARGE_DAY] = CELL_WINDOW,
                                                            [CHARGE_FLIGHT] = CELL_FLIGHT,
                                                            [CHARGE_BREAKER] = CELL_BREAKER};

bool decide_owed_correct(struct decision *decision, const struct reservation *reservation,
                         const struct reservation_entry *entry, const struct decide_outcome *outcome,
                         struct charge *charge)
{
    if (entry->role >= CHARGE_ROLES || kinds_of_roles[entry->role] == CELL_FREE)
        return false;
    *charge = (struct charge){.key = {entry->key[0], entry->key[1]}, .never_refuses = true};
    if (!find_limit(decision, entry, &charge->limit)) {
        charge->is_unserved = true;
        charge->limit.kind = kinds_of_roles[entry->role];
    }
    charge->cost = decide_owed_by(entry, outcome) - entry->cost;
    charge->layout = entry->layout;
    charge->begun_ns = reservation->begun_ns;
    if (charge->limit.kind == CELL_WINDOW)
        charge->window_end_s = entry->extra;
    else if (charge->limit.kind == CELL_BUCKET || charge->limit.kind == CELL_FLIGHT)
        charge->begun_ns = entry->extra;
    else if (charge->limit.kind == CELL_BREAKER && outcome)
        charge->cost = owed_to_breaker(reservation, entry, outcome) - entry->cost;
    return charge->cost != 0;
}
