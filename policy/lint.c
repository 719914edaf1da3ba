/* SPDX-License-Identifier: MPL-2.0
 *
 * Warnings: a bundle that is valid and yet does not do what its author may think. Looks at policies without errors
 * only, so that the n-th rule of the text is the n-th rule of the policy.
 */
#include "policy/load_private.h"

#include <stdlib.h>

#include "policy/load.h"

#define WEEK_SECONDS INT64_C(604800)

uint32_t lint_member(struct load *load, uint32_t object, const char *key)
{
    for (uint32_t name = json_first(load->json, object); name != JSON_NONE; name = json_next(load->json, name)) {
        struct slice text;

        if (!json_text(load->json, name, load->region, &text))
            load->is_out_of_memory = true;
        else if (slice_equal(text, slice_of(key)))
            return json_value(load->json, name);
    }
    return JSON_NONE;
}

uint32_t lint_member_or_self(struct load *load, uint32_t object, const char *key)
{
    uint32_t value = lint_member(load, object, key);

    return value != JSON_NONE ? value : object;
}

/* ---- rules that no request can reach --------------------------------------------------------------------------- */

static bool path_is_under(struct slice path, struct slice prefix)
{
    if (prefix.size > 0 && prefix.data[prefix.size - 1] == '/')
        return slice_has_prefix(path, prefix);
    return slice_has_prefix(path, prefix) && (path.size == prefix.size || path.data[prefix.size] == '/');
}

static bool selects_path(const struct policy *policy, struct slice path)
{
    if (policy->path_is_exact && slice_equal(path, policy->path))
        return true;
    if (!policy->path_is_exact)
        return path_is_under(path, policy->path);
    return policy->also_prefix.size > 0 && path_is_under(path, policy->also_prefix);
}

static bool selects_method(const struct policy *policy, struct slice method)
{
    uint32_t index = bundle_method_index(method);

    if (policy->method_bits == 0 && policy->other_method_count == 0)
        return true;
    if (index != BUNDLE_NO_INDEX)
        return (policy->method_bits >> index & 1) != 0;
    for (uint32_t i = 0; i < policy->other_method_count; i++)
        if (slice_equal(policy->other_methods[i], method))
            return true;
    return false;
}

static bool selects_host(const struct policy *policy, struct slice host)
{
    for (uint32_t i = 0; i < policy->host_count; i++)
        if (slice_equal(policy->hosts[i], host))
            return true;
    return policy->host_count == 0;
}

static bool selector_allows(const struct load *load, const struct policy *policy,
                            const struct match_condition *condition)
{
    switch (load->bundle->descriptors[condition->descriptor].source) {
    case DESCRIPTOR_PATH:
        return selects_path(policy, condition->value);
    case DESCRIPTOR_METHOD:
        return selects_method(policy, condition->value);
    case DESCRIPTOR_HOST:
        return selects_host(policy, condition->value);
    default:
        return true;
    }
}

static bool contradicts_earlier(const struct rule *rule, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (rule->conditions[i].descriptor == rule->conditions[at].descriptor &&
            !slice_equal(rule->conditions[i].value, rule->conditions[at].value))
            return true;
    return false;
}

static int compare_switches(const void *left, const void *right)
{
    const struct kill_switch *a = left, *b = right;

    if (a->descriptor != b->descriptor)
        return a->descriptor < b->descriptor ? -1 : 1;
    if (a->value.size != b->value.size)
        return a->value.size < b->value.size ? -1 : 1;
    return a->value.size > 0 ? memcmp(a->value.data, b->value.data, a->value.size) : 0;
}

/* The kill switches that hold for ever and on every route, sorted for bsearch. */
struct blocked {
    struct kill_switch *items;
    size_t count;
};

static void lint_match(struct load *load, uint32_t token, const struct policy *policy, const struct rule *rule,
                       const struct blocked *blocked)
{
    uint32_t match = lint_member(load, token, "match"), i = 0;
    uint32_t name = match != JSON_NONE ? json_first(load->json, match) : JSON_NONE;

    for (; name != JSON_NONE; name = json_next(load->json, name), i++) {
        const struct match_condition *condition = &rule->conditions[i];
        struct kill_switch wanted = {.descriptor = condition->descriptor, .value = condition->value};

        if (contradicts_earlier(rule, i))
            load_warn(load, name, "unreachable_rule",
                      "no request can meet this and the condition on the same key before it");
        else if (!selector_allows(load, policy, condition))
            load_warn(load, name, "unreachable_rule", "no request that the selector lets in can meet this condition");
        else if (blocked->count > 0 &&
                 bsearch(&wanted, blocked->items, blocked->count, sizeof(wanted), compare_switches))
            load_warn(load, name, "unreachable_rule", "a kill switch refuses every request that meets this condition");
    }
}

/* ---- policies -------------------------------------------------------------------------------------------------- */

void lint_proxy_only(struct load *load, uint32_t object, const char *key)
{
    uint32_t token = object != JSON_NONE ? lint_member(load, object, key) : JSON_NONE;

    if (token != JSON_NONE && !slice_equal(json_raw(load->json, token), SLICE("false")))
        load_warn(load, token, LOAD_PROXY_ONLY,
                  "\"%s\" does nothing where a gateway asks for decisions: only mode = reverse_proxy sees what passes", key);
}

/* A server answers HEAD as it answers GET, and does the same work. */
static void lint_methods(struct load *load, uint32_t spec, const struct policy *policy)
{
    uint32_t selector = lint_member(load, spec, "selector");
    uint32_t methods = selector != JSON_NONE ? lint_member(load, selector, "methods") : JSON_NONE;

    if (methods != JSON_NONE && selects_method(policy, SLICE("GET")) && !selects_method(policy, SLICE("HEAD")))
        load_warn(load, methods, "head_left_out",
                  "a request with HEAD, which is served like one with GET, is not limited by this policy; add \"HEAD\"");
}

/* Which requests a rule without conditions applies to: "" to all, NULL to those that do not lack its keys. */
static const char *find_reach(const struct load *load, const struct rule *rule)
{
    const char *reach = "";

    if (rule->condition_count > 0)
        return NULL;
    for (uint32_t i = 0; i < rule->key_count && rule->on_missing == ON_MISSING_SKIP; i++)
        switch (load->bundle->descriptors[rule->keys[i]].source) {
        case DESCRIPTOR_PATH:
        case DESCRIPTOR_METHOD:
        case DESCRIPTOR_UA_BOT:
            break;
        case DESCRIPTOR_IP_ADDRESS:
        case DESCRIPTOR_IP_PREFIX:
        case DESCRIPTOR_IP_TOR:
            reach = " of a client whose address is known";
            break;
        default:
            return NULL;
        }
    return reach;
}

static void lint_policy(struct load *load, uint32_t spec, const struct policy *policy, const struct blocked *blocked)
{
    uint32_t list = lint_member_or_self(load, spec, "rules"), fallback = lint_member(load, spec, "fallback_limit"), i = 0;
    const char *reach = NULL;

    lint_methods(load, spec, policy);
    lint_formats_check(load, spec, policy);
    lint_proxy_only(load, spec, "provider_rate_headers");
    for (uint32_t token = json_first(load->json, list); token != JSON_NONE; token = json_next(load->json, token), i++) {
        lint_keys_check(load, token, policy, &policy->rules[i]);
        lint_costs_check(load, token, &policy->rules[i]);
        lint_match(load, token, policy, &policy->rules[i], blocked);
        if (!reach)
            reach = find_reach(load, &policy->rules[i]);
    }
    if (fallback != JSON_NONE && policy->fallback) {
        lint_keys_check(load, fallback, policy, policy->fallback);
        lint_costs_check(load, fallback, policy->fallback);
        if (reach)
            load_warn(load, fallback, "unreachable_rule",
                      "the fallback never holds, for a rule without \"match\" applies to every request%s", reach);
    }
    if (policy->rule_count == 0 && !policy->fallback)
        load_warn(load, list, "no_rules", "this policy has no rule and no \"fallback_limit\", so it limits nothing");
}

static bool gather_blocked(struct load *load, struct blocked *blocked)
{
    const struct bundle *bundle = load->bundle;

    blocked->items = calloc((size_t)bundle->kill_switch_count + 1, sizeof(*blocked->items));
    if (!blocked->items)
        return false;
    for (uint32_t i = 0; i < bundle->kill_switch_count; i++)
        if (bundle->kill_switches[i].expires_at == BUNDLE_NEVER && bundle->kill_switches[i].route.size == 0)
            blocked->items[blocked->count++] = bundle->kill_switches[i];
    qsort(blocked->items, blocked->count, sizeof(*blocked->items), compare_switches);
    return true;
}

static void lint_policies(struct load *load)
{
    struct blocked blocked = {NULL, 0};

    if (!gather_blocked(load, &blocked)) {
        load->is_out_of_memory = true;
        return;
    }
    for (uint32_t i = 0; i < load->bundle->policy_count; i++)
        lint_policy(load, lint_member(load, load->policy_tokens[i], "spec"), &load->bundle->policies[i], &blocked);
    free(blocked.items);
}

/* ---- the rest of the bundle ------------------------------------------------------------------------------------ */

void lint_expiry(struct load *load, uint32_t object, int64_t expires_at, const char *what)
{
    uint32_t token = lint_member(load, object, "expires_at");

    if (token == JSON_NONE || expires_at == BUNDLE_NEVER)
        return;
    if (expires_at <= load->now)
        load_warn(load, token, "expired", "this %s has ended and does nothing any more; remove it", what);
    else if (expires_at - load->now <= WEEK_SECONDS)
        load_warn(load, token, "expires_soon", "this %s ends within a week", what);
}

static void lint_override(struct load *load, const char *key, const struct override *override, const char *effect)
{
    uint32_t token = lint_member(load, JSON_ROOT, key);

    if (token == JSON_NONE || !override->is_enabled)
        return;
    load_warn(load, token, "override_active", "\"%s\" is enabled: %s", key, effect);
    lint_expiry(load, token, override->expires_at, "override");
}

static void lint_emptiness(struct load *load)
{
    const struct bundle *bundle = load->bundle;
    uint32_t list = lint_member(load, JSON_ROOT, "policies");

    if (list != JSON_NONE && bundle->policy_count == 0 && !bundle->rejects_unmatched)
        load_warn(load, list, "no_policies", "there is no policy, so nothing is limited%s",
                  bundle->kill_switch_count > 0 ? "; only kill switches refuse requests" : "");
}

static bool is_by_usage(const struct rule *rule)
{
    return rule->algorithm == ALGORITHM_COST_BASED && rule->config.cost_budget.cost.source == COST_SOURCE_USAGE;
}

static bool uses_prices(const struct policy *policy)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        if (is_by_usage(&policy->rules[i]))
            return true;
    return policy->fallback && is_by_usage(policy->fallback);
}

static void lint_prices(struct load *load)
{
    uint32_t table = lint_member(load, JSON_ROOT, "price_table");

    if (table == JSON_NONE || load->bundle->prices.count == 0)
        return;
    for (uint32_t i = 0; i < load->bundle->policy_count; i++)
        if (uses_prices(&load->bundle->policies[i]))
            return;
    load_warn(load, table, "unused_field",
              "no limit counts what requests cost, so \"price_table\" has no effect; a budget does with \"cost_based\" "
              "and \"cost_key\": \"usage\"");
}

void lint_bundle(struct load *load)
{
    lint_expiry(load, JSON_ROOT, load->bundle->expires_at, "bundle");
    lint_override(load, "global_shadow", &load->bundle->global_shadow, "no policy refuses anything until it ends");
    lint_override(load, "kill_switch_override", &load->bundle->kill_switch_override,
                  "no kill switch refuses anything until it ends");
    lint_switches_check(load);
    lint_emptiness(load);
    lint_prices(load);
    if (load->jwt_token != JSON_NONE)
        load_warn(
            load, load->jwt_token, LOAD_UNVERIFIED_JWT,
            "without the setting jwt_keys_file, claims are read and their signature is not verified: anybody can write a "
            "token with any claim, so set it, or use jwt: keys only behind a gateway that verifies tokens");
    lint_policies(load);
}
