/* SPDX-License-Identifier: MPL-2.0
 *
 * The algorithm of a rule and its figures.
 */
#include "policy/load_private.h"
#include "shm/moment.h"

#define PERCENT_100 (100 * BUNDLE_MILLIONTHS)

static const struct load_value *get(const struct load_record *record, enum field field)
{
    return load_object_get(record, field);
}

/* Complains when AT_LEAST, given with FLOOR, is smaller. */
static void check_order(struct load *load, const struct load_value *value, const char *name,
                        const struct load_value *floor, const char *floor_name)
{
    if (value->is_valid && floor->is_valid && value->number < floor->number)
        load_complain(load, value->token, "inconsistent", "\"%s\" must be at least \"%s\"", name, floor_name);
}

/* ---- costs ------------------------------------------------------------------------------------------------------- */

/* The words of fields.def: fixed and, for budgets, usage. */
static enum cost_source cost_source_of(const struct load *load, const struct load_value *source)
{
    if (source->number >= 0)
        return source->number == 0 ? COST_SOURCE_FIXED : COST_SOURCE_USAGE;
    return load->keys.items[source->descriptor].source == DESCRIPTOR_HEADER ? COST_SOURCE_HEADER : COST_SOURCE_QUERY;
}

static struct cost cost_of(const struct load *load, const struct load_value *source, const struct load_value *fixed,
                           const struct load_value *standard)
{
    return (struct cost){
        .source = source->is_valid ? cost_source_of(load, source) : COST_SOURCE_FIXED,
        .descriptor = source->descriptor,
        .fixed = fixed->number,
        .standard = standard->number,
    };
}

/* ---- metering -------------------------------------------------------------------------------------------------- */

static bool is_true(const struct load_record *record, enum field field)
{
    return get(record, field)->number == 1;
}

/* The object in VALUE, or what holds when it is not given. */
static void read_or_leave_out(struct load *load, enum object object, const struct load_value *value,
                              struct load_record *record)
{
    if (!value->is_valid || !load_object_read(load, object, value->token, record))
        load_object_leave_out(object, record);
}

static struct metering read_metering(struct load *load, const struct load_value *source,
                                     const struct load_value *streaming)
{
    struct load_record tokens, streams;

    read_or_leave_out(load, OBJECT_token_source, source, &tokens);
    read_or_leave_out(load, OBJECT_streaming, streaming, &streams);
    return (struct metering){
        .takes_hint = is_true(&tokens, FIELD_token_source_estimator),
        .requests_usage = is_true(&tokens, FIELD_token_source_request_usage),
        .counts_streams = is_true(&streams, FIELD_streaming_enabled),
        .cuts_streams = is_true(&streams, FIELD_streaming_enabled) && is_true(&streams, FIELD_streaming_enforce_mid_stream),
        .buffer_tokens = get(&streams, FIELD_streaming_buffer_tokens)->number,
        .stream_end = (enum stream_end)get(&streams, FIELD_streaming_on_limit_exceeded)->number,
        .shows_partial_usage = is_true(&streams, FIELD_streaming_include_partial_usage),
        .drains = get(&streams, FIELD_streaming_on_client_gone)->number == 0,
        .drain_ms = get(&streams, FIELD_streaming_drain_seconds)->number * 1000,
    };
}

/* ---- token_bucket ---------------------------------------------------------------------------------------------- */

static void read_token_bucket(struct load *load, const struct load_record *record, struct rule *rule)
{
    const struct load_value *rate = get(record, FIELD_token_bucket_tokens_per_second);
    const struct load_value *burst = get(record, FIELD_token_bucket_burst);

    check_order(load, burst, "burst", rate, "tokens_per_second");
    rule->config.token_bucket = (struct token_bucket){
        .rate = rate->number,
        .burst = burst->number,
        .cost = cost_of(load, get(record, FIELD_token_bucket_cost_source), get(record, FIELD_token_bucket_fixed_cost),
                        get(record, FIELD_token_bucket_default_cost)),
    };
}

/* ---- cost_based ------------------------------------------------------------------------------------------------ */

static void check_delay(struct load *load, const struct load_record *action)
{
    const struct load_value *kind = get(action, FIELD_staged_action_action);
    const struct load_value *delay = get(action, FIELD_staged_action_delay_ms);
    bool is_throttle = kind->is_valid && slice_equal(kind->text, SLICE("throttle"));

    if (!kind->is_valid)
        return;
    if (is_throttle && !delay->is_given)
        load_complain(load, action->token, "missing_field",
                      "a staged action that throttles needs the field \"delay_ms\", which is missing");
    if (!is_throttle && delay->is_given)
        load_complain(load, delay->name, "inconsistent", "\"delay_ms\" has no meaning unless the action is throttle");
}

/* Part of BUDGET, rounded up: an action never comes early. */
static int64_t part_of(int64_t budget, int64_t percent)
{
    return (int64_t)(((__int128)budget * percent + PERCENT_100 - 1) / PERCENT_100);
}

static void add_stage(struct cost_budget *budget, struct budget_stage *stage, int64_t percent, enum budget_action action,
                      const struct load_value *delay)
{
    if (action == BUDGET_REJECT)
        return;
    *stage = (struct budget_stage){
        .from = part_of(budget->budget, percent),
        .action = action,
        .delay_ms = delay->is_valid ? delay->number : 0,
    };
    budget->stage_count++;
}

static void read_staged_actions(struct load *load, uint32_t list, struct cost_budget *budget)
{
    struct budget_stage *stages = load_take(load, json_count(load->json, list), sizeof(*stages));
    int64_t last = -1;
    bool has_reject = false;

    budget->stages = stages;
    if (!stages)
        return;

    for (uint32_t token = json_first(load->json, list); token != JSON_NONE; token = json_next(load->json, token)) {
        const struct load_value *threshold, *kind;
        struct load_record action;

        if (!load_object_read(load, OBJECT_staged_action, token, &action))
            continue;
        check_delay(load, &action);
        threshold = get(&action, FIELD_staged_action_threshold_percent);
        kind = get(&action, FIELD_staged_action_action);
        has_reject = has_reject || (kind->is_given && !kind->is_valid); /* it may be the one, misspelt: that was told */
        if (!threshold->is_valid)
            continue;
        if (threshold->number <= last)
            load_complain(load, threshold->token, "inconsistent",
                          "\"threshold_percent\" must be greater than that of the action before");
        last = threshold->number;
        if (kind->is_valid)
            add_stage(budget, &stages[budget->stage_count], threshold->number, (enum budget_action)kind->number,
                      get(&action, FIELD_staged_action_delay_ms));
        if (!kind->is_valid || !slice_equal(kind->text, SLICE("reject")))
            continue;
        if (threshold->number != PERCENT_100)
            load_complain(load, threshold->token, "inconsistent",
                          "the action reject must have the threshold_percent 100");
        has_reject = true;
    }
    if (!has_reject)
        load_complain(load, list, "inconsistent", "\"staged_actions\" needs one action reject at 100 percent: " LOAD_LAST_STAGE);
}

static const char *zone_of(struct load *load, const struct load_value *zone)
{
    char *name;

    if (!zone->is_valid)
        return "";
    name = load_take(load, zone->text.size + 1, 1);
    if (!name)
        return "";
    memcpy(name, zone->text.data, zone->text.size);
    if (!calendar_has_zone(name))
        load_complain(load, zone->token, "bad_value",
                      "the system does not know the time zone \"%s\"; use an IANA name such as Europe/Berlin, and see that "
                      "the package tzdata is installed",
                      name);
    return name;
}

static void read_cost_based(struct load *load, const struct load_record *record, struct rule *rule)
{
    const struct load_value *actions = get(record, FIELD_cost_based_staged_actions);
    const struct load_value *source = get(record, FIELD_cost_based_cost_key);
    struct cost_budget *budget = &rule->config.cost_budget;

    *budget = (struct cost_budget){
        .budget = get(record, FIELD_cost_based_budget)->number,
        .period = (enum calendar_period)get(record, FIELD_cost_based_period)->number,
        .zone = zone_of(load, get(record, FIELD_cost_based_timezone)),
        .cost = cost_of(load, source, get(record, FIELD_cost_based_fixed_cost),
                        get(record, FIELD_cost_based_default_cost)),
        .unpriced = (enum unpriced)get(record, FIELD_cost_based_unpriced)->number,
    };
    load->bundle->uses_body |= budget->cost.source == COST_SOURCE_USAGE;
    budget->metering = read_metering(load, get(record, FIELD_cost_based_token_source),
                                     get(record, FIELD_cost_based_streaming));
    if (actions->is_valid)
        read_staged_actions(load, actions->token, budget);
}

/* ---- token_bucket_llm ------------------------------------------------------------------------------------------ */

static int64_t number_of(const struct load_value *value)
{
    return value->is_valid ? value->number : 0;
}

static void read_token_bucket_llm(struct load *load, const struct load_record *record, struct rule *rule)
{
    const struct load_value *minute = get(record, FIELD_token_bucket_llm_tokens_per_minute);
    const struct load_value *day = get(record, FIELD_token_bucket_llm_tokens_per_day);
    const struct load_value *burst = get(record, FIELD_token_bucket_llm_burst_tokens);
    struct token_budget *budget = &rule->config.token_budget;

    if (!minute->is_given && !day->is_given && !minute->is_misspelt && !day->is_misspelt)
        load_complain(load, record->token, "missing_field",
                      "%s needs \"tokens_per_minute\" or \"tokens_per_day\", and both are missing",
                      fields_objects[record->object].title);
    if (burst->is_given && !minute->is_given && !minute->is_misspelt)
        load_complain(load, burst->name, "inconsistent",
                      "\"burst_tokens\" has no meaning without \"tokens_per_minute\"");
    check_order(load, burst, "burst_tokens", minute, "tokens_per_minute");
    *budget = (struct token_budget){
        .per_minute = number_of(minute),
        .burst = burst->is_valid ? burst->number : number_of(minute),
        .per_day = number_of(day),
        .max_per_request = number_of(get(record, FIELD_token_bucket_llm_max_tokens_per_request)),
        .max_prompt = number_of(get(record, FIELD_token_bucket_llm_max_prompt_tokens)),
        .max_completion = number_of(get(record, FIELD_token_bucket_llm_max_completion_tokens)),
        .default_completion = number_of(get(record, FIELD_token_bucket_llm_default_max_completion)),
        .clamps = is_true(record, FIELD_token_bucket_llm_clamp_completion),
        .metering = read_metering(load, get(record, FIELD_token_bucket_llm_token_source),
                                  get(record, FIELD_token_bucket_llm_streaming)),
    };
    load->bundle->uses_body = true;
    load->bundle->clamps |= budget->clamps;
}

/* ---- concurrency ------------------------------------------------------------------------------------------------- */

static void read_concurrency(struct load *load, const struct load_record *record, struct rule *rule)
{
    (void)load;
    rule->config.concurrency = (struct concurrency){
        .max_in_flight = get(record, FIELD_concurrency_max_in_flight)->number,
        .ttl_ns = get(record, FIELD_concurrency_ttl_seconds)->number * NANOSECONDS_PER_SECOND,
    };
}

/* ---- all ------------------------------------------------------------------------------------------------------- */

/* One row for each enum algorithm, which is also the order of the words in fields.def. */
static const struct algorithm_row {
    enum object config;
    enum field repeated;
    void (*read)(struct load *load, const struct load_record *record, struct rule *rule);
} algorithms[] = {
    [ALGORITHM_TOKEN_BUCKET] = {OBJECT_token_bucket, FIELD_token_bucket_algorithm, read_token_bucket},
    [ALGORITHM_COST_BASED] = {OBJECT_cost_based, FIELD_cost_based_algorithm, read_cost_based},
    [ALGORITHM_TOKEN_BUCKET_LLM] = {OBJECT_token_bucket_llm, FIELD_token_bucket_llm_algorithm, read_token_bucket_llm},
    [ALGORITHM_CONCURRENCY] = {OBJECT_concurrency, FIELD_concurrency_algorithm, read_concurrency},
};

void load_algorithm_read(struct load *load, const struct load_value *algorithm, uint32_t token, struct rule *rule)
{
    const struct algorithm_row *row = &algorithms[algorithm->number];
    const struct load_value *repeated;
    struct load_record record;

    rule->algorithm = (enum algorithm)algorithm->number;
    if (!load_object_read(load, row->config, token, &record))
        return;
    repeated = get(&record, row->repeated);
    if (repeated->is_valid && !slice_equal(repeated->text, algorithm->text))
        load_complain(load, repeated->token, "inconsistent",
                      "\"algorithm\" is \"%.*s\" here but \"%.*s\" beside algorithm_config; leave it out here",
                      SHOWN(repeated->text), SHOWN(algorithm->text));
    row->read(load, &record, rule);
}
