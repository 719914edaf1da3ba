/* SPDX-License-Identifier: MPL-2.0
 *
 * What a policy has beside its rules: loop detection and the circuit breaker.
 *
 * Both ask who the request is from. That is the values of all keys of the policy's rules, as far as the request has them; when it has
 * none, its address.
 */
#include "policy/decide_private.h"

#include <string.h>

#define PARAMETERS_MAX 64 /* sorted; a query with more is taken as it stands */
#define EXCUSED_MOST   2  /* retries of an SDK that a loop does not count, in one window */
#define MINUTE_NS      (60 * NANOSECONDS_PER_SECOND)

static const struct prepared_policy *prepared_of(const struct decision *decision, const struct policy *policy)
{
    return &decision->decider->policies[policy - decision->decider->bundle->policies];
}

/* A hash state of POLICY that has absorbed who the request is from. */
static struct siphash hash_identity(struct decision *decision, const struct policy *policy, bool is_shadow)
{
    const struct prepared_policy *prepared = prepared_of(decision, policy);
    struct siphash hash = is_shadow ? prepared->shadow_keys : prepared->enforced_keys;
    bool has_any = false;

    for (uint32_t i = 0; i < prepared->key_count; i++) {
        struct slice value = {NULL, 0};

        if (descriptor_value(&decision->decider->descriptors, prepared->keys[i], &value))
            has_any = true;
        siphash_update_value(&hash, value);
    }
    if (!has_any)
        siphash_update(&hash, &decision->facts->client, sizeof(decision->facts->client));
    return hash;
}

/* ---- loop detection ------------------------------------------------------------------------------------------------- */

static int compare_slices(struct slice a, struct slice b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* Cuts QUERY at its ampersands into PARTS, sorted; 0 when there are too many. */
static size_t sort_query(struct slice query, struct slice parts[PARAMETERS_MAX])
{
    size_t count = 0;

    while (query.size > 0) {
        const char *ampersand = memchr(query.data, '&', query.size);
        struct slice part = {query.data, ampersand ? (size_t)(ampersand - query.data) : query.size};
        size_t i = count;

        if (count == PARAMETERS_MAX)
            return 0;
        for (; i > 0 && compare_slices(parts[i - 1], part) > 0; i--)
            parts[i] = parts[i - 1];
        parts[i] = part;
        count++;
        query.data += part.size + (ampersand ? 1 : 0);
        query.size -= part.size + (ampersand ? 1 : 0);
    }
    return count;
}

static void hash_query(struct slice query, struct siphash *hash)
{
    struct slice parts[PARAMETERS_MAX];
    size_t count = sort_query(query, parts);

    if (count == 0)
        siphash_update_value(hash, query);
    for (size_t i = 0; i < count; i++)
        siphash_update_value(hash, parts[i]);
}

/* The body as a value of 16 bytes, hashed once however many policies ask; an empty value for none. */
static void hash_body(struct decision *decision, struct siphash *hash)
{
    static const uint64_t no_key[2];
    const struct arena *arena = decision->decider->arena;
    struct slice digest = {(const char *)decision->body_digest, sizeof(decision->body_digest)};

    if (decision->facts->body.size == 0) {
        digest.size = 0;
    } else if (!decision->has_body_digest) {
        siphash_of(arena ? arena_hash_key(arena) : no_key, decision->facts->body.data, decision->facts->body.size,
                   decision->body_digest);
        decision->has_body_digest = true;
    }
    siphash_update_value(hash, digest);
}

/* Digits that are not all zero. */
static bool is_above_zero(struct slice text)
{
    bool is_above = false;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        is_above |= text.data[i] != '0';
    }
    return is_above;
}

static bool is_retry_of_sdk(const struct facts *facts)
{
    for (size_t i = 0; i < facts->field_count; i++)
        if (slice_equal_nocase(facts->fields[i].name, SLICE("x-stainless-retry-count")))
            return is_above_zero(facts->fields[i].value);
    return false;
}

static struct charge *add_guard(struct decision *decision, const struct policy *policy, uint32_t group,
                                enum charge_role role, const uint64_t identity[2], const struct cell_limit *limit,
                                int64_t cost)
{
    struct charge_source source = {.policy = policy, .role = role, .window_ns = limit->length_ns};

    return decide_rules_charge(decision, &source, group, identity, limit, cost);
}

/* The so many-th identical request is the loop: one less fits. An SDK's own retry is excused, a few times. */
static void add_loop(struct decision *decision, const struct policy *policy, const struct siphash *identity, uint32_t group)
{
    const struct loop_detection *loop = &policy->loop;
    struct cell_limit limit = {.kind = CELL_COUNT,
                               .capacity = (loop->threshold - 1) * BUNDLE_MILLIONTHS,
                               .length_ns = loop->window_ns};
    struct siphash hash = *identity;
    struct charge *charge;
    uint64_t fingerprint[2];
    uint32_t excuse = 0;

    siphash_update_value(&hash, decision->facts->method);
    siphash_update_value(&hash, decision->facts->path);
    hash_body(decision, &hash);
    hash_query(decision->facts->query, &hash); /* last: it has any number of parts */
    siphash_final(&hash, fingerprint);
    if (is_retry_of_sdk(decision->facts)) {
        struct cell_limit excused = limit;

        excused.capacity = EXCUSED_MOST * BUNDLE_MILLIONTHS;
        charge = add_guard(decision, policy, group, CHARGE_LOOP_RETRY, fingerprint, &excused, BUNDLE_MILLIONTHS);
        charge->never_refuses = true;
        excuse = decision->charge_count;
    }
    charge = add_guard(decision, policy, group, CHARGE_LOOP, fingerprint, &limit, BUNDLE_MILLIONTHS);
    charge->excuse = excuse;
    charge->never_refuses = loop->action != LOOP_REJECT;
}

/* ---- circuit breaker ------------------------------------------------------------------------------------------------ */

struct cell_limit decide_guards_breaker_limit(const struct policy *policy)
{
    return (struct cell_limit){
        .kind = CELL_BREAKER, .capacity = policy->breaker.threshold, .length_ns = policy->breaker.open_ns};
}

void decide_guards_breaker(struct decision *decision, const struct policy *policy, bool is_shadow, struct siphash *hash,
                           struct cell_limit *limit)
{
    const struct prepared_policy *prepared = prepared_of(decision, policy);

    *limit = decide_guards_breaker_limit(policy);
    if (policy->breaker.is_per_identity)
        *hash = hash_identity(decision, policy, is_shadow);
    else
        *hash = is_shadow ? prepared->shadow : prepared->enforced;
}

static void add_breaker(struct decision *decision, const struct policy *policy, const struct siphash *hash, uint32_t group,
                        int64_t spent)
{
    struct cell_limit limit = decide_guards_breaker_limit(policy);
    uint64_t identity[2];

    siphash_final(hash, identity);
    add_guard(decision, policy, group, CHARGE_BREAKER, identity, &limit, spent);
    decision->decider->sources[decision->charge_count - 1].window_ns = MINUTE_NS;
}

void decide_guards_add(struct decision *decision, const struct policy *policy, bool is_shadow, uint32_t group,
                       int64_t spent)
{
    const struct prepared_policy *prepared = prepared_of(decision, policy);
    bool has_breaker = policy->breaker.is_enabled && spent > 0;
    bool asks_who = policy->loop.is_enabled || (has_breaker && policy->breaker.is_per_identity);
    const struct siphash *everybody = is_shadow ? &prepared->shadow : &prepared->enforced;
    struct siphash identity = asks_who ? hash_identity(decision, policy, is_shadow) : *everybody;

    if (policy->loop.is_enabled)
        add_loop(decision, policy, &identity, group);
    if (has_breaker)
        add_breaker(decision, policy, policy->breaker.is_per_identity ? &identity : everybody, group, spent);
}

bool decide_guards_is_open(const struct decider *decider, const struct policy *policy, struct moment now)
{
    struct charge charge = {.limit = decide_guards_breaker_limit(policy)};
    struct admission admission;

    if (!decider->arena || !policy->breaker.is_enabled)
        return false;
    decide_counts_last_opened(decider, policy, charge.key);
    admission_look(decider->arena, &charge, 1, now, &admission);
    return !charge.view.fits && !charge.view.trips;
}
