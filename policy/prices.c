/* SPDX-License-Identifier: MPL-2.0
 *
 * The price of a model, found by halves: see prices.h.
 */
#include "policy/prices.h"

#include <stdlib.h>
#include <string.h>

#include "policy/decimal.h"

#define PER_TOKENS 1000000

static int compare(struct slice a, bool a_is_prefix, struct slice b, bool b_is_prefix)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;

    if (order != 0)
        return order;
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return a_is_prefix - b_is_prefix;
}

static int compare_rows(const void *left, const void *right)
{
    const struct price_row *a = left, *b = right;

    return compare(a->model, a->is_prefix, b->model, b->is_prefix);
}

void prices_sort(struct price_row *rows, uint32_t count)
{
    qsort(rows, count, sizeof(*rows), compare_rows);
}

static const struct price *find(const struct prices *prices, struct slice model, bool is_prefix)
{
    struct price_row wanted = {.model = model, .is_prefix = is_prefix};
    const struct price_row *row =
        prices->count > 0 ? bsearch(&wanted, prices->rows, prices->count, sizeof(wanted), compare_rows) : NULL;

    return row ? &row->price : NULL;
}

const struct price *prices_find(const struct prices *prices, struct slice model)
{
    const struct price *price = model.size > 0 ? find(prices, model, false) : NULL;

    for (size_t size = model.size; !price && model.size > 0; size--) {
        price = find(prices, (struct slice){model.data, size}, true);
        if (size == 0)
            break;
    }
    return price;
}

int64_t prices_cost(const struct price *price, const struct usage *usage)
{
    __int128 sum = (__int128)(usage->in_total - usage->in_cached) * price->input +
                   (__int128)usage->in_cached * price->cached_input + (__int128)usage->out_total * price->output;

    sum = (sum + PER_TOKENS - 1) / PER_TOKENS;
    return sum > DECIMAL_MAX ? DECIMAL_MAX : (int64_t)sum;
}
