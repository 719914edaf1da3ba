/* SPDX-License-Identifier: MPL-2.0
 *
 * Comparing two rules of one name: whom they cover, and every figure of their algorithm.
 */
#include "policy/difference_private.h"
#include "shm/moment.h"

static struct slice key_text(const struct bundle *bundle, uint32_t descriptor)
{
    return bundle->descriptors[descriptor].text;
}

/* ---- whom a rule is about ---------------------------------------------------------------------------------------- */

static struct slice tell_keys(struct difference_work *work, const struct bundle *bundle, const struct rule *rule)
{
    struct difference_text text = {.work = work};

    for (uint32_t i = 0; i < rule->key_count; i++) {
        if (i > 0)
            difference_text_add(&text, SLICE(", "));
        difference_text_add(&text, key_text(bundle, rule->keys[i]));
    }
    return rule->key_count > 0 ? difference_text_take(&text) : SLICE("all requests together");
}

struct slice difference_rule_tell(struct difference_work *work, const struct bundle *bundle, const struct rule *rule)
{
    struct difference_text text = {.work = work};

    difference_text_add(&text, slice_of(bundle_algorithm_name(rule->algorithm)));
    difference_text_add(&text, rule->key_count > 0 ? SLICE(" for each ") : SLICE(" for "));
    difference_text_add(&text, tell_keys(work, bundle, rule));
    return difference_text_take(&text);
}

static bool has_key(const struct bundle *bundle, const struct rule *rule, struct slice key)
{
    for (uint32_t i = 0; i < rule->key_count; i++)
        if (slice_equal(key_text(bundle, rule->keys[i]), key))
            return true;
    return false;
}

/* Every key of PART is one of WHOLE. */
static bool keys_cover(const struct bundle *bundle, const struct rule *whole, const struct bundle *part_bundle,
                       const struct rule *part)
{
    for (uint32_t i = 0; i < part->key_count; i++)
        if (!has_key(bundle, whole, key_text(part_bundle, part->keys[i])))
            return false;
    return true;
}

/* More keys make more and smaller groups, each with a budget of its own. The order counts only to the counters. */
static void compare_keys(struct difference_work *work, const struct rule *before, const struct rule *after)
{
    struct slice texts[2] = {tell_keys(work, work->before, before), tell_keys(work, work->after, after)};
    enum difference_extent extent = difference_extent_of(keys_cover(work->after, after, work->before, before),
                                                         keys_cover(work->before, before, work->after, after));
    enum difference_effect effect = extent == EXTENT_WIDER      ? DIFFERENCE_LOOSER
                                    : extent == EXTENT_NARROWER ? DIFFERENCE_STRICTER
                                                                : DIFFERENCE_OTHER;

    difference_add_identity(work, "limit_keys", texts[0], texts[1], effect);
}

static bool has_condition(const struct bundle *bundle, const struct rule *rule, struct slice key, struct slice value)
{
    for (uint32_t i = 0; i < rule->condition_count; i++)
        if (slice_equal(key_text(bundle, rule->conditions[i].descriptor), key) &&
            slice_equal(rule->conditions[i].value, value))
            return true;
    return false;
}

/* Every request of PART is one of WIDE: it demands all that WIDE demands. */
static bool match_covers(const struct bundle *bundle, const struct rule *wide, const struct bundle *part_bundle,
                         const struct rule *part)
{
    for (uint32_t i = 0; i < wide->condition_count; i++)
        if (!has_condition(part_bundle, part, key_text(bundle, wide->conditions[i].descriptor),
                           wide->conditions[i].value))
            return false;
    return true;
}

static struct slice tell_match(struct difference_work *work, const struct bundle *bundle, const struct rule *rule)
{
    struct difference_text text = {.work = work};

    for (uint32_t i = 0; i < rule->condition_count; i++) {
        if (i > 0)
            difference_text_add(&text, SLICE(" and "));
        difference_text_add(&text, key_text(bundle, rule->conditions[i].descriptor));
        difference_text_add(&text, SLICE(" = "));
        difference_text_add(&text, rule->conditions[i].value);
    }
    return rule->condition_count > 0 ? difference_text_take(&text) : SLICE("every request");
}

static void compare_matches(struct difference_work *work, const struct rule *before, const struct rule *after)
{
    enum difference_extent extent = difference_extent_of(match_covers(work->after, after, work->before, before),
                                                         match_covers(work->before, before, work->after, after));

    if (extent != EXTENT_SAME)
        difference_add_extent(work, "match", extent, tell_match(work, work->before, before),
                              tell_match(work, work->after, after));
}

/* How much a request without the keys has to fear. */
static int missing_rank(enum on_missing on_missing)
{
    return on_missing == ON_MISSING_SKIP ? 0 : on_missing == ON_MISSING_SHARE ? 1 : 2;
}

static void compare_missing(struct difference_work *work, const struct rule *before, const struct rule *after)
{
    bool is_stricter = missing_rank(after->on_missing) > missing_rank(before->on_missing);

    difference_add_word(work, FIELD_rule_on_missing, (int)before->on_missing, (int)after->on_missing,
                        is_stricter ? DIFFERENCE_STRICTER : DIFFERENCE_LOOSER);
    difference_add_word(work, FIELD_rule_on_full, before->admits_when_full, after->admits_when_full,
                        after->admits_when_full ? DIFFERENCE_LOOSER : DIFFERENCE_STRICTER);
}

/* ---- algorithms -------------------------------------------------------------------------------------------------- */

static struct slice tell_cost(const struct bundle *bundle, const struct cost *cost)
{
    if (cost->source == COST_SOURCE_USAGE)
        return SLICE("usage");
    return cost->source == COST_SOURCE_FIXED ? SLICE("fixed") : key_text(bundle, cost->descriptor);
}

static void compare_costs(struct difference_work *work, const char *source, const struct cost *before,
                          const struct cost *after)
{
    struct slice texts[2] = {tell_cost(work->before, before), tell_cost(work->after, after)};

    difference_add_text(work, source, texts[0], texts[1], DIFFERENCE_OTHER);
    if (!slice_equal(texts[0], texts[1]))
        return;
    if (before->source == COST_SOURCE_FIXED)
        difference_add_amount(work, "fixed_cost", before->fixed, after->fixed, MORE_IS_STRICTER, false);
    else
        difference_add_amount(work, "default_cost", before->standard, after->standard, MORE_IS_STRICTER, false);
}

static void compare_buckets(struct difference_work *work, const struct token_bucket *before,
                            const struct token_bucket *after)
{
    difference_add_amount(work, "tokens_per_second", before->rate, after->rate, MORE_IS_LOOSER, false);
    difference_add_amount(work, "burst", before->burst, after->burst, MORE_IS_LOOSER, false);
    compare_costs(work, "cost_source", &before->cost, &after->cost);
}

static struct slice tell_stages(struct difference_work *work, const struct cost_budget *budget)
{
    struct difference_text text = {.work = work};

    for (uint32_t i = 0; i < budget->stage_count; i++) {
        const struct budget_stage *stage = &budget->stages[i];

        difference_text_amount(&text, stage->action == BUDGET_WARN ? "warn from " : "throttle from ", stage->from);
        if (stage->action == BUDGET_THROTTLE)
            difference_text_amount(&text, " by ms ", stage->delay_ms * BUNDLE_MILLIONTHS);
        difference_text_add(&text, SLICE(", "));
    }
    difference_text_add(&text, SLICE("reject at 100 %"));
    return difference_text_take(&text);
}

/* In parts of the budget, as they are written: a larger budget alone moves no stage. */
static bool has_same_stages(const struct cost_budget *before, const struct cost_budget *after)
{
    if (before->stage_count != after->stage_count)
        return false;
    for (uint32_t i = 0; i < before->stage_count; i++) {
        const struct budget_stage *a = &before->stages[i], *b = &after->stages[i];
        __int128 apart = (__int128)a->from * after->budget - (__int128)b->from * before->budget;

        /* What a stage begins at was rounded to a millionth. */
        if (a->action != b->action || a->delay_ms != b->delay_ms || apart > (__int128)before->budget + after->budget ||
            -apart > (__int128)before->budget + after->budget)
            return false;
    }
    return true;
}

static void compare_metering(struct difference_work *work, const struct metering *before, const struct metering *after)
{
    difference_add_word(work, FIELD_token_source_estimator, before->takes_hint, after->takes_hint, DIFFERENCE_OTHER);
    difference_add_switch(work, "request_usage", before->requests_usage, after->requests_usage);
    difference_add_switch(work, "streaming enabled", before->counts_streams, after->counts_streams);
    difference_add_switch(work, "enforce_mid_stream", before->cuts_streams, after->cuts_streams);
    difference_add_count(work, "buffer_tokens", before->buffer_tokens, after->buffer_tokens, MORE_IS_OTHER, false);
    difference_add_word(work, FIELD_streaming_on_limit_exceeded, (int)before->stream_end, (int)after->stream_end,
                        DIFFERENCE_OTHER);
    difference_add_switch(work, "include_partial_usage", before->shows_partial_usage, after->shows_partial_usage);
    difference_add_word(work, FIELD_streaming_on_client_gone, !before->drains, !after->drains, DIFFERENCE_OTHER);
    difference_add_count(work, "drain_seconds", before->drain_ms / 1000, after->drain_ms / 1000, MORE_IS_OTHER, false);
}

static void compare_budgets(struct difference_work *work, const struct cost_budget *before,
                            const struct cost_budget *after)
{
    difference_add_amount(work, "budget", before->budget, after->budget, MORE_IS_LOOSER, false);
    difference_add_word(work, FIELD_cost_based_period, (int)before->period, (int)after->period, DIFFERENCE_OTHER);
    difference_add_text(work, "timezone", slice_of(before->zone[0] ? before->zone : "UTC"),
                        slice_of(after->zone[0] ? after->zone : "UTC"), DIFFERENCE_OTHER);
    compare_costs(work, "cost_key", &before->cost, &after->cost);
    if (before->cost.source == COST_SOURCE_USAGE && after->cost.source == COST_SOURCE_USAGE) {
        difference_add_word(work, FIELD_cost_based_unpriced, (int)before->unpriced, (int)after->unpriced,
                            after->unpriced < before->unpriced ? DIFFERENCE_STRICTER : DIFFERENCE_LOOSER);
        compare_metering(work, &before->metering, &after->metering);
    }
    if (!has_same_stages(before, after))
        difference_add(work, DIFFERENCE_CHANGED, DIFFERENCE_OTHER, "staged_actions", tell_stages(work, before),
                       tell_stages(work, after));
}

static void compare_tokens(struct difference_work *work, const struct token_budget *before,
                           const struct token_budget *after)
{
    const struct {
        const char *subject;
        int64_t before, after;
        enum difference_sense sense;
        bool has_none;
    } rows[] = {
        {"tokens_per_minute", before->per_minute, after->per_minute, MORE_IS_LOOSER, true},
        {"burst_tokens", before->burst, after->burst, MORE_IS_LOOSER, true},
        {"tokens_per_day", before->per_day, after->per_day, MORE_IS_LOOSER, true},
        {"max_tokens_per_request", before->max_per_request, after->max_per_request, MORE_IS_LOOSER, true},
        {"max_prompt_tokens", before->max_prompt, after->max_prompt, MORE_IS_LOOSER, true},
        {"max_completion_tokens", before->max_completion, after->max_completion, MORE_IS_LOOSER, true},
        {"default_max_completion", before->default_completion, after->default_completion, MORE_IS_STRICTER, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        difference_add_count(work, rows[i].subject, rows[i].before, rows[i].after, rows[i].sense, rows[i].has_none);
    difference_add_switch(work, "clamp_completion", before->clamps, after->clamps);
    compare_metering(work, &before->metering, &after->metering);
}

static void compare_flights(struct difference_work *work, const struct concurrency *before,
                            const struct concurrency *after)
{
    difference_add_count(work, "max_in_flight", before->max_in_flight, after->max_in_flight, MORE_IS_LOOSER, false);
    difference_add_count(work, "ttl_seconds", before->ttl_ns / NANOSECONDS_PER_SECOND,
                         after->ttl_ns / NANOSECONDS_PER_SECOND, MORE_IS_STRICTER, false);
}

static void compare_configs(struct difference_work *work, const struct rule *before, const struct rule *after)
{
    switch (before->algorithm) {
    case ALGORITHM_TOKEN_BUCKET:
        compare_buckets(work, &before->config.token_bucket, &after->config.token_bucket);
        break;
    case ALGORITHM_COST_BASED:
        compare_budgets(work, &before->config.cost_budget, &after->config.cost_budget);
        break;
    case ALGORITHM_TOKEN_BUCKET_LLM:
        compare_tokens(work, &before->config.token_budget, &after->config.token_budget);
        break;
    case ALGORITHM_CONCURRENCY:
        compare_flights(work, &before->config.concurrency, &after->config.concurrency);
        break;
    }
}

void difference_rule_compare(struct difference_work *work, const struct rule *before, const struct rule *after)
{
    compare_matches(work, before, after);
    compare_keys(work, before, after);
    compare_missing(work, before, after);
    if (before->algorithm == after->algorithm)
        compare_configs(work, before, after);
    else
        difference_add_identity_word(work, FIELD_rule_algorithm, (int)before->algorithm, (int)after->algorithm,
                                     DIFFERENCE_OTHER);
}
