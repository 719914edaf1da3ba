/* SPDX-License-Identifier: MPL-2.0
 *
 * Warnings about the keys of a rule: who can get out of it, and who gets more budgets than one.
 */
#include "policy/load_private.h"

static bool is_client_chosen(enum descriptor_source source)
{
    return source == DESCRIPTOR_HEADER || source == DESCRIPTOR_QUERY || source == DESCRIPTOR_JWT;
}

/* Its `match` lets a rule see one value of the key only. */
static bool fixes_key(const struct rule *rule, uint32_t descriptor)
{
    for (uint32_t i = 0; i < rule->condition_count; i++)
        if (rule->conditions[i].descriptor == descriptor)
            return true;
    return false;
}

static bool has_key(const struct rule *rule, uint32_t descriptor)
{
    for (uint32_t i = 0; i < rule->key_count; i++)
        if (rule->keys[i] == descriptor)
            return true;
    return false;
}

/* OTHER asks of a request no more than RULE does: where RULE would apply, it does. */
static bool applies_wherever(const struct rule *other, const struct rule *rule)
{
    for (uint32_t i = 0; i < other->condition_count; i++) {
        const struct match_condition *condition = &other->conditions[i];
        uint32_t j = 0;

        while (j < rule->condition_count && (rule->conditions[j].descriptor != condition->descriptor ||
                                             !slice_equal(rule->conditions[j].value, condition->value)))
            j++;
        if (j == rule->condition_count)
            return false;
    }
    return true;
}

/* A request without the key meets another rule of the policy, which refuses it. */
static bool is_demanded_beside(const struct policy *policy, const struct rule *rule, uint32_t descriptor)
{
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        const struct rule *other = &policy->rules[i];

        if (other->on_missing == ON_MISSING_REJECT && has_key(other, descriptor) && applies_wherever(other, rule))
            return true;
    }
    return false;
}

/* How a client, whoever he is, gets out of a rule. */
enum way_out { WAY_OUT_NONE, WAY_OUT_CLAIM /* leaves a claim out */, WAY_OUT_CHOICE /* leaves a key out, or changes it */ };

/* That claims which nobody verifies can be chosen is warned of once for the whole bundle, so claims count as left out
 * only, which no setting refuses: jwt_on_invalid is about tokens that do not verify. */
static enum way_out find_way_out(const struct load *load, const struct policy *policy, const struct rule *rule)
{
    bool has_plain = false, has_gap = false;

    if (rule->on_missing != ON_MISSING_SKIP || policy->fallback)
        return WAY_OUT_NONE;
    for (uint32_t i = 0; i < rule->key_count; i++) {
        enum descriptor_source source = load->bundle->descriptors[rule->keys[i]].source;

        if (fixes_key(rule, rule->keys[i]))
            continue;
        if (!is_client_chosen(source))
            return WAY_OUT_NONE;
        has_plain |= source != DESCRIPTOR_JWT;
        has_gap |= !is_demanded_beside(policy, rule, rule->keys[i]);
    }
    if (!has_gap)
        return WAY_OUT_NONE;
    return has_plain ? WAY_OUT_CHOICE : WAY_OUT_CLAIM;
}

void lint_keys_check(struct load *load, uint32_t token, const struct policy *policy, const struct rule *rule)
{
    uint32_t keys = lint_member_or_self(load, token, "limit_keys"), i = 0;
    enum way_out way_out = find_way_out(load, policy, rule);

    for (uint32_t key = json_first(load->json, keys); key != JSON_NONE; key = json_next(load->json, key))
        if (load->bundle->descriptors[rule->keys[i++]].source == DESCRIPTOR_IP_ADDRESS)
            load_warn(load, key, "ipv6_blind",
                      "one IPv6 client has 2^64 addresses and with them as many budgets; use \"ip:prefix\" for one "
                      "budget per /64");
    if (way_out == WAY_OUT_CLAIM)
        load_warn(load, keys, "optional_claim",
                  "a client that sends no token, an API key in its place, or a token without this claim is not limited, "
                  "whatever jwt_on_invalid says; set \"on_missing\", or add a \"fallback_limit\"");
    else if (way_out == WAY_OUT_CHOICE)
        load_warn(load, keys, "client_chosen_key",
                  "a client that leaves this key out is not limited, and one that changes it gets a new budget; "
                  "set \"on_missing\", add a key such as ip:prefix, or add a \"fallback_limit\"");
}
