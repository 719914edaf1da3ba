/* SPDX-License-Identifier: MPL-2.0
 *
 * The pairs take the place of a request's facts; hashes and limits then come from the code that charges requests.
 */
#include "policy/decide_cells.h"

#include <string.h>

#include "policy/decide_private.h"

#define HASH_SIZE (DECIDE_REDACT_SIZE - 3) /* "#" and 16 digits */
#define TOLD_MOST 256                           /* cells that one listing by hashes tells at most */

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
    uint64_t identity[2];

    limit->role = decide_limits_roles[role].name;
    siphash_final(hash, identity);
    decide_rules_key(identity, role, limit->key);
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

/* ---- cells that an event names ---------------------------------------------------------------------------------------- */

bool decide_cells_is_hash(struct slice value)
{
    if (value.size != HASH_SIZE || value.data[0] != '#')
        return false;
    for (size_t i = 1; i < value.size; i++)
        if (!memchr("0123456789abcdef", value.data[i], 16))
            return false;
    return true;
}

static const struct policy *find_policy(const struct bundle *bundle, struct slice id)
{
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        if (slice_equal(bundle->policies[i].id, id))
            return &bundle->policies[i];
    return NULL;
}

/* Index of the rule in POLICY, or how many there are. */
static uint32_t find_rule(const struct policy *policy, struct slice name)
{
    uint32_t index = 0;

    while (index < decide_rules_count(policy) && !slice_equal(decide_rules_at(policy, index)->name, name))
        index++;
    return index;
}

/* The limit of ROLE that POLICY has in its rule RULE or, without one, its breaker. false: the bundle has none such any more. */
static bool limit_of(struct decider *decider, const struct policy *policy, struct slice rule, enum charge_role role,
                     struct moment now, struct decide_cells_limit *limit)
{
    uint32_t index = find_rule(policy, rule);

    *limit = (struct decide_cells_limit){
        .policy = policy, .role = decide_limits_roles[role].name, .is_shadow = policy->is_shadow};
    if (rule.size == 0 && role == CHARGE_BREAKER) {
        limit->limit = decide_guards_breaker_limit(policy);
        limit->window_ns = CELL_PER_MINUTE;
        return policy->breaker.is_enabled;
    }
    if (index == decide_rules_count(policy))
        return false;
    limit->rule = decide_rules_at(policy, index);
    return decide_limits_of(decider, decider->policies[policy - decider->bundle->policies].first_rule + index,
                            limit->rule, role, now, &limit->limit, &limit->window_ns);
}

size_t decide_cells_of_event(struct decider *decider, const struct event *event, struct moment now,
                             decide_cells_observer *observer, void *context)
{
    const struct policy *policy = find_policy(decider->bundle, event_get(event, EVENT_TEXT_POLICY));
    struct slice rule = event_get(event, EVENT_TEXT_RULE);
    struct decide_cells_limit limit;
    const uint64_t *key;
    size_t count = 0;
    int role = -1;

    while (policy && (key = event_next_cell(event, &role)) != NULL) {
        if (!limit_of(decider, policy, rule, (enum charge_role)role, now, &limit))
            continue;
        limit.key[0] = key[0];
        limit.key[1] = key[1];
        observer(context, &limit);
        count++;
    }
    return count;
}

/* ---- identities that are told by hashes ------------------------------------------------------------------------------- */

struct hashed_listing {
    decide_cells_observer *observer;
    void *context;
    uint64_t told[TOLD_MOST][2];
    size_t count;
};

static void tell_once(void *context, const struct decide_cells_limit *limit)
{
    struct hashed_listing *listing = context;

    for (size_t i = 0; i < listing->count; i++)
        if (memcmp(listing->told[i], limit->key, sizeof(limit->key)) == 0)
            return;
    if (listing->count == TOLD_MOST)
        return;
    memcpy(listing->told[listing->count++], limit->key, sizeof(limit->key));
    listing->observer(listing->context, limit);
}

static bool has_hash(const struct decide_cells_identity *identity)
{
    for (size_t i = 0; i < identity->count; i++)
        if (decide_cells_is_hash(identity->pairs[i].value))
            return true;
    return false;
}

/* Whether all keys of the event's rule, and one at least, have the values of IDENTITY. */
static bool is_named(const struct event *event, const struct decide_cells_identity *identity)
{
    struct slice name, value;
    size_t at = 0;

    while (at < event->rule_keys && event_next_key(event, &at, &name, &value)) {
        const struct decide_cells_pair *pair = find_pair(identity, name);

        if (!pair || !slice_equal(pair->value, value))
            return false;
    }
    return at > 0;
}

static bool is_asked_for(struct slice wanted, struct slice name)
{
    return wanted.size == 0 || slice_equal(wanted, name);
}

static size_t list_hashed(struct decider *decider, const struct decide_cells_identity *identity, struct moment now,
                          decide_cells_observer *observer, void *context)
{
    struct hashed_listing listing = {.observer = observer, .context = context};
    uint64_t end = events_count(decider->arena);
    struct events_reader reader;
    struct event event;

    events_begin_oldest(&reader, decider->arena);
    while (events_read_kept(&reader, end, &event))
        if (is_asked_for(identity->policy, event_get(&event, EVENT_TEXT_POLICY)) &&
            is_asked_for(identity->rule, event_get(&event, EVENT_TEXT_RULE)) && is_named(&event, identity))
            decide_cells_of_event(decider, &event, now, tell_once, &listing);
    return listing.count;
}

/* ---- both ------------------------------------------------------------------------------------------------------------ */

size_t decide_cells_list(struct decider *decider, const struct decide_cells_identity *identity, struct moment now,
                         decide_cells_observer *observer, void *context)
{
    const struct bundle *bundle = decider->bundle;
    struct facts facts = {.client = {.family = ADDRESS_NONE}};
    struct listing listing = {.decision = {.decider = decider, .facts = &facts, .now = now},
                              .identity = identity,
                              .observer = observer,
                              .context = context};
    bool shadows_all = bundle_override_holds(&bundle->global_shadow, now.wall_ns / NANOSECONDS_PER_SECOND);

    if (decider->arena && has_hash(identity))
        return list_hashed(decider, identity, now, observer, context);
    answer_by_pairs(decider, identity, &facts);
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        if (identity->policy.size == 0 || slice_equal(identity->policy, bundle->policies[i].id))
            list_policy(&listing, &bundle->policies[i], bundle->policies[i].is_shadow || shadows_all);
    return listing.count;
}
