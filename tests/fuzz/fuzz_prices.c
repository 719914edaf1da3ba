/* SPDX-License-Identifier: MPL-2.0
 *
 * Patterns of a price table: the first line is the model that is asked for, the others rows, a '*' at the end for a prefix. The search
 * finds the row that a walk over all of them finds.
 */
#include "policy/prices.h"
#include "tests/fuzz/entry.h"

#define MAX_ROWS 64

static bool has_row(const struct price_row *rows, uint32_t count, struct price_row row)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal(rows[i].model, row.model) && rows[i].is_prefix == row.is_prefix)
            return true;
    return false;
}

static const struct price_row *walk(const struct price_row *rows, uint32_t count, struct slice model)
{
    const struct price_row *best = NULL;

    for (uint32_t i = 0; i < count; i++) {
        if (!rows[i].is_prefix && slice_equal(rows[i].model, model))
            return &rows[i];
        if (rows[i].is_prefix && slice_has_prefix(model, rows[i].model) && (!best || rows[i].model.size > best->model.size))
            best = &rows[i];
    }
    return best;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = entry_copy(data, size), rest = text, model = entry_line(&rest);
    struct price_row rows[MAX_ROWS];
    struct prices prices = {.rows = rows};
    const struct price_row *expected;
    const struct price *found;

    while (rest.size > 0 && prices.count < MAX_ROWS) {
        struct slice line = entry_line(&rest);
        struct price_row row = {.model = line, .price = {prices.count, 0, 0}};

        row.is_prefix = line.size > 0 && line.data[line.size - 1] == '*';
        row.model.size -= row.is_prefix;
        if ((line.size > 0) && !has_row(rows, prices.count, row))
            rows[prices.count++] = row;
    }
    prices_sort(rows, prices.count);
    found = prices_find(&prices, model);
    expected = model.size > 0 ? walk(rows, prices.count, model) : NULL;
    MUST(found == (expected ? &expected->price : NULL));
    entry_free(text);
    return 0;
}
