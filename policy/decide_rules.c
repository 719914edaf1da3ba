/* SPDX-License-Identifier: MPL-2.0
 *
 * From a matching policy to charges: which of its rules apply, who the request is to each of them. And back, from the mark
 * of a rule to itself.
 */
#include "policy/decide_private.h"

uint32_t decide_rules_count(const struct policy *policy)
{
    return policy->rule_count + (policy->fallback ? 1 : 0);
}

const struct rule *decide_rules_at(const struct policy *policy, uint32_t index)
{
    return index < policy->rule_count ? &policy->rules[index] : policy->fallback;
}

/* Index of the rule with MARK, or BUNDLE_NO_INDEX when a reload took it away. */
static uint32_t find_index(const struct decider *decider, uint64_t mark)
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
static void locate(const struct decider *decider, uint32_t index, struct charge_source *source)
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

bool decide_rules_find(const struct decider *decider, uint64_t mark, struct charge_source *source)
{
    uint32_t index = find_index(decider, mark);

    if (index == BUNDLE_NO_INDEX)
        return false;
    locate(decider, index, source);
    return true;
}

static bool conditions_hold(struct decision *decision, const struct policy *policy, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->condition_count; i++) {
        const struct match_condition *condition = &rule->conditions[i];
        struct slice value = {NULL, 0};

        if (!descriptor_value(&decision->decider->descriptors, condition->descriptor, &value) ||
            !slice_equal(value, condition->value)) {
            decide_notes_key(decision, DECIDE_RULE_NOT_APPLICABLE, policy, rule, condition->descriptor, value);
            return false;
        }
    }
    return true;
}

bool decide_rules_hash(struct decision *decision, const struct policy *policy, const struct rule *rule,
                       struct siphash *hash)
{
    bool is_complete = true;

    for (uint32_t i = 0; i < rule->key_count; i++) {
        struct slice value = {NULL, 0};
        bool is_found = descriptor_value(&decision->decider->descriptors, rule->keys[i], &value);

        if (decision->observer)
            decide_notes_key(decision, is_found ? DECIDE_KEY_FOUND : DECIDE_KEY_MISSING, policy, rule, rule->keys[i],
                             value);
        if (!is_found) {
            decide_counts_missing(decision, rule->keys[i]);
            is_complete = false;
        }
        siphash_update_value(hash, value);
    }
    return is_complete;
}

struct slice decide_rules_missing(const struct decision *decision, const struct rule *rule)
{
    struct decider *decider = decision->decider;
    struct slice value;

    for (uint32_t i = 0; i < rule->key_count; i++)
        if (!descriptor_value(&decider->descriptors, rule->keys[i], &value))
            return decider->bundle->descriptors[rule->keys[i]].text;
    return (struct slice){NULL, 0};
}

void decide_rules_hash_shared(struct siphash *hash)
{
    static const uint8_t shared = SIPHASH_NO_VALUE;

    siphash_update(hash, &shared, sizeof(shared));
}

/* The role goes where only tags differ: what one rule counts of an identity lies side by side, behind one lock. */
void decide_rules_key(const uint64_t identity[2], enum charge_role role, uint64_t key[2])
{
    key[0] = identity[0];
    key[1] = identity[1] ^ (uint64_t)role;
}

struct charge *decide_rules_charge(struct decision *decision, const struct charge_source *source, uint32_t group,
                                   const uint64_t identity[2], const struct cell_limit *limit, int64_t cost)
{
    struct decider *decider = decision->decider;
    struct charge *charge = &decider->charges[decision->charge_count];

    /* Field by field: clearing what admission fills anyhow would cost more than filling it. */
    charge->limit = *limit;
    charge->cost = cost;
    charge->begun_ns = 0;
    charge->layout = 0;
    charge->window_end_s = 0;
    charge->group = group;
    charge->excuse = 0;
    charge->never_refuses = false;
    charge->is_unserved = false;
    decide_rules_key(identity, source->role, charge->key);
    charge->admits_when_full = source->rule && source->rule->admits_when_full;
    decider->sources[decision->charge_count++] = *source;
    return charge;
}

void decide_rules_refuse(struct decision *decision, const struct charge_source *source, enum reason reason,
                         bool is_shadow)
{
    if (is_shadow) {
        decision->shadow_is_refused = true;
        decide_counts_would_reject(decision, source, reason);
        decide_events_would_reject(decision, source, reason, NULL);
    } else if (!decision->is_refused) {
        decision->is_refused = true;
        decision->refused_for = reason;
        decision->refused_by = *source;
    }
}

/* Turns one rule into charges. false when it does not apply to this request. */
static bool collect_rule(struct decision *decision, struct charge_source *source, bool is_shadow, uint32_t group)
{
    const struct prepared_rule *prepared = &decision->decider->rules[source->rule_index];
    struct siphash hash = is_shadow ? prepared->shadow : prepared->enforced;
    uint64_t identity[2];

    if (!conditions_hold(decision, source->policy, source->rule))
        return false;
    if (!decide_rules_hash(decision, source->policy, source->rule, &hash)) {
        switch (source->rule->on_missing) {
        case ON_MISSING_SKIP:
            decide_notes_step(decision, DECIDE_RULE_SKIPPED, source->policy, source->rule, is_shadow);
            return false;
        case ON_MISSING_REJECT:
            decide_rules_refuse(decision, source, REASON_identity_missing, is_shadow);
            return true;
        case ON_MISSING_SHARE:
            decide_notes_step(decision, DECIDE_RULE_SHARED, source->policy, source->rule, is_shadow);
            hash = is_shadow ? prepared->shadow : prepared->enforced;
            decide_rules_hash_shared(&hash);
            break;
        }
    }
    siphash_final(&hash, identity);
    decision->has_settled |= prepared->is_settled;
    decide_limits_add(decision, source, is_shadow, group, identity);
    return true;
}

/* The largest cost among the charges from FIRST on: what this request spends, for the breaker. */
static int64_t largest_cost(const struct decision *decision, uint32_t first)
{
    int64_t largest = 0;

    for (uint32_t i = first; i < decision->charge_count; i++)
        if (decision->decider->sources[i].role != CHARGE_FLIGHT && decision->decider->charges[i].cost > largest)
            largest = decision->decider->charges[i].cost;
    return largest;
}

void decide_rules_collect(struct decision *decision, const struct policy *policy, bool is_shadow)
{
    struct decider *decider = decision->decider;
    struct charge_source source = {.policy = policy,
                                   .rule_index = decider->policies[policy - decider->bundle->policies].first_rule};
    uint32_t group = is_shadow ? ++decision->shadow_groups : 0;
    uint32_t first = decision->charge_count;
    bool any_applies = false;

    decision->shadow_is_refused = false;
    decide_notes_step(decision, DECIDE_POLICY_MATCHED, policy, NULL, is_shadow);
    for (uint32_t i = 0; i < policy->rule_count; i++, source.rule_index++) {
        source.rule = &policy->rules[i];
        if (collect_rule(decision, &source, is_shadow, group))
            any_applies = true;
    }
    if (!any_applies && policy->fallback) {
        source.rule = policy->fallback;
        decide_notes_step(decision, DECIDE_FALLBACK_USED, policy, policy->fallback, is_shadow);
        collect_rule(decision, &source, is_shadow, group);
    }
    if (decision->shadow_is_refused)
        decision->charge_count = first; /* as in earnest: who is refused is charged to none */
    else if (policy->loop.is_enabled || policy->breaker.is_enabled)
        decide_guards_add(decision, policy, is_shadow, group, largest_cost(decision, first));
}

void decide_rules_collect_all(struct decision *decision, uint32_t matched, bool shadows_all)
{
    const struct decider *decider = decision->decider;

    for (uint32_t i = 0; i < matched; i++) {
        const struct policy *policy = &decider->bundle->policies[decider->matched[i]];

        decide_rules_collect(decision, policy, policy->is_shadow || shadows_all);
    }
}
