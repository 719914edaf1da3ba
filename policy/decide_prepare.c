/* SPDX-License-Identifier: MPL-2.0
 *
 * What a decider works out once, so that a request only adds its own: hash states, keys of each policy, marks of rules;
 * and the room for one decision, which is as large as the bundle can ask for.
 */
#include "policy/decide_private.h"

#include <stdlib.h>
#include <string.h>

#define CHARGES_PER_RULE   2 /* a token budget has a minute and a day */
#define CHARGES_PER_POLICY 3 /* loop, its excuse, breaker */

/* The most charges one request can have. */
static size_t most_charges(const struct bundle *bundle)
{
    return (size_t)bundle->rule_count * CHARGES_PER_RULE + (size_t)bundle->policy_count * CHARGES_PER_POLICY + 1;
}

/* Counters of a shadow policy are never those of an enforced one. */
static void prepare_states(struct siphash *enforced, struct siphash *shadow, struct slice identity, const uint64_t key[2])
{
    siphash_init(enforced, key);
    siphash_update_value(enforced, identity);
    *shadow = *enforced;
    siphash_update_value(enforced, SLICE("enforce"));
    siphash_update_value(shadow, SLICE("shadow"));
}

static void prepare_rule(struct prepared_rule *prepared, const struct rule *rule, const uint64_t key[2])
{
    uint64_t mark[2];

    prepare_states(&prepared->enforced, &prepared->shadow, rule->identity, key);
    siphash_final(&prepared->enforced, mark);
    prepared->mark = mark[0];
    prepared->is_settled = rule->algorithm == ALGORITHM_CONCURRENCY || bundle_counts_usage(rule);
}

static void add_keys(struct prepared_policy *prepared, uint32_t *keys, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->key_count; i++) {
        uint32_t j = 0;

        while (j < prepared->key_count && keys[j] != rule->keys[i])
            j++;
        if (j == prepared->key_count)
            keys[prepared->key_count++] = rule->keys[i];
    }
}

/* The names go in once: after a reload the policy may ask for other keys, and their values are other identities. */
static void prepare_names(struct prepared_policy *prepared, const struct bundle *bundle)
{
    prepared->enforced_keys = prepared->enforced;
    prepared->shadow_keys = prepared->shadow;
    for (uint32_t i = 0; i < prepared->key_count; i++) {
        siphash_update_value(&prepared->enforced_keys, bundle->descriptors[prepared->keys[i]].text);
        siphash_update_value(&prepared->shadow_keys, bundle->descriptors[prepared->keys[i]].text);
    }
}

static size_t count_keys(const struct bundle *bundle)
{
    size_t count = 1;

    for (uint32_t i = 0; i < bundle->policy_count; i++)
        for (uint32_t j = 0; j < decide_rules_count(&bundle->policies[i]); j++)
            count += decide_rules_at(&bundle->policies[i], j)->key_count;
    return count;
}

static int compare_marks(const void *left, const void *right, void *context)
{
    const struct prepared_rule *rules = context;
    uint64_t a = rules[*(const uint32_t *)left].mark, b = rules[*(const uint32_t *)right].mark;

    return (a > b) - (a < b);
}

static bool allocate(struct decider *decider)
{
    const struct bundle *bundle = decider->bundle;
    size_t rules = bundle->rule_count + 1, policies = bundle->policy_count + 1, most = most_charges(bundle);

    decider->rules = calloc(rules, sizeof(*decider->rules));
    decider->policies = calloc(policies, sizeof(*decider->policies));
    decider->policy_keys = calloc(count_keys(bundle), sizeof(*decider->policy_keys));
    decider->by_mark = calloc(rules, sizeof(*decider->by_mark));
    decider->matched = calloc(policies, sizeof(*decider->matched));
    decider->charges = calloc(most, sizeof(*decider->charges));
    decider->sources = calloc(most, sizeof(*decider->sources));
    decider->order = calloc(most, sizeof(*decider->order));
    return decider->rules && decider->policies && decider->policy_keys && decider->by_mark && decider->matched &&
           decider->charges && decider->sources && decider->order;
}

bool decide_prepare(struct decider *decider)
{
    static const uint64_t no_key[2];
    const uint64_t *key = decider->arena ? arena_hash_key(decider->arena) : no_key;
    const struct bundle *bundle = decider->bundle;
    uint32_t *keys, next = 0;

    if (!allocate(decider))
        return false;
    keys = decider->policy_keys;
    reservation_key(key, decider->reservation_key);
    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        const struct policy *policy = &bundle->policies[i];
        struct prepared_policy *prepared = &decider->policies[i];

        prepare_states(&prepared->enforced, &prepared->shadow, policy->id, key);
        prepared->first_rule = next;
        prepared->uses_body = policy->loop.is_enabled;
        prepared->keys = keys;
        for (uint32_t j = 0; j < decide_rules_count(policy); j++) {
            if (next == bundle->rule_count)
                return false;
            add_keys(prepared, keys, decide_rules_at(policy, j));
            prepared->uses_body |= bundle_counts_usage(decide_rules_at(policy, j));
            decider->by_mark[next] = next;
            prepare_rule(&decider->rules[next++], decide_rules_at(policy, j), key);
        }
        prepare_names(prepared, bundle);
        keys += prepared->key_count;
    }
    qsort_r(decider->by_mark, next, sizeof(*decider->by_mark), compare_marks, decider->rules);
    return true;
}

void decide_prepare_fini(struct decider *decider)
{
    free(decider->rules);
    free(decider->policies);
    free(decider->policy_keys);
    free(decider->by_mark);
    free(decider->matched);
    free(decider->charges);
    free(decider->sources);
    free(decider->order);
}
