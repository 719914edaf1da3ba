/* SPDX-License-Identifier: MPL-2.0
 *
 * The pairs take the place of a request's facts; hashes and limits then come from the code that charges requests.
 */
#include "policy/decide_cells.h"

#include "policy/decide_private.h"

struct listing {
    struct decision decision;
    const struct decide_cells_identity *identity;
    decide_cells_observer *observer;
    void *context;
    size_t count;
};

static const struct decide_cells_pair *find_pair(const struct decide_cells_identity *identity, struct slice key)
{
    for (size_t i = 0; i < identity->count; i++)
        if (slice_equal(identity->pairs[i].key, key))
            return &identity->pairs[i];
    return NULL;
}

/* The address is asked for by breakers and loops of requests that have no key, whether or not the bundle names it. */
static bool is_known(const struct bundle *bundle, struct slice key)
{
    for (uint32_t i = 0; i < bundle->descriptor_count; i++)
        if (slice_equal(bundle->descriptors[i].text, key))
            return true;
    return slice_equal(key, SLICE("ip:address"));
}

size_t decide_cells_find_unknown(const struct decider *decider, const struct decide_cells_identity *identity)
{
    size_t i = 0;

    while (i < identity->count && is_known(decider->bundle, identity->pairs[i].key))
        i++;
    return i;
}

static void answer_by_pairs(struct decider *decider, const struct decide_cells_identity *identity, struct facts *facts)
{
    const struct decide_cells_pair *address = find_pair(identity, SLICE("ip:address"));

    if (address)
        address_parse(address->value, &facts->client);
    descriptor_cache_begin(&decider->descriptors, facts, NULL);
    for (uint32_t i = 0; i < decider->bundle->descriptor_count; i++) {
        const struct decide_cells_pair *pair = find_pair(identity, decider->bundle->descriptors[i].text);

        descriptor_cache_set(&decider->descriptors, i, pair ? pair->value : (struct slice){NULL, 0});
    }
}

/* ---- rules ---------------------------------------------------------------------------------------------------------- */

static bool has_key(struct listing *listing, uint32_t descriptor, struct slice *value)
{
    return descriptor_value(&listing->decision.decider->descriptors, descriptor, value);
}

static bool is_contradicted(struct listing *listing, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->condition_count; i++) {
        struct slice value;

        if (has_key(listing, rule->conditions[i].descriptor, &value) &&
            !slice_equal(value, rule->conditions[i].value))
            return true;
    }
    return false;
}

static void tell(struct listing *listing, const struct siphash *hash, enum charge_role role,
                 struct decide_cells_limit *limit)
{
    limit->role = decide_limits_roles[role].name;
    siphash_final_with(hash, (uint8_t)role, limit->key);
    listing->observer(listing->context, limit);
    listing->count++;
}

/* Absorbs who is meant; false when RULE is not about him. Without pairs that is everybody. */
static bool hash_identity(struct listing *listing, const struct policy *policy, const struct rule *rule,
                          struct siphash *hash)
{
    if (listing->identity->count > 0)
        return rule->key_count > 0 && decide_rules_hash(&listing->decision, policy, rule, hash);
    if (rule->key_count == 0)
        return true;
    decide_rules_hash_shared(hash);
    return rule->on_missing == ON_MISSING_SHARE;
}

static void list_rule(struct listing *listing, const struct policy *policy, uint32_t rule_index, const struct rule *rule,
                      bool is_shadow)
{
    struct decider *decider = listing->decision.decider;
    const struct prepared_rule *prepared = &decider->rules[rule_index];
    struct siphash hash = is_shadow ? prepared->shadow : prepared->enforced;

    if (is_contradicted(listing, rule) || !hash_identity(listing, policy, rule, &hash))
        return;
    for (int role = 0; role < CHARGE_ROLES; role++) {
        struct decide_cells_limit limit = {.policy = policy, .rule = rule, .is_shadow = is_shadow};

        if (decide_limits_of(decider, rule_index, rule, (enum charge_role)role, listing->decision.now, &limit.limit,
                             &limit.window_ns))
            tell(listing, &hash, (enum charge_role)role, &limit);
    }
}

/* ---- breakers ------------------------------------------------------------------------------------------------------- */

/* A breaker of identities is about all keys of its policy together, as far as a request has them. */
static bool is_about(struct listing *listing, const struct policy *policy)
{
    const struct decider *decider = listing->decision.decider;
    const struct prepared_policy *prepared = &decider->policies[policy - decider->bundle->policies];
    struct slice value;

    if (!policy->breaker.is_per_identity)
        return listing->identity->count == 0;
    for (uint32_t i = 0; i < prepared->key_count; i++)
        if (has_key(listing, prepared->keys[i], &value))
            return true;
    return listing->decision.facts->client.family != ADDRESS_NONE;
}

static void list_breaker(struct listing *listing, const struct policy *policy, bool is_shadow)
{
    struct decide_cells_limit limit = {.policy = policy,
                                       .is_shadow = is_shadow,
                                       .window_ns = CELL_PER_MINUTE};
    struct siphash hash;

    decide_guards_breaker(&listing->decision, policy, is_shadow, &hash, &limit.limit);
    tell(listing, &hash, CHARGE_BREAKER, &limit);
}

static void list_policy(struct listing *listing, const struct policy *policy, bool is_shadow)
{
    const struct decider *decider = listing->decision.decider;
    uint32_t first = decider->policies[policy - decider->bundle->policies].first_rule;
    struct slice only = listing->identity->rule;

    for (uint32_t i = 0; i < decide_rules_count(policy); i++) {
        const struct rule *rule = decide_rules_at(policy, i);

        if (only.size == 0 || slice_equal(only, rule->name))
            list_rule(listing, policy, first + i, rule, is_shadow);
    }
    if (only.size == 0 && policy->breaker.is_enabled && is_about(listing, policy))
        list_breaker(listing, policy, is_shadow);
}

size_t decide_cells_list(struct decider *decider, const struct decide_cells_identity *identity, struct moment now,
                         decide_cells_observer *observer, void *context)
{
    const struct bundle *bundle = decider->bundle;
    struct facts facts = {.client = {.family = ADDRESS_NONE}};
    struct listing listing = {.decision = {.decider = decider, .facts = &facts, .now = now},
                              .identity = identity,
                              .observer = observer,
                              .context = context};
    bool shadows_all = decide_override_holds(&bundle->global_shadow, now);

    answer_by_pairs(decider, identity, &facts);
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        if (identity->policy.size == 0 || slice_equal(identity->policy, bundle->policies[i].id))
            list_policy(&listing, &bundle->policies[i], bundle->policies[i].is_shadow || shadows_all);
    return listing.count;
}
