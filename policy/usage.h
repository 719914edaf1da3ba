/* SPDX-License-Identifier: MPL-2.0
 *
 * What a request to a model really used, in whole tokens, whatever dialect told it.
 */
#ifndef FAIRVISOR_POLICY_USAGE_H
#define FAIRVISOR_POLICY_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct usage {
    int64_t in_total;       /* the whole prompt, cached parts included */
    int64_t in_cached;      /* of in_total: read from a cache of the provider */
    int64_t in_cache_write; /* of in_total: written to one; priced as input */
    int64_t out_total;      /* the whole completion, reasoning included */
    int64_t out_reasoning;  /* of out_total */
};

/* False when a figure is negative or larger than any model takes (ESTIMATE_MOST). */
bool usage_is_possible(const struct usage *usage);

/* TOKENS, or ESTIMATE_MOST when these are more. */
int64_t usage_most(int64_t tokens);

/* Makes the parts no larger than their whole. Returns whether anything had to be changed. */
bool usage_clamp(struct usage *usage);

#endif
