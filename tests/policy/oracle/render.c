/* SPDX-License-Identifier: MPL-2.0
 *
 * Bytes of the oracle's world: see render.h.
 */
#include "tests/policy/oracle/render.h"

#include <inttypes.h>
#include <time.h>

static void amount(FILE *out, const char *name, int64_t millionths)
{
    fprintf(out, "\"%s\": %" PRId64 ".%06" PRId64, name, millionths / WORLD_ONE, millionths % WORLD_ONE);
}

static void given(FILE *out, const char *name, int64_t number)
{
    if (number > 0)
        fprintf(out, ", \"%s\": %" PRId64, name, number);
}

static void moment(FILE *out, int64_t seconds)
{
    time_t time = (time_t)seconds;
    struct tm date;
    char text[32];

    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&time, &date));
    fprintf(out, "\"expires_at\": \"%s\"", text);
}

/* ---- rules ---------------------------------------------------------------------------------------------------------
 */

static void cost(FILE *out, const struct world_rule *rule, const char *field)
{
    static const char *const sources[] = {"fixed", "header:X-Cost", "query:cost"};

    fprintf(out, ", \"%s\": \"%s\", ", field, sources[rule->source]);
    if (rule->source == WORLD_FIXED)
        amount(out, "fixed_cost", rule->fixed);
    else
        amount(out, "default_cost", rule->standard);
}

static void usage(FILE *out, const struct world_rule *rule)
{
    static const char *const unpriced[] = {"reject", "charge_default", "allow"};

    fprintf(out, ", \"cost_key\": \"usage\", \"unpriced\": \"%s\", \"token_source\": { \"estimator\": \"%s\" }",
            unpriced[rule->unpriced], rule->takes_hint ? "header_hint" : "simple_word");
    if (rule->unpriced != WORLD_UNPRICED_DEFAULT)
        return;
    fputs(", ", out);
    amount(out, "default_cost", rule->standard);
}

static void budget(FILE *out, const struct world_rule *rule)
{
    amount(out, "budget", rule->budget);
    fprintf(out, ", \"period\": \"%s\"", world_periods[rule->period]);
    if (rule->zone != WORLD_UTC)
        fprintf(out, ", \"timezone\": \"%s\"", world_zones[rule->zone]);
    if (rule->by_usage)
        usage(out, rule);
    else
        cost(out, rule, "cost_key");
    fputs(", \"staged_actions\": [ ", out);
    for (int i = 0; i < rule->stage_count; i++) {
        const struct world_stage *stage = &rule->stages[i];

        fputs("{ ", out);
        amount(out, "threshold_percent", stage->percent);
        fprintf(out, ", \"action\": \"%s\"", stage->action == WORLD_WARN ? "warn" : "throttle");
        given(out, "delay_ms", stage->delay_ms);
        fputs(" }, ", out);
    }
    fputs("{ \"threshold_percent\": 100, \"action\": \"reject\" } ]", out);
}

static void tokens(FILE *out, const struct world_rule *rule)
{
    fprintf(out, "\"token_source\": { \"estimator\": \"%s\" }", rule->takes_hint ? "header_hint" : "simple_word");
    given(out, "tokens_per_minute", rule->per_minute);
    given(out, "burst_tokens", rule->minute_burst);
    given(out, "tokens_per_day", rule->per_day);
    given(out, "max_tokens_per_request", rule->most_request);
    given(out, "max_prompt_tokens", rule->most_prompt);
    given(out, "max_completion_tokens", rule->most_completion);
    given(out, "default_max_completion", rule->default_completion);
}

static void config(FILE *out, const struct world_rule *rule)
{
    switch (rule->algorithm) {
    case WORLD_RATE:
        amount(out, "tokens_per_second", rule->rate);
        fputs(", ", out);
        amount(out, "burst", rule->burst);
        cost(out, rule, "cost_source");
        break;
    case WORLD_BUDGET:
        budget(out, rule);
        break;
    case WORLD_TOKENS:
        tokens(out, rule);
        break;
    case WORLD_FLIGHT:
    case WORLD_ALGORITHMS:
        fprintf(out, "\"max_in_flight\": %" PRId64 ", \"ttl_seconds\": %" PRId64, rule->in_flight, rule->ttl_s);
        break;
    }
}

static void render_rule(FILE *out, const struct world_rule *rule, bool is_fallback)
{
    static const char *const missing[] = {"skip", "reject", "share"};

    fprintf(out, "{ \"name\": \"%s\", \"limit_keys\": [", rule->name);
    for (int i = 0; i < rule->key_count; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "", world_key_names[rule->keys[i]]);
    fprintf(out, "], \"on_missing\": \"%s\",", missing[rule->missing]);
    if (rule->has_match && !is_fallback)
        fprintf(out, " \"match\": { \"%s\": \"%s\" },", world_key_names[rule->match_key],
                world_match_values[rule->match_key][rule->match_value]);
    fprintf(out, " \"algorithm\": \"%s\",\n    \"algorithm_config\": { ", world_algorithms[rule->algorithm]);
    config(out, rule);
    fputs(" } }", out);
}

/* ---- policies ------------------------------------------------------------------------------------------------------
 */

static void selector(FILE *out, const struct world_policy *policy)
{
    const char *comma = "";

    fputs("\"selector\": { ", out);
    if (policy->exact >= 0)
        fprintf(out, "\"pathExact\": \"%s\"%s", world_paths[policy->exact], policy->prefix >= 0 ? ", " : "");
    if (policy->prefix >= 0)
        fprintf(out, "\"pathPrefix\": \"%s\"", world_prefixes[policy->prefix]);
    if (policy->methods) {
        fputs(", \"methods\": [", out);
        for (int i = 0; i < 3; i++)
            if (policy->methods >> i & 1) {
                fprintf(out, "%s\"%s\"", comma, world_methods[i]);
                comma = ", ";
            }
        fputs("]", out);
    }
    if (policy->host)
        fprintf(out, ", \"hosts\": [\"%s\"]", world_hosts[policy->host]);
    fputs(" }", out);
}

static void guards(FILE *out, const struct world_policy *policy)
{
    static const char *const actions[] = {"reject", "throttle", "warn"};

    if (policy->has_loop)
        fprintf(out,
                ",\n  \"loop_detection\": { \"enabled\": true, \"window_seconds\": %" PRId64
                ", \"threshold_identical_requests\": %" PRId64 ", \"action\": \"%s\" }",
                policy->loop_window_s, policy->loop_threshold, actions[policy->loop_action]);
    if (!policy->has_breaker)
        return;
    fputs(",\n  \"circuit_breaker\": { \"enabled\": true, ", out);
    amount(out, "spend_rate_threshold_per_minute", policy->breaker_threshold);
    fprintf(out, ", \"auto_reset_after_minutes\": %" PRId64 ", \"scope\": \"%s\" }", policy->breaker_minutes,
            policy->breaker_per_identity ? "identity" : "policy");
}

static void render_policy(FILE *out, const struct world_policy *policy)
{
    fprintf(out, " { \"id\": \"%s\", \"spec\": { \"mode\": \"%s\", ", policy->id,
            policy->is_shadow ? "shadow" : "enforce");
    selector(out, policy);
    fputs(", \"rules\": [", out);
    for (int i = 0; i < policy->rule_count; i++) {
        fputs(i ? ",\n  " : "\n  ", out);
        render_rule(out, &policy->rules[i], false);
    }
    fputs(" ]", out);
    if (policy->has_fallback) {
        fputs(",\n  \"fallback_limit\": ", out);
        render_rule(out, &policy->rules[WORLD_RULES], true);
    }
    guards(out, policy);
    fputs(" } }", out);
}

/* ---- the whole -----------------------------------------------------------------------------------------------------
 */

static void render_switch(FILE *out, const struct world_switch *one)
{
    fprintf(out, "{ \"scope_key\": \"%s\", \"scope_value\": \"%s\"", world_key_names[one->key],
            world_match_values[one->key][one->value]);
    if (one->route >= 0)
        fprintf(out, ", \"route\": \"%s\"", world_paths[one->route]);
    if (one->expires_s) {
        fputs(", ", out);
        moment(out, one->expires_s);
    }
    fputs(" }", out);
}

static void render_override(FILE *out, const char *name, const struct world_override *override)
{
    if (!override->is_enabled)
        return;
    fprintf(out, ",\n\"%s\": { \"enabled\": true, \"reason\": \"oracle\", ", name);
    moment(out, override->expires_s);
    fputs(" }", out);
}

static void render_prices(FILE *out, const struct world_price *prices)
{
    const char *comma = "";

    fputs("\"price_table\": { ", out);
    for (int i = 0; i < WORLD_PRICES; i++) {
        if (!prices[i].is_present)
            continue;
        fprintf(out, "%s\"%s\": { ", comma, world_patterns[i]);
        amount(out, "input", prices[i].input);
        fputs(", ", out);
        if (prices[i].has_cached) {
            amount(out, "cached_input", prices[i].cached);
            fputs(", ", out);
        }
        amount(out, "output", prices[i].output);
        fputs(" }", out);
        comma = ", ";
    }
    fputs(" },\n", out);
}

void render_bundle(FILE *out, const struct world_bundle *bundle)
{
    const char *comma = "\n";

    fputs("{ \"bundle_version\": 1, ", out);
    render_prices(out, bundle->prices);
    fputs("\"policies\": [", out);
    for (int i = 0; i < bundle->policy_count; i++)
        if (bundle->policies[i].is_present) {
            fputs(comma, out);
            render_policy(out, &bundle->policies[i]);
            comma = ",\n";
        }
    fputs(" ]", out);
    for (int i = 0; i < bundle->switch_count; i++) {
        fputs(i ? ", " : ",\n\"kill_switches\": [ ", out);
        render_switch(out, &bundle->switches[i]);
    }
    fputs(bundle->switch_count ? " ]" : "", out);
    render_override(out, "global_shadow", &bundle->shadow);
    render_override(out, "kill_switch_override", &bundle->no_switches);
    if (bundle->rejects_unmatched)
        fputs(",\n\"defaults\": { \"unmatched\": \"reject\" }", out);
    fputs(" }\n", out);
}

/* ---- requests ------------------------------------------------------------------------------------------------------
 */

void render_seconds(FILE *out, int64_t ns)
{
    fprintf(out, "%" PRId64, ns / WORLD_SECOND);
    if (ns % WORLD_SECOND)
        fprintf(out, ".%09" PRId64, ns % WORLD_SECOND);
}

static void field(FILE *out, const char *name, const char *value)
{
    if (!value)
        return;
    fprintf(out, " %s:", name);
    for (; *value; value++)
        fputc(*value == ' ' ? '~' : *value, out);
}

void render_ask(FILE *out, const struct world_step *step)
{
    const struct world_ask *ask = &step->ask;
    char text[256];

    render_seconds(out, step->boot_ns - WORLD_BOOT * WORLD_SECOND);
    world_query(ask, text, sizeof(text));
    fprintf(out, " %s %s %s%s%s", world_clients[ask->client].text, world_methods[ask->method], world_paths[ask->path],
            ask->parameter_count ? "?" : "", text);
    if (ask->host)
        field(out, "Host", world_hosts[ask->host]);
    field(out, "X-A", world_headers[ask->a].first);
    field(out, "X-A", world_headers[ask->a].second);
    field(out, "X-B", world_headers[ask->b].first);
    field(out, "X-B", world_headers[ask->b].second);
    field(out, "X-Cost", world_costs[ask->cost].text);
    field(out, "X-Token-Estimate", world_hints[ask->hint].text);
    field(out, "X-Stainless-Retry-Count", world_retries[ask->retry]);
    field(out, "Authorization", world_tokens[ask->token].authorization);
    world_body(ask, text, sizeof(text));
    if (text[0])
        fprintf(out, " %s", text);
}
