/* SPDX-License-Identifier: MPL-2.0
 *
 * What tokens cost, the slow and obvious way.
 */
#include <string.h>

#include "tests/policy/oracle/model_private.h"

#define MILLION 1000000

const struct world_price *model_money_price(const struct world_bundle *bundle, int model)
{
    const char *name = world_models[model];
    const struct world_price *best = NULL;
    size_t longest = 0;

    if (!name)
        return NULL;
    for (int i = 0; i < WORLD_PRICES; i++) {
        size_t size = strlen(world_patterns[i]);
        bool is_prefix = world_patterns[i][size - 1] == '*';

        if (!bundle->prices[i].is_present)
            continue;
        if (!is_prefix && !strcmp(world_patterns[i], name))
            return &bundle->prices[i];
        if (is_prefix && size > longest && !strncmp(world_patterns[i], name, size - 1)) {
            best = &bundle->prices[i];
            longest = size;
        }
    }
    return best;
}

int64_t model_money_cost(const struct world_price *price, int64_t prompt, int64_t cached, int64_t completion)
{
    int64_t for_cached = price->has_cached ? price->cached : price->input;
    __int128 sum;

    if (cached > prompt)
        cached = prompt;
    sum = (__int128)(prompt - cached) * price->input + (__int128)cached * for_cached + (__int128)completion * price->output;
    return (int64_t)(sum / MILLION + (sum % MILLION != 0));
}
