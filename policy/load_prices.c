/* SPDX-License-Identifier: MPL-2.0
 *
 * The price_table: model names, or their beginnings with an asterisk behind, and what their tokens cost.
 */
#include "policy/load_private.h"

#define MODEL_MAX 128

/* Cuts the asterisk off. false when the name can be no model's. */
static bool read_model(struct load *load, uint32_t name, struct price_row *row)
{
    const char *star;

    if (!load_value_text(load, name, "a model of price_table", 1, MODEL_MAX, &row->model))
        return false;
    star = memchr(row->model.data, '*', row->model.size);
    if (star && star != row->model.data + row->model.size - 1) {
        load_complain(load, name, "bad_value",
                      "\"%.*s\" has an asterisk that is not at its end; only the end of a model's name can be left open",
                      SHOWN(row->model));
        return false;
    }
    row->is_prefix = star != NULL;
    row->model.size -= row->is_prefix;
    return true;
}

static void read_price(struct load *load, uint32_t name, struct price_row *row)
{
    const struct load_value *cached;
    struct load_record record;

    if (!read_model(load, name, row) || !load_object_read(load, OBJECT_price, json_value(load->json, name), &record))
        return;
    cached = load_object_get(&record, FIELD_price_cached_input);
    row->price.input = load_object_get(&record, FIELD_price_input)->number;
    row->price.cached_input = cached->is_valid ? cached->number : row->price.input;
    row->price.output = load_object_get(&record, FIELD_price_output)->number;
}

void load_prices_read(struct load *load, const struct load_value *table)
{
    uint32_t count = table->is_valid ? json_count(load->json, table->token) : 0, i = 0;
    struct price_row *rows = load_take(load, count, sizeof(*rows));

    if (!rows || count == 0)
        return;
    for (uint32_t name = json_first(load->json, table->token); name != JSON_NONE; name = json_next(load->json, name))
        read_price(load, name, &rows[i++]);
    prices_sort(rows, count);
    load->bundle->prices = (struct prices){rows, count};
}
