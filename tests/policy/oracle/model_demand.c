/* SPDX-License-Identifier: MPL-2.0
 *
 * What a policy demands of a request: limits, costs, identities as text.
 */
#include "tests/policy/oracle/model_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE           (60 * WORLD_SECOND)
#define RETRIES_EXCUSED  2
#define LONGEST_ANSWER   (INT64_C(1) << 32)
#define NO_ANSWER_LENGTH 1000 /* default_max_completion */

/* Appends to the key of a demand. */
__attribute__((format(printf, 2, 3))) static void add(char *key, const char *format, ...)
{
    size_t used = strlen(key), room = sizeof(((struct model_demand *)NULL)->key) - used;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(key + used, room, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= room)
        abort();
}

static void add_value(char *key, const char *value)
{
    if (value)
        add(key, "+%zu:%s", strlen(value), value);
    else
        add(key, "-");
}

static struct model_demand *append(struct model_verdict *verdict, const struct world_policy *policy, int shadow)
{
    struct model_demand *demand = &verdict->demands[verdict->demand_count++];

    if (verdict->demand_count > MODEL_DEMANDS)
        abort();
    memset(demand, 0, sizeof(*demand));
    demand->policy = policy->id;
    demand->of_policy = policy;
    demand->shadow = shadow;
    add(demand->key, "%s%s", shadow ? "shadow " : "", policy->id);
    return demand;
}

static void refuse(struct model_verdict *verdict, const char *policy, const char *rule, const char *reason, int shadow)
{
    if (shadow) {
        verdict->would_reject = true;
        return;
    }
    verdict->refusals[verdict->refusal_count].policy = policy;
    verdict->refusals[verdict->refusal_count].rule = rule;
    verdict->refusals[verdict->refusal_count++].reason = reason;
}

/* ---- costs ---------------------------------------------------------------------------------------------------------
 */

static int64_t cost_of(const struct world_rule *rule, const struct world_ask *ask)
{
    const char *text = rule->source == WORLD_HEADER  ? world_costs[ask->cost].text
                       : rule->source == WORLD_QUERY ? model_match_parameter(ask, "cost")
                                                     : NULL;

    if (rule->source == WORLD_FIXED)
        return rule->fixed;
    for (size_t i = 0; text && i < sizeof(world_costs) / sizeof(world_costs[0]); i++)
        if (world_costs[i].text && !strcmp(world_costs[i].text, text) && world_costs[i].amount > 0)
            return world_costs[i].amount;
    return rule->standard;
}

static void tokens_of(const struct world_rule *rule, const struct world_ask *ask, int64_t *prompt, int64_t *answer)
{
    bool has_own = rule->algorithm == WORLD_TOKENS && rule->default_completion;
    int64_t standard = has_own ? rule->default_completion : NO_ANSWER_LENGTH;
    int64_t most = ask->has_body ? world_most[ask->most].amount : -1;

    if (most > 0 && world_most[ask->most].is_unclear && most < standard)
        most = standard;
    *prompt = ask->has_body ? (ask->prompt_bytes + 3) / 4 : 0;
    if (rule->takes_hint && world_hints[ask->hint].amount >= 0)
        *prompt = world_hints[ask->hint].amount;
    *answer = (most > 0 ? most : standard) * (ask->has_body && ask->choices ? ask->choices : 1);
    if (*answer > LONGEST_ANSWER)
        *answer = LONGEST_ANSWER;
}

/* ---- limits --------------------------------------------------------------------------------------------------------
 */

bool model_demand_limit(const struct world_rule *rule, bool is_day, int64_t wall_ns, struct model_limit *limit)
{
    int64_t now_s = wall_ns / WORLD_SECOND;

    *limit =
        (struct model_limit){.kind = MODEL_BUCKET, .capacity = rule->burst, .rate = rule->rate, .per_ns = WORLD_SECOND};
    switch (rule->algorithm) {
    case WORLD_RATE:
    case WORLD_ALGORITHMS:
        break;
    case WORLD_BUDGET:
        *limit = (struct model_limit){.kind = MODEL_WINDOW,
                                      .capacity = rule->budget,
                                      .end_s = model_calendar_end(rule->period, rule->zone, now_s),
                                      .calendar = (int)rule->period * 10 + (int)rule->zone};
        break;
    case WORLD_TOKENS:
        if (is_day)
            *limit = (struct model_limit){.kind = MODEL_WINDOW,
                                          .capacity = rule->per_day * WORLD_ONE,
                                          .end_s = model_calendar_end(WORLD_1D, WORLD_UTC, now_s)};
        else
            *limit = (struct model_limit){.kind = MODEL_BUCKET,
                                          .capacity =
                                              (rule->minute_burst ? rule->minute_burst : rule->per_minute) * WORLD_ONE,
                                          .rate = rule->per_minute * WORLD_ONE,
                                          .per_ns = MINUTE};
        return is_day ? rule->per_day > 0 : rule->per_minute > 0;
    case WORLD_FLIGHT:
        *limit = (struct model_limit){
            .kind = MODEL_FLIGHT, .capacity = rule->in_flight * WORLD_ONE, .length_ns = rule->ttl_s * WORLD_SECOND};
        break;
    }
    return true;
}

static void add_limit(struct model_verdict *verdict, const struct world_policy *policy, const struct world_rule *rule,
                      const struct world_step *step, int shadow, const char *identity, bool is_day, int64_t cost)
{
    static const char *const reasons[] = {
        [WORLD_RATE] = "rate_limit_exceeded",
        [WORLD_BUDGET] = "budget_exhausted",
        [WORLD_TOKENS] = "tpm_exceeded",
        [WORLD_FLIGHT] = "concurrency_exceeded",
    };
    struct model_limit limit;
    struct model_demand *demand;

    if (!model_demand_limit(rule, is_day, step->wall_ns, &limit))
        return;
    demand = append(verdict, policy, shadow);
    add(demand->key, " %s%s", identity, is_day ? " day" : "");
    demand->limit = limit;
    demand->cost = cost;
    demand->rule = rule->name;
    demand->of_rule = rule;
    demand->reason = is_day ? "tpd_exceeded" : reasons[rule->algorithm];
    demand->is_shown = true;
    demand->is_settled = rule->algorithm == WORLD_TOKENS || rule->algorithm == WORLD_FLIGHT ||
                         (rule->algorithm == WORLD_BUDGET && rule->by_usage);
}

/* ---- rules ---------------------------------------------------------------------------------------------------------
 */

static void demand_tokens(struct model_verdict *verdict, const struct world_policy *policy,
                          const struct world_rule *rule, const struct world_step *step, int shadow,
                          const char *identity)
{
    int64_t prompt, answer;

    tokens_of(rule, &step->ask, &prompt, &answer);
    if (rule->most_prompt && prompt > rule->most_prompt)
        refuse(verdict, policy->id, rule->name, "prompt_tokens_exceeded", shadow);
    if (rule->most_completion && answer > rule->most_completion)
        refuse(verdict, policy->id, rule->name, "completion_tokens_exceeded", shadow);
    if (rule->most_request && prompt + answer > rule->most_request)
        refuse(verdict, policy->id, rule->name, "max_tokens_per_request_exceeded", shadow);
    add_limit(verdict, policy, rule, step, shadow, identity, false, (prompt + answer) * WORLD_ONE);
    add_limit(verdict, policy, rule, step, shadow, identity, true, (prompt + answer) * WORLD_ONE);
}

static void demand_money(struct model_verdict *verdict, const struct world_policy *policy, const struct world_rule *rule,
                         const struct world_step *step, int shadow, const char *identity)
{
    int64_t prompt, answer, cost = rule->unpriced == WORLD_UNPRICED_ALLOW ? 0 : rule->standard;

    tokens_of(rule, &step->ask, &prompt, &answer);
    if (verdict->price)
        cost = model_money_cost(verdict->price, prompt, 0, answer);
    if (verdict->price || rule->unpriced != WORLD_UNPRICED_REJECT)
        add_limit(verdict, policy, rule, step, shadow, identity, false, cost);
    else
        refuse(verdict, policy->id, rule->name, "model_unpriced", shadow);
}

/* Name, algorithm and keys: what a rule is known by over reloads. false when a key is missing. */
static bool identify(const struct world_rule *rule, const struct world_ask *ask, char *identity)
{
    bool is_complete = true;

    identity[0] = '\0';
    add(identity, "%s %s", rule->name, world_algorithms[rule->algorithm]);
    for (int i = 0; i < rule->key_count; i++) {
        const char *value = model_match_value(ask, rule->keys[i]);

        add(identity, " %s", world_key_names[rule->keys[i]]);
        add_value(identity, value);
        is_complete = is_complete && value;
    }
    if (!is_complete && rule->missing == WORLD_SHARE) {
        identity[0] = '\0';
        add(identity, "%s %s", rule->name, world_algorithms[rule->algorithm]);
        for (int i = 0; i < rule->key_count; i++)
            add(identity, " %s", world_key_names[rule->keys[i]]);
        add(identity, " shared");
    }
    return is_complete;
}

/* false when the rule does not apply. */
static bool demand_rule(struct model_verdict *verdict, const struct world_policy *policy, const struct world_rule *rule,
                        bool is_fallback, const struct world_step *step, int shadow)
{
    char identity[sizeof(((struct model_demand *)NULL)->key)];

    if (!is_fallback && rule->has_match && !model_match_condition(&step->ask, rule->match_key, rule->match_value))
        return false;
    if (!identify(rule, &step->ask, identity)) {
        if (rule->missing == WORLD_SKIP)
            return false;
        if (rule->missing == WORLD_REJECT) {
            refuse(verdict, policy->id, rule->name, "identity_missing", shadow);
            return true;
        }
    }
    if (rule->algorithm == WORLD_TOKENS)
        demand_tokens(verdict, policy, rule, step, shadow, identity);
    else if (rule->algorithm == WORLD_BUDGET && rule->by_usage)
        demand_money(verdict, policy, rule, step, shadow, identity);
    else if (rule->algorithm == WORLD_FLIGHT)
        add_limit(verdict, policy, rule, step, shadow, identity, false, WORLD_ONE);
    else
        add_limit(verdict, policy, rule, step, shadow, identity, false, cost_of(rule, &step->ask));
    return true;
}

/* ---- loops and breakers --------------------------------------------------------------------------------------------
 */

/* Values of every key of the policy's rules, each once; without any, the address. */
static void add_identity(char *key, const struct world_policy *policy, const struct world_ask *ask)
{
    bool is_seen[WORLD_KEYS] = {false}, has_any = false;

    for (int i = 0; i < policy->rule_count + policy->has_fallback; i++) {
        const struct world_rule *rule = &policy->rules[i < policy->rule_count ? i : WORLD_RULES];

        for (int j = 0; j < rule->key_count; j++) {
            const char *value = model_match_value(ask, rule->keys[j]);

            if (is_seen[rule->keys[j]])
                continue;
            is_seen[rule->keys[j]] = true;
            add(key, " %s", world_key_names[rule->keys[j]]);
            add_value(key, value);
            has_any = has_any || value;
        }
    }
    if (!has_any)
        add_value(key, world_clients[ask->client].address);
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void add_fingerprint(char *key, const struct world_policy *policy, const struct world_ask *ask)
{
    const char *parameters[WORLD_PARAMETERS];
    char body[256];

    for (int i = 0; i < ask->parameter_count; i++)
        parameters[i] = world_parameters[ask->parameters[i]].raw;
    qsort(parameters, (size_t)ask->parameter_count, sizeof(parameters[0]), compare_texts);
    add(key, " loop %s %s", world_methods[ask->method], world_paths[ask->path]);
    for (int i = 0; i < ask->parameter_count; i++)
        add_value(key, parameters[i]);
    world_body(ask, body, sizeof(body));
    add_value(key, body);
    add_identity(key, policy, ask);
}

static void demand_loop(struct model_verdict *verdict, const struct world_policy *policy, const struct world_ask *ask,
                        int shadow)
{
    const char *retry = world_retries[ask->retry];
    struct model_limit limit = {.kind = MODEL_COUNT, .length_ns = policy->loop_window_s * WORLD_SECOND};
    struct model_demand *demand;
    int excuse = 0;

    if (retry && strcmp(retry, "0") != 0) {
        demand = append(verdict, policy, shadow);
        add_fingerprint(demand->key, policy, ask);
        add(demand->key, " retry");
        demand->limit = limit;
        demand->limit.capacity = RETRIES_EXCUSED * WORLD_ONE;
        demand->cost = WORLD_ONE;
        demand->never_refuses = demand->is_excuse = true;
        excuse = verdict->demand_count;
    }
    demand = append(verdict, policy, shadow);
    add_fingerprint(demand->key, policy, ask);
    demand->limit = limit;
    demand->limit.capacity = (policy->loop_threshold - 1) * WORLD_ONE;
    demand->cost = WORLD_ONE;
    demand->reason = "loop_detected";
    demand->is_loop = true;
    demand->never_refuses = policy->loop_action != WORLD_LOOP_REJECT;
    demand->excuse = excuse;
}

static void demand_breaker(struct model_verdict *verdict, const struct world_policy *policy,
                           const struct world_ask *ask, int shadow, int first)
{
    struct model_demand *demand;
    int64_t spent = 0;

    for (int i = first; i < verdict->demand_count; i++)
        if (verdict->demands[i].rule && verdict->demands[i].of_rule->algorithm != WORLD_FLIGHT &&
            verdict->demands[i].cost > spent)
            spent = verdict->demands[i].cost;
    if (spent == 0)
        return;
    demand = append(verdict, policy, shadow);
    add(demand->key, " breaker");
    if (policy->breaker_per_identity)
        add_identity(demand->key, policy, ask);
    demand->limit = (struct model_limit){
        .kind = MODEL_BREAKER, .capacity = policy->breaker_threshold, .length_ns = policy->breaker_minutes * MINUTE};
    demand->cost = spent;
    demand->first = first;
    demand->reason = "circuit_breaker_open";
}

void model_demand_policy(const struct world_policy *policy, const struct world_step *step, int shadow,
                         struct model_verdict *verdict)
{
    int first = verdict->demand_count;
    bool would_reject = verdict->would_reject, any_applies = false;

    verdict->would_reject = false;
    for (int i = 0; i < policy->rule_count; i++)
        if (demand_rule(verdict, policy, &policy->rules[i], false, step, shadow))
            any_applies = true;
    if (!any_applies && policy->has_fallback)
        demand_rule(verdict, policy, &policy->rules[WORLD_RULES], true, step, shadow);
    if (verdict->would_reject) {
        /* A shadow policy that refuses charges none, as it would in earnest. */
        verdict->demand_count = first;
        return;
    }
    if (policy->has_loop)
        demand_loop(verdict, policy, &step->ask, shadow);
    if (policy->has_breaker)
        demand_breaker(verdict, policy, &step->ask, shadow, first);
    verdict->would_reject = would_reject;
}
