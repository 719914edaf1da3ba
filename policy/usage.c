/* SPDX-License-Identifier: MPL-2.0
 *
 * Figures of usage: see usage.h.
 */
#include "policy/usage.h"

#include "policy/estimate.h"

static bool is_count(int64_t tokens)
{
    return tokens >= 0 && tokens <= ESTIMATE_MOST;
}

bool usage_is_possible(const struct usage *usage)
{
    return is_count(usage->in_total) && is_count(usage->in_cached) && is_count(usage->in_cache_write) &&
           is_count(usage->out_total) && is_count(usage->out_reasoning);
}

int64_t usage_most(int64_t tokens)
{
    return tokens > ESTIMATE_MOST ? ESTIMATE_MOST : tokens;
}

static bool clamp(int64_t *part, int64_t whole)
{
    if (*part <= whole)
        return false;
    *part = whole;
    return true;
}

bool usage_clamp(struct usage *usage)
{
    bool is_changed = clamp(&usage->in_cached, usage->in_total);

    is_changed |= clamp(&usage->in_cache_write, usage->in_total - usage->in_cached);
    is_changed |= clamp(&usage->out_reasoning, usage->out_total);
    return is_changed;
}
