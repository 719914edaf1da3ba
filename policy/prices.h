/* SPDX-License-Identifier: MPL-2.0
 *
 * What the tokens of a model cost: the compiled price_table. Exact integers all the way; what does not come out even is
 * rounded up, once for each request.
 */
#ifndef FAIRVISOR_POLICY_PRICES_H
#define FAIRVISOR_POLICY_PRICES_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/usage.h"
#include "shm/slice.h"

/* Millionths of the budget's unit for a million tokens. */
struct price {
    int64_t input, cached_input, output;
};

struct price_row {
    struct slice model; /* without the asterisk */
    bool is_prefix;     /* every model that begins so */
    struct price price;
};

struct prices {
    const struct price_row *rows; /* sorted by model, an exact one before the prefix of the same text */
    uint32_t count;
};

/* Sorts ROWS for prices_find. */
void prices_sort(struct price_row *rows, uint32_t count);

/* Price of MODEL: its own row, or else the longest prefix that it begins with. NULL when it has none, or no name. */
const struct price *prices_find(const struct prices *prices, struct slice model);

/* What USAGE costs, in millionths; DECIMAL_MAX when that is more. USAGE is possible and its parts fit their wholes. */
int64_t prices_cost(const struct price *price, const struct usage *usage);

#endif
