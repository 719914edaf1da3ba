/* SPDX-License-Identifier: MPL-2.0
 *
 * Warnings about kill switches: those that have ended, and those whose key no rule has.
 */
#include "policy/load_private.h"

#include <stdlib.h>

#include "shm/near.h"

/* A bundle of others may have many thousands of names: so many are looked at for the nearest one, so many times. */
#define MAX_NEAR_NAMES    256
#define MAX_NEAR_SEARCHES 16

static void mark_cost(const struct cost *cost, bool *is_used)
{
    if (cost->source == COST_SOURCE_HEADER || cost->source == COST_SOURCE_QUERY)
        is_used[cost->descriptor] = true;
}

static void mark_rule(const struct rule *rule, bool *is_used)
{
    for (uint32_t i = 0; i < rule->key_count; i++)
        is_used[rule->keys[i]] = true;
    for (uint32_t i = 0; i < rule->condition_count; i++)
        is_used[rule->conditions[i].descriptor] = true;
    if (rule->algorithm == ALGORITHM_TOKEN_BUCKET)
        mark_cost(&rule->config.token_bucket.cost, is_used);
    else if (rule->algorithm == ALGORITHM_COST_BASED)
        mark_cost(&rule->config.cost_budget.cost, is_used);
}

static void mark_policy(const struct policy *policy, bool *is_used)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        mark_rule(&policy->rules[i], is_used);
    if (policy->fallback)
        mark_rule(policy->fallback, is_used);
}

static struct slice nearest_name(const struct bundle *bundle, const bool *is_used, struct slice text)
{
    struct near near;

    near_init(&near, text);
    for (uint32_t i = 0, looked = 0; i < bundle->descriptor_count && looked < MAX_NEAR_NAMES; i++)
        if (is_used[i] && bundle->descriptors[i].name.size > 0) {
            near_offer(&near, bundle->descriptors[i].text);
            looked++;
        }
    return near.best;
}

static bool names_anything(const struct bundle *bundle, const bool *is_used)
{
    for (uint32_t i = 0; i < bundle->descriptor_count; i++)
        if (is_used[i] && bundle->descriptors[i].name.size > 0)
            return true;
    return false;
}

/* A name that no rule has may be misspelt, and the kill switch then refuses nobody. Where rules have no names at all, there is
 * nothing to compare it with, and limits by address beside a kill switch by key are usual. */
static void check_keys(struct load *load, uint32_t list, bool *is_used)
{
    const struct bundle *bundle = load->bundle;
    uint32_t i = 0, searches = 0;

    for (uint32_t token = json_first(load->json, list); token != JSON_NONE; token = json_next(load->json, token), i++) {
        uint32_t index = bundle->kill_switches[i].descriptor;
        const struct descriptor *key = &bundle->descriptors[index];
        struct slice nearest = {NULL, 0};

        if (key->name.size == 0 || is_used[index])
            continue;
        if (searches++ < MAX_NEAR_SEARCHES)
            nearest = nearest_name(bundle, is_used, key->text);
        if (nearest.size > 0)
            load_warn(load, lint_member(load, token, "scope_key"), "unknown_name",
                      "no rule of this bundle has the key \"%.*s\"; did you mean \"%.*s\"?", SHOWN(key->text), SHOWN(nearest));
        else
            load_warn(load, lint_member(load, token, "scope_key"), "unknown_name",
                      "no rule of this bundle has the key \"%.*s\": look whether its name is right", SHOWN(key->text));
    }
}

static void check_names(struct load *load, uint32_t list)
{
    const struct bundle *bundle = load->bundle;
    bool *is_used;

    if (bundle->policy_count == 0 || bundle->kill_switch_count == 0)
        return;
    is_used = calloc(bundle->descriptor_count, sizeof(*is_used));
    if (!is_used) {
        load->is_out_of_memory = true;
        return;
    }
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        mark_policy(&bundle->policies[i], is_used);
    if (names_anything(bundle, is_used))
        check_keys(load, list, is_used);
    free(is_used);
}

void lint_switches_check(struct load *load)
{
    uint32_t list = lint_member(load, JSON_ROOT, "kill_switches"), i = 0;

    if (list == JSON_NONE)
        return;
    for (uint32_t token = json_first(load->json, list); token != JSON_NONE; token = json_next(load->json, token))
        lint_expiry(load, token, load->bundle->kill_switches[i++].expires_at, "kill switch");
    check_names(load, list);
}
