/* SPDX-License-Identifier: MPL-2.0
 *
 * Names that a bundle uses, and the end of a bundle.
 */
#include "policy/bundle.h"

#include "policy/region.h"

const struct slice bundle_methods[BUNDLE_METHOD_COUNT] = {
    {"GET", 3},     {"HEAD", 4},    {"POST", 4},  {"PUT", 3},   {"DELETE", 6},
    {"CONNECT", 7}, {"OPTIONS", 7}, {"TRACE", 5}, {"PATCH", 5},
};

uint32_t bundle_method_index(struct slice method)
{
    for (uint32_t i = 0; i < BUNDLE_METHOD_COUNT; i++)
        if (slice_equal(bundle_methods[i], method))
            return i;
    return BUNDLE_NO_INDEX;
}

const char *bundle_algorithm_name(enum algorithm algorithm)
{
    static const char *const names[] = {
        [ALGORITHM_TOKEN_BUCKET] = "token_bucket",
        [ALGORITHM_COST_BASED] = "cost_based",
        [ALGORITHM_TOKEN_BUCKET_LLM] = "token_bucket_llm",
        [ALGORITHM_CONCURRENCY] = "concurrency",
    };

    return names[algorithm];
}

const char *bundle_error_format_name(enum error_format format)
{
    static const char *const names[] = {
        [ERROR_FORMAT_AUTO] = "auto",     [ERROR_FORMAT_OPENAI] = "openai",   [ERROR_FORMAT_ANTHROPIC] = "anthropic",
        [ERROR_FORMAT_GEMINI] = "gemini", [ERROR_FORMAT_MISTRAL] = "mistral", [ERROR_FORMAT_PROBLEM] = "problem",
    };

    return names[format];
}

bool bundle_counts_usage(const struct rule *rule)
{
    return rule->algorithm == ALGORITHM_TOKEN_BUCKET_LLM ||
           (rule->algorithm == ALGORITHM_COST_BASED && rule->config.cost_budget.cost.source == COST_SOURCE_USAGE);
}

bool bundle_policy_counts_usage(const struct policy *policy)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        if (bundle_counts_usage(&policy->rules[i]))
            return true;
    return policy->fallback && bundle_counts_usage(policy->fallback);
}

bool bundle_override_holds(const struct override *override, int64_t now)
{
    return override->is_enabled && now < override->expires_at;
}

void bundle_free(struct bundle *bundle)
{
    if (bundle)
        region_free(bundle->region);
}
