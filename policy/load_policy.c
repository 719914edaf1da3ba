/* SPDX-License-Identifier: MPL-2.0
 *
 * A policy: id, selector, rules, fallback, and the features beside them.
 */
#include "policy/load_private.h"
#include "shm/moment.h"

static void read_loop(struct load *load, const struct load_value *value, struct loop_detection *loop)
{
    struct load_record record;

    if (!value->is_valid || !load_object_read(load, OBJECT_loop_detection, value->token, &record))
        return;
    loop->is_enabled = load_object_get(&record, FIELD_loop_detection_enabled)->number == 1;
    loop->window_ns = load_object_get(&record, FIELD_loop_detection_window_seconds)->number * NANOSECONDS_PER_SECOND;
    loop->threshold = load_object_get(&record, FIELD_loop_detection_threshold_identical_requests)->number;
    loop->action = (enum loop_action)load_object_get(&record, FIELD_loop_detection_action)->number;
    load->bundle->uses_body = load->bundle->uses_body || loop->is_enabled;
}

static void read_breaker(struct load *load, const struct load_value *value, struct circuit_breaker *breaker)
{
    struct load_record record;

    if (!value->is_valid || !load_object_read(load, OBJECT_circuit_breaker, value->token, &record))
        return;
    breaker->is_enabled = load_object_get(&record, FIELD_circuit_breaker_enabled)->number == 1;
    breaker->threshold = load_object_get(&record, FIELD_circuit_breaker_spend_rate_threshold_per_minute)->number;
    breaker->open_ns =
        load_object_get(&record, FIELD_circuit_breaker_auto_reset_after_minutes)->number * 60 * NANOSECONDS_PER_SECOND;
    breaker->is_per_identity = load_object_get(&record, FIELD_circuit_breaker_scope)->number == 1;
    breaker->alerts = load_object_get(&record, FIELD_circuit_breaker_alert)->number == 1;
}

static void check_name(struct load *load, uint32_t token, const struct policy *policy, uint32_t count,
                       struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if (name.size > 0 && slice_equal(policy->rules[i].name, name))
            load_complain(load, token, "duplicate_name",
                          "another rule of this policy has the name \"%.*s\" already; every rule needs one of its own",
                          SHOWN(name));
}

static void read_rules(struct load *load, uint32_t list, struct policy *policy)
{
    struct rule *rules = load_take(load, json_count(load->json, list), sizeof(*rules));

    policy->rules = rules;
    for (uint32_t token = json_first(load->json, list); token != JSON_NONE && rules;
         token = json_next(load->json, token)) {
        struct rule *rule = &rules[policy->rule_count];

        if (!load_rule_read(load, OBJECT_rule, token, policy, rule))
            continue;
        check_name(load, token, policy, policy->rule_count, rule->name);
        policy->rule_count++;
    }
}

static void read_fallback(struct load *load, uint32_t token, struct policy *policy)
{
    struct rule *rule = load_take(load, 1, sizeof(*rule));

    if (!rule || !load_rule_read(load, OBJECT_fallback, token, policy, rule))
        return;
    check_name(load, token, policy, policy->rule_count, rule->name);
    policy->fallback = rule;
}

static void read_spec(struct load *load, uint32_t token, struct policy *policy)
{
    const struct load_value *selector, *rules, *fallback;
    struct load_record record;

    if (!load_object_read(load, OBJECT_spec, token, &record))
        return;
    policy->is_shadow = load_object_get(&record, FIELD_spec_mode)->number == 1;
    policy->has_provider_headers = load_object_get(&record, FIELD_spec_provider_rate_headers)->number == 1;
    policy->error_format = (enum error_format)load_object_get(&record, FIELD_spec_error_format)->number;
    selector = load_object_get(&record, FIELD_spec_selector);
    if (selector->is_valid)
        load_selector_read(load, selector->token, policy);
    fallback = load_object_get(&record, FIELD_spec_fallback_limit);
    rules = load_object_get(&record, FIELD_spec_rules);
    if (rules->is_valid)
        read_rules(load, rules->token, policy);
    if (fallback->is_valid)
        read_fallback(load, fallback->token, policy);
    read_loop(load, load_object_get(&record, FIELD_spec_loop_detection), &policy->loop);
    read_breaker(load, load_object_get(&record, FIELD_spec_circuit_breaker), &policy->breaker);
}

void load_policy_read(struct load *load, uint32_t token, struct policy *policy)
{
    const struct load_value *spec;
    struct load_record record;

    if (!load_object_read(load, OBJECT_policy, token, &record))
        return;
    policy->id = load_object_get(&record, FIELD_policy_id)->text;
    spec = load_object_get(&record, FIELD_policy_spec);
    if (spec->is_valid)
        read_spec(load, spec->token, policy);
}
