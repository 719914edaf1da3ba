/* SPDX-License-Identifier: MPL-2.0
 *
 * From the rules of a matching policy to charges: conditions, keys, identity, cost.
 */
#include "policy/decide_private.h"

#include "policy/decimal.h"

uint32_t decide_rules_count(const struct policy *policy)
{
    return policy->rule_count + (policy->fallback ? 1 : 0);
}

const struct rule *decide_rules_at(const struct policy *policy, uint32_t index)
{
    return index < policy->rule_count ? &policy->rules[index] : policy->fallback;
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

/* Hashes the values of the rule's keys behind its identity. false when a key is missing; every missing one is counted.
 */
static bool hash_keys(struct decision *decision, const struct policy *policy, const struct rule *rule,
                      struct siphash *hash)
{
    bool is_complete = true;

    for (uint32_t i = 0; i < rule->key_count; i++) {
        struct slice value = {NULL, 0};
        bool is_found = descriptor_value(&decision->decider->descriptors, rule->keys[i], &value);

        decide_notes_key(decision, is_found ? DECIDE_KEY_FOUND : DECIDE_KEY_MISSING, policy, rule, rule->keys[i], value);
        if (!is_found) {
            decide_counts_missing(decision, rule->keys[i]);
            is_complete = false;
        }
        siphash_update_value(hash, value);
    }
    return is_complete;
}

/* What this request costs: a header's or parameter's exact decimal number, or what the bundle says. */
static int64_t cost_of(struct decision *decision, const struct token_bucket *bucket)
{
    struct slice text;
    int64_t cost;

    if (bucket->cost_source == COST_SOURCE_FIXED)
        return bucket->fixed_cost;
    if (!descriptor_value(&decision->decider->descriptors, bucket->cost_descriptor, &text))
        return bucket->default_cost;
    if (decimal_parse(text, &cost) == DECIMAL_OK && cost > 0)
        return cost;
    decide_counts_one(decision, COUNTER_cost_invalid);
    return bucket->default_cost;
}

static void add_charge(struct decision *decision, const struct charge_source *source, uint32_t group,
                       const struct siphash *hash)
{
    struct decider *decider = decision->decider;
    struct charge *charge = &decider->charges[decision->charge_count];
    const struct token_bucket *bucket = &source->rule->config.token_bucket;

    siphash_final(hash, charge->key);
    charge->limit = (struct cell_limit){.kind = CELL_BUCKET, .capacity = bucket->burst, .rate = bucket->rate};
    charge->cost = cost_of(decision, bucket);
    charge->group = group;
    charge->admits_when_full = source->rule->admits_when_full;
    decider->sources[decision->charge_count++] = *source;
}

static void refuse(struct decision *decision, const struct charge_source *source, bool is_shadow)
{
    if (is_shadow) {
        decide_counts_would_reject(decision, source);
    } else if (!decision->is_refused) {
        decision->is_refused = true;
        decision->refused_by = *source;
    }
}

/* Turns one rule into a charge. false when it does not apply to this request. */
static bool collect_rule(struct decision *decision, const struct charge_source *source, bool is_shadow, uint32_t group)
{
    const struct prepared_rule *prepared = &decision->decider->rules[source->rule_index];
    struct siphash hash = is_shadow ? prepared->shadow : prepared->enforced;

    if (!conditions_hold(decision, source->policy, source->rule))
        return false;
    if (!hash_keys(decision, source->policy, source->rule, &hash)) {
        switch (source->rule->on_missing) {
        case ON_MISSING_SKIP:
            decide_notes_step(decision, DECIDE_RULE_SKIPPED, source->policy, source->rule, is_shadow);
            return false;
        case ON_MISSING_REJECT:
            refuse(decision, source, is_shadow);
            return true;
        case ON_MISSING_SHARE:
            decide_notes_step(decision, DECIDE_RULE_SHARED, source->policy, source->rule, is_shadow);
            hash = is_shadow ? prepared->shadow : prepared->enforced;
            siphash_update(&hash, "shared", sizeof("shared"));
            break;
        }
    }
    add_charge(decision, source, group, &hash);
    return true;
}

void decide_rules_collect(struct decision *decision, const struct policy *policy, bool is_shadow)
{
    struct decider *decider = decision->decider;
    struct charge_source source = {.policy = policy,
                                   .rule_index = decider->first_rule[policy - decider->bundle->policies]};
    uint32_t group = is_shadow ? ++decision->shadow_groups : 0;
    bool any_applies = false;

    decide_notes_step(decision, DECIDE_POLICY_MATCHED, policy, NULL, is_shadow);
    for (uint32_t i = 0; i < policy->rule_count; i++, source.rule_index++) {
        source.rule = &policy->rules[i];
        if (collect_rule(decision, &source, is_shadow, group))
            any_applies = true;
    }
    if (any_applies || !policy->fallback)
        return;
    source.rule = policy->fallback;
    decide_notes_step(decision, DECIDE_FALLBACK_USED, policy, policy->fallback, is_shadow);
    collect_rule(decision, &source, is_shadow, group);
}
