/* SPDX-License-Identifier: MPL-2.0
 *
 * What each algorithm asks of which cells, and what a request costs it.
 */
#include "policy/decide_private.h"

#include "policy/decimal.h"
#include "policy/endpoint.h"
#include "policy/estimate_form.h"
#include "shm/cell_bucket.h"

const struct charge_role_row decide_limits_roles[CHARGE_ROLES] = {
    [CHARGE_RATE] = {REASON_rate_limit_exceeded, true, false, "rate"},
    [CHARGE_BUDGET] = {REASON_budget_exhausted, true, true, "budget"},
    [CHARGE_MINUTE] = {REASON_tpm_exceeded, true, true, "minute"},
    [CHARGE_DAY] = {REASON_tpd_exceeded, true, true, "day"},
    [CHARGE_FLIGHT] = {REASON_concurrency_exceeded, true, true, "flight"},
    [CHARGE_LOOP] = {REASON_loop_detected, false, false, "loop"},
    [CHARGE_LOOP_RETRY] = {REASON_loop_detected, false, false, "loop retry"},
    [CHARGE_BREAKER] = {REASON_circuit_breaker_open, false, false, "breaker"},
};

/* ---- limits --------------------------------------------------------------------------------------------------------- */

/* The calendar window of PERIOD at NOW; worked out once per window and rule. */
static struct calendar_window window_of(struct prepared_rule *prepared, enum calendar_period period, const char *zone,
                                        struct moment now)
{
    int64_t now_s = now.wall_ns / NANOSECONDS_PER_SECOND;

    if (now_s < prepared->window.start_s || now_s >= prepared->window.end_s)
        prepared->window = calendar_find(period, zone, now_s);
    return prepared->window;
}

/* A number that stands for a period in a zone. Two zones may share one: a reload from one to the other is then taken for the next
 * window. */
static uint8_t calendar_of(enum calendar_period period, const char *zone)
{
    uint32_t tag = 0;

    for (const char *c = zone; *c; c++)
        tag = (tag ^ (unsigned char)*c) * UINT32_C(0x01000193);
    return (uint8_t)(period | (tag >> 24 & 0x1f) << 3);
}

static void window_limit(struct prepared_rule *prepared, enum calendar_period period, const char *zone, int64_t capacity,
                         struct moment now, struct cell_limit *limit, int64_t *window_ns)
{
    struct calendar_window window = window_of(prepared, period, zone, now);

    *limit = (struct cell_limit){
        .kind = CELL_WINDOW, .capacity = capacity, .window_end_s = window.end_s, .calendar = calendar_of(period, zone)};
    *window_ns = (window.end_s - window.start_s) * NANOSECONDS_PER_SECOND;
}

static void bucket_limit(struct prepared_rule *prepared, int64_t capacity, int64_t rate, int64_t per_ns,
                         struct cell_limit *limit, int64_t *window_ns)
{
    *limit = (struct cell_limit){.kind = CELL_BUCKET, .capacity = capacity, .rate = rate, .per_ns = per_ns};
    if (prepared->refill_ns == 0)
        prepared->refill_ns = cell_bucket_time(limit, capacity);
    *window_ns = prepared->refill_ns;
}

bool decide_limits_of(struct decider *decider, uint32_t rule_index, const struct rule *rule, enum charge_role role,
                      struct moment now, struct cell_limit *limit, int64_t *window_ns)
{
    struct prepared_rule *prepared = &decider->rules[rule_index];
    const struct cost_budget *cost = &rule->config.cost_budget;
    const struct token_budget *tokens = &rule->config.token_budget;
    const struct concurrency *flight = &rule->config.concurrency;

    if (role == CHARGE_RATE && rule->algorithm == ALGORITHM_TOKEN_BUCKET) {
        bucket_limit(prepared, rule->config.token_bucket.burst, rule->config.token_bucket.rate, CELL_PER_SECOND, limit,
                     window_ns);
    } else if (role == CHARGE_BUDGET && rule->algorithm == ALGORITHM_COST_BASED) {
        window_limit(prepared, cost->period, cost->zone, cost->budget, now, limit, window_ns);
    } else if (role == CHARGE_MINUTE && rule->algorithm == ALGORITHM_TOKEN_BUCKET_LLM && tokens->per_minute > 0) {
        bucket_limit(prepared, tokens->burst * BUNDLE_MILLIONTHS, tokens->per_minute * BUNDLE_MILLIONTHS,
                     CELL_PER_MINUTE, limit, window_ns);
    } else if (role == CHARGE_DAY && rule->algorithm == ALGORITHM_TOKEN_BUCKET_LLM && tokens->per_day > 0) {
        window_limit(prepared, CALENDAR_1D, "", tokens->per_day * BUNDLE_MILLIONTHS, now, limit, window_ns);
    } else if (role == CHARGE_FLIGHT && rule->algorithm == ALGORITHM_CONCURRENCY) {
        *limit = (struct cell_limit){.kind = CELL_FLIGHT,
                                     .capacity = flight->max_in_flight * BUNDLE_MILLIONTHS,
                                     .length_ns = flight->ttl_ns};
        *window_ns = flight->ttl_ns;
    } else {
        return false;
    }
    return true;
}

/* ---- costs ---------------------------------------------------------------------------------------------------------- */

/* The amount that TEXT tells, a part of a millionth as a whole one: gateways multiply in floating point. What is more than a limit may
 * be fits none. 0: none that is above zero. */
static int64_t told_cost(struct slice text)
{
    int64_t amount = 0;

    switch (decimal_parse(text, &amount)) {
    case DECIMAL_OK:
    case DECIMAL_NOT_EXACT:
        return amount > 0 ? amount : 0;
    case DECIMAL_TOO_LARGE:
        return text.data[0] == '-' ? 0 : DECIMAL_MAX + 1;
    case DECIMAL_MALFORMED:
        break;
    }
    return 0;
}

/* What this request costs: a header's or parameter's decimal number, or what the bundle says. */
static int64_t cost_of(struct decision *decision, const struct cost *cost)
{
    struct slice text;
    int64_t amount;

    if (cost->source == COST_SOURCE_FIXED)
        return cost->fixed;
    if (!descriptor_value(&decision->decider->descriptors, cost->descriptor, &text))
        return cost->standard;
    amount = told_cost(text);
    if (amount > 0)
        return amount;
    decide_counts_one(decision, COUNTER_cost_invalid);
    return cost->standard;
}

/* The one Content-Type of the request; of several none is believed. */
static struct slice content_type_of(const struct facts *facts)
{
    struct slice type = {NULL, 0};

    for (size_t i = 0; i < facts->field_count; i++) {
        if (!slice_equal_nocase(facts->fields[i].name, SLICE("content-type")))
            continue;
        if (type.data)
            return (struct slice){NULL, 0};
        type = facts->fields[i].value;
    }
    return type;
}

static const struct estimate *estimate_of(struct decision *decision)
{
    if (!decision->has_estimate) {
        decision->estimate = estimate_body(decision->facts->body);
        if (!decision->estimate.is_readable)
            estimate_form(decision->facts->body, content_type_of(decision->facts), &decision->estimate);
        decision->has_estimate = true;
        if (decision->estimate.has_bad_figure)
            decide_counts_one(decision, COUNTER_cost_invalid);
    }
    return &decision->estimate;
}

/* Whether the body is compressed, or text in no encoding that JSON may have. */
static bool is_encoded(struct decision *decision)
{
    const struct facts *facts = decision->facts;
    bool is_coded = false;

    for (size_t i = 0; i < facts->field_count; i++)
        is_coded |= slice_equal_nocase(facts->fields[i].name, SLICE("content-encoding")) && facts->fields[i].value.size > 0 &&
                    !slice_equal_nocase(facts->fields[i].value, SLICE("identity"));
    return facts->body.size > 0 && (is_coded || estimate_of(decision)->is_encoded);
}

/* The client's own estimate of its prompt in X-Token-Estimate, where the rule takes it. -1 for none; of several none is believed. */
static int64_t hint_of(struct decision *decision)
{
    const struct facts *facts = decision->facts;
    struct slice text = {NULL, 0};
    unsigned count = 0;
    int64_t hint;

    for (size_t i = 0; i < facts->field_count; i++) {
        if (slice_equal_nocase(facts->fields[i].name, SLICE("x-token-estimate"))) {
            text = facts->fields[i].value;
            count++;
        }
    }
    if (count == 1 && decimal_parse(text, &hint) == DECIMAL_OK && hint >= 0 && hint <= ESTIMATE_MOST * BUNDLE_MILLIONTHS)
        return (hint + BUNDLE_MILLIONTHS - 1) / BUNDLE_MILLIONTHS;
    if (count > 0)
        decide_counts_one(decision, COUNTER_cost_invalid);
    return -1;
}

static bool is_unsure(const struct estimate *estimate, struct slice path)
{
    const struct endpoint *endpoint = endpoint_of(path);

    return estimate->has_bad_completion || (endpoint && !(estimate->lengths & endpoint->lengths));
}

struct decide_need decide_limits_need(struct decision *decision, int64_t one, bool takes_hint)
{
    const struct estimate *estimate = estimate_of(decision);
    int64_t hint = takes_hint ? hint_of(decision) : -1;
    struct decide_need need = {.prompt = hint >= 0 ? hint : estimate->prompt};

    /* A length that cannot be read, or that is none at this endpoint, may be taken for none; beside another one the
     * longer of them counts. */
    if (estimate->completion > 0 && !(estimate->completion < one && is_unsure(estimate, decision->facts->path)))
        one = estimate->completion;
    if (decision->metering.clamp > 0 && decision->metering.clamp < one)
        one = decision->metering.clamp;
    if (__builtin_mul_overflow(one, estimate->choices, &need.completion) || need.completion > ESTIMATE_MOST)
        need.completion = ESTIMATE_MOST;
    return need;
}

/* ---- charges -------------------------------------------------------------------------------------------------------- */

static void add(struct decision *decision, struct charge_source *source, uint32_t group, const uint64_t identity[2],
                enum charge_role role, int64_t cost)
{
    struct cell_limit limit;

    if (!decide_limits_of(decision->decider, source->rule_index, source->rule, role, decision->now, &limit,
                          &source->window_ns))
        return;
    source->role = role;
    decide_rules_charge(decision, source, group, identity, &limit, cost);
}

/* Refuses a body of which nothing can be told, while who reads it behind us can. */
static void refuse_encoded(struct decision *decision, const struct charge_source *source, bool is_shadow)
{
    if (is_encoded(decision))
        decide_rules_refuse(decision, source, REASON_body_encoded, is_shadow);
}

/* The longest that all completions together may be; 0 = no such limit. A prompt that is too long leaves one token, and is refused. */
static int64_t most_completion(const struct token_budget *budget, const struct decide_need *need)
{
    int64_t left = budget->max_per_request > 0 ? budget->max_per_request - need->prompt : 0;

    if (budget->max_per_request > 0 && left < 1)
        left = 1;
    if (budget->max_completion > 0 && (left == 0 || budget->max_completion < left))
        left = budget->max_completion;
    return left;
}

static void add_tokens(struct decision *decision, struct charge_source *source, bool is_shadow, uint32_t group,
                       const uint64_t identity[2])
{
    const struct token_budget *budget = &source->rule->config.token_budget;
    struct decide_need need = decide_limits_need(decision, budget->default_completion, budget->metering.takes_hint);
    int64_t all = need.prompt + need.completion;

    source->completion = need.completion;
    refuse_encoded(decision, source, is_shadow);
    decide_metering_add(decision, is_shadow ? NULL : &budget->metering, &need, most_completion(budget, &need));
    if (budget->clamps && !is_shadow)
        decide_metering_shorten(decision, most_completion(budget, &need));
    if (budget->max_prompt > 0 && need.prompt > budget->max_prompt)
        decide_rules_refuse(decision, source, REASON_prompt_tokens_exceeded, is_shadow);
    if (budget->max_completion > 0 && need.completion > budget->max_completion)
        decide_rules_refuse(decision, source, REASON_completion_tokens_exceeded, is_shadow);
    if (budget->max_per_request > 0 && all > budget->max_per_request)
        decide_rules_refuse(decision, source, REASON_max_tokens_per_request_exceeded, is_shadow);
    add(decision, source, group, identity, CHARGE_MINUTE, all * BUNDLE_MILLIONTHS);
    add(decision, source, group, identity, CHARGE_DAY, all * BUNDLE_MILLIONTHS);
}

static void add_budget(struct decision *decision, struct charge_source *source, bool is_shadow, uint32_t group,
                       const uint64_t identity[2])
{
    const struct cost_budget *budget = &source->rule->config.cost_budget;
    struct decide_need need;
    int64_t cost;

    if (budget->cost.source != COST_SOURCE_USAGE) {
        add(decision, source, group, identity, CHARGE_BUDGET, cost_of(decision, &budget->cost));
        return;
    }
    refuse_encoded(decision, source, is_shadow);
    need = decide_limits_need(decision, ESTIMATE_COMPLETION, budget->metering.takes_hint);
    decide_metering_add(decision, is_shadow ? NULL : &budget->metering, &need, 0);
    if (decide_money_cost(decision, budget, &need, &cost))
        add(decision, source, group, identity, CHARGE_BUDGET, cost);
    else
        decide_rules_refuse(decision, source, REASON_model_unpriced, is_shadow);
}

void decide_limits_add(struct decision *decision, struct charge_source *source, bool is_shadow, uint32_t group,
                       const uint64_t identity[2])
{
    const struct rule *rule = source->rule;

    switch (rule->algorithm) {
    case ALGORITHM_TOKEN_BUCKET:
        add(decision, source, group, identity, CHARGE_RATE, cost_of(decision, &rule->config.token_bucket.cost));
        break;
    case ALGORITHM_COST_BASED:
        add_budget(decision, source, is_shadow, group, identity);
        break;
    case ALGORITHM_TOKEN_BUCKET_LLM:
        add_tokens(decision, source, is_shadow, group, identity);
        break;
    case ALGORITHM_CONCURRENCY:
        add(decision, source, group, identity, CHARGE_FLIGHT, BUNDLE_MILLIONTHS);
        break;
    }
}
