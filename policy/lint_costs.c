/* SPDX-License-Identifier: MPL-2.0
 *
 * Warnings about the figures of a rule: requests that are larger than all that their limit can ever hold.
 */
#include "policy/load_private.h"

#include "policy/decimal.h"
#include "policy/estimate.h"
#include "policy/load.h"
#include "shm/moment.h"

#define LONGEST_DELAY_MS 1500 /* the files in packaging/gateways wait 2 s; what is left is for the verdict and the way */

/* ---- costs that are told or fixed -------------------------------------------------------------------------------- */

static void check_one_cost(struct load *load, uint32_t config, const char *name, int64_t cost, bool is_used, int64_t limit,
                           const char *limit_name)
{
    uint32_t token = lint_member(load, config, name);

    if (is_used && cost > limit)
        load_warn(load, token != JSON_NONE ? token : config, "unmeetable_limit",
                  "\"%s\" is greater than \"%s\", so such a request can never pass", name, limit_name);
    if (!is_used && token != JSON_NONE)
        load_warn(load, token, "unused_field", "\"%s\" has no effect with this source of the cost", name);
}

static void check_costs(struct load *load, uint32_t config, const struct cost *cost, bool uses_standard, int64_t limit,
                        const char *limit_name)
{
    check_one_cost(load, config, "fixed_cost", cost->fixed, cost->source == COST_SOURCE_FIXED, limit, limit_name);
    check_one_cost(load, config, "default_cost", cost->standard, uses_standard, limit, limit_name);
}

static void check_bucket(struct load *load, uint32_t config, const struct rule *rule)
{
    const struct token_bucket *bucket = &rule->config.token_bucket;

    check_costs(load, config, &bucket->cost, bucket->cost.source != COST_SOURCE_FIXED, bucket->burst, "burst");
}

/* ---- money ------------------------------------------------------------------------------------------------------- */

/* What happens to models without a price. */
static void check_unpriced(struct load *load, uint32_t config, const struct cost_budget *budget)
{
    uint32_t unpriced = lint_member(load, config, "unpriced");

    if (budget->cost.source != COST_SOURCE_USAGE) {
        if (unpriced != JSON_NONE)
            load_warn(load, unpriced, "unused_field", "\"unpriced\" has no effect unless \"cost_key\" is usage");
        return;
    }
    if (budget->unpriced == UNPRICED_ALLOW)
        load_warn(load, unpriced, "unpriced_is_free",
                  "a request whose model has no price costs nothing, and the client chooses the model; give each a "
                  "price, or let \"unpriced\" be charge_default or reject");
    if (load->bundle->prices.count == 0)
        load_warn(load, config, "no_prices",
                  "the bundle has no \"price_table\", so no request has a price and \"unpriced\" decides them all");
}

/* The first model of which not even the completion that is reserved for a request without a length has room. */
static void check_dear_models(struct load *load, uint32_t config, const struct cost_budget *budget)
{
    const struct usage standard = {.out_total = ESTIMATE_COMPLETION};
    const struct prices *prices = &load->bundle->prices;

    for (uint32_t i = 0; i < prices->count && budget->cost.source == COST_SOURCE_USAGE; i++) {
        const struct price_row *row = &prices->rows[i];
        char cost[DECIMAL_TEXT_SIZE];

        if (prices_cost(&row->price, &standard) <= budget->budget)
            continue;
        decimal_print(prices_cost(&row->price, &standard), cost);
        load_warn(load, lint_member_or_self(load, config, "budget"), "unmeetable_limit",
                  "a request for \"%.*s%s\" that names no length reserves %d tokens, which cost %s: more than \"budget\", "
                  "so it can never pass",
                  SHOWN(row->model), row->is_prefix ? "*" : "", ESTIMATE_COMPLETION, cost);
        return;
    }
}

/* A gateway that has stopped waiting takes a held answer for a dead service. The reject at the list's end is no stage. */
static void check_delays(struct load *load, uint32_t config, const struct cost_budget *budget)
{
    uint32_t action = json_first(load->json, lint_member(load, config, "staged_actions"));

    for (uint32_t i = 0; i < budget->stage_count; i++, action = json_next(load->json, action))
        if (budget->stages[i].delay_ms > LONGEST_DELAY_MS)
            load_warn(load, lint_member_or_self(load, action, "delay_ms"), LOAD_LONG_DELAY,
                      "the shipped gateway files wait 2 seconds for an answer and take one that is held back longer for a dead "
                      "service: set \"delay_ms\" to %d at most, or the gateway's timeout well above it",
                      LONGEST_DELAY_MS);
}

/* A part of one, where a part of a hundred is meant. */
static void check_stages(struct load *load, uint32_t config)
{
    uint32_t stages = lint_member(load, config, "staged_actions");
    int64_t percent;

    if (stages == JSON_NONE)
        return;
    for (uint32_t stage = json_first(load->json, stages); stage != JSON_NONE; stage = json_next(load->json, stage)) {
        uint32_t token = lint_member(load, stage, "threshold_percent");

        if (token == JSON_NONE || decimal_parse(json_raw(load->json, token), &percent) != DECIMAL_OK || percent <= 0 ||
            percent >= BUNDLE_MILLIONTHS)
            continue;
        load_warn(load, token, "tiny_threshold",
                  "\"threshold_percent\" is in percent, so %.*s is less than a hundredth of the budget; four fifths are 80",
                  SHOWN(json_raw(load->json, token)));
    }
}

static void check_budget(struct load *load, uint32_t config, const struct rule *rule)
{
    const struct cost_budget *budget = &rule->config.cost_budget;
    bool uses_standard = budget->cost.source == COST_SOURCE_USAGE ? budget->unpriced == UNPRICED_CHARGE_DEFAULT
                                                                  : budget->cost.source != COST_SOURCE_FIXED;

    check_costs(load, config, &budget->cost, uses_standard, budget->budget, "budget");
    check_stages(load, config);
    check_unpriced(load, config, budget);
    check_dear_models(load, config, budget);
    check_delays(load, config, budget);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

/* A figure that no request may exceed, or that none can. */
struct ceiling {
    const char *name;
    int64_t most; /* tokens; 0 = there is none */
};

static const struct ceiling *lowest(const struct ceiling *ceilings, size_t count)
{
    const struct ceiling *found = NULL;

    for (size_t i = 0; i < count; i++)
        if (ceilings[i].most > 0 && (!found || ceilings[i].most < found->most))
            found = &ceilings[i];
    return found;
}

static void warn_of_figure(struct load *load, uint32_t config, const struct ceiling *figure,
                           const struct ceiling *ceiling)
{
    if (ceiling && figure->most > ceiling->most)
        load_warn(load, lint_member_or_self(load, config, figure->name), "unmeetable_limit",
                  "\"%s\" is greater than \"%s\", so a request that needs as much can never pass", figure->name,
                  ceiling->name);
}

/* A completion that the reverse proxy shortens is not refused. */
static void check_standard_completion(struct load *load, uint32_t config, const struct token_budget *budget,
                                      const struct ceiling *whole)
{
    uint32_t token = lint_member(load, config, "default_max_completion");
    bool is_too_long = budget->max_completion > 0 && budget->default_completion > budget->max_completion;

    if (token == JSON_NONE)
        token = lint_member_or_self(load, config, "default_max_completion_tokens");
    if (budget->clamps || (!is_too_long && (!whole || budget->default_completion < whole->most)))
        return;
    load_warn(load, token, "unmeetable_limit",
              "a request that names no length reserves \"default_max_completion\", %lld tokens, for its completion, and "
              "\"%s\" %s: it can never pass; set \"default_max_completion\" lower",
              (long long)budget->default_completion, is_too_long ? "max_completion_tokens" : whole->name,
              is_too_long ? "is less" : "has no room for them and a prompt");
}

static void check_tokens(struct load *load, uint32_t config, const struct rule *rule)
{
    const struct token_budget *budget = &rule->config.token_budget;
    bool has_burst = lint_member(load, config, "burst_tokens") != JSON_NONE;
    const struct ceiling ceilings[] = {
        {has_burst ? "burst_tokens" : "tokens_per_minute", budget->burst},
        {"tokens_per_day", budget->per_day},
        {"max_tokens_per_request", budget->max_per_request},
    };
    const struct ceiling parts[] = {{"max_prompt_tokens", budget->max_prompt},
                                    {"max_completion_tokens", budget->max_completion}};
    const struct ceiling *whole = lowest(ceilings, sizeof(ceilings) / sizeof(ceilings[0]));

    warn_of_figure(load, config, &ceilings[2], lowest(ceilings, 2));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        warn_of_figure(load, config, &parts[i], whole);
    check_standard_completion(load, config, budget, whole);
}

/* ---- requests in flight ------------------------------------------------------------------------------------------ */

static void check_flights(struct load *load, uint32_t config, const struct rule *rule)
{
    load_warn(load, config, LOAD_UNSETTLED,
              "behind a gateway, the slot of a request comes back only when something calls POST /v1/settle, or after "
              "\"ttl_seconds\", here %lld: see the README of packaging/gateways for who calls it",
              (long long)(rule->config.concurrency.ttl_ns / NANOSECONDS_PER_SECOND));
}

/* Where streams are not counted, what is left to say is what becomes of an answer whose client has gone. */
static void check_streaming(struct load *load, uint32_t config)
{
    uint32_t streaming = lint_member(load, config, "streaming");
    uint32_t enabled = streaming != JSON_NONE ? lint_member(load, streaming, "enabled") : JSON_NONE;
    bool is_off = enabled != JSON_NONE && slice_equal(json_raw(load->json, enabled), SLICE("false"));

    if (!is_off || lint_member(load, streaming, "on_client_gone") != JSON_NONE ||
        lint_member(load, streaming, "drain_seconds") != JSON_NONE)
        lint_proxy_only(load, config, "streaming");
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

void lint_costs_check(struct load *load, uint32_t token, const struct rule *rule)
{
    static void (*const checks[])(struct load *load, uint32_t config, const struct rule *rule) = {
        [ALGORITHM_TOKEN_BUCKET] = check_bucket,
        [ALGORITHM_COST_BASED] = check_budget,
        [ALGORITHM_TOKEN_BUCKET_LLM] = check_tokens,
        [ALGORITHM_CONCURRENCY] = check_flights,
    };
    uint32_t config = lint_member(load, token, "algorithm_config");

    if (config == JSON_NONE)
        return;
    checks[rule->algorithm](load, config, rule);
    lint_proxy_only(load, config, "clamp_completion");
    check_streaming(load, config);
    lint_proxy_only(load, lint_member(load, config, "token_source"), "request_usage");
}
