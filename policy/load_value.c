/* SPDX-License-Identifier: MPL-2.0
 *
 * Single values, one reader for each type of field.
 */
#include "policy/load_private.h"

#include <inttypes.h>
#include <stdlib.h>

#include "policy/decimal.h"
#include "policy/iso8601.h"
#include "policy/path.h"

void load_value_complain_type(struct load *load, uint32_t token, const char *name, const char *wanted)
{
    load_complain(load, token, "wrong_type", "%s must be %s, not %s", name, wanted,
                  json_type_name(json_type(load->json, token)));
}

static bool has_type(struct load *load, const struct field_row *row, uint32_t token, enum json_type type,
                     const char *wanted)
{
    if (json_type(load->json, token) == type)
        return true;
    load_complain(load, token, "wrong_type", "\"%s\" must be %s, not %s", row->key, wanted,
                  json_type_name(json_type(load->json, token)));
    return false;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

/* What a field counts, by the end of its name; NULL: the name does not say. */
static const char *unit_of(const char *key)
{
    static const struct {
        const char *end, *unit;
    } units[] = {{"_per_second", "how many a second"}, {"rps", "how many a second"},
                 {"_per_minute", "how many a minute"}, {"_per_day", "how many a day"},
                 {"_seconds", "how many seconds"},     {"_minutes", "how many minutes"},
                 {"_ms", "how many milliseconds"},     {"_percent", "how many hundredths"}};
    size_t size = strlen(key);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (size >= strlen(units[i].end) && strcmp(key + size - strlen(units[i].end), units[i].end) == 0)
            return units[i].unit;
    return NULL;
}

/* Whoever writes "5r/s" or "10m" must be told what the number counts. */
static bool is_number(struct load *load, const struct field_row *row, uint32_t token, const char *wanted)
{
    const char *unit = unit_of(row->key);

    if (!unit || json_type(load->json, token) != JSON_STRING)
        return has_type(load, row, token, JSON_NUMBER, wanted);
    load_complain(load, token, "wrong_type", "\"%s\" must be %s, not a string: %s", row->key, wanted, unit);
    return false;
}

static bool is_in_range(struct load *load, const struct field_row *row, uint32_t token, int64_t number, int64_t unit)
{
    char least[DECIMAL_TEXT_SIZE], most[DECIMAL_TEXT_SIZE];

    if (number >= row->least && number <= row->most)
        return true;
    decimal_print(row->least * unit, least);
    decimal_print(row->most * unit, most);
    if (number < row->least && row->least == 1 && unit == 1)
        load_complain(load, token, "out_of_range", "\"%s\" must be greater than 0", row->key);
    else if (number < row->least)
        load_complain(load, token, "out_of_range", "\"%s\" must be at least %s", row->key, least);
    else
        load_complain(load, token, "out_of_range", "\"%s\" must be at most %s", row->key, most);
    return false;
}

static bool read_decimal(struct load *load, const struct field_row *row, uint32_t token, int64_t *millionths)
{
    switch (decimal_parse(json_raw(load->json, token), millionths)) {
    case DECIMAL_OK:
        return true;
    case DECIMAL_NOT_EXACT:
        load_complain(load, token, "not_exact",
                      "\"%s\" has more than six decimal places; amounts are kept in millionths", row->key);
        return false;
    case DECIMAL_TOO_LARGE:
    case DECIMAL_MALFORMED:
        break;
    }
    load_complain(load, token, "out_of_range", "\"%s\" is too large; 2^53 millionths, 9007199254.740992, are the limit",
                  row->key);
    return false;
}

static bool read_amount(struct load *load, const struct field_row *row, struct load_value *value)
{
    return is_number(load, row, value->token, "a number") &&
           read_decimal(load, row, value->token, &value->number) &&
           is_in_range(load, row, value->token, value->number, 1);
}

static bool read_integer(struct load *load, const struct field_row *row, struct load_value *value)
{
    int64_t millionths;

    if (!is_number(load, row, value->token, "a whole number") ||
        !read_decimal(load, row, value->token, &millionths))
        return false;
    if (millionths % BUNDLE_MILLIONTHS != 0) {
        load_complain(load, value->token, "not_exact", "\"%s\" must be a whole number", row->key);
        return false;
    }
    value->number = millionths / BUNDLE_MILLIONTHS;
    return is_in_range(load, row, value->token, value->number, BUNDLE_MILLIONTHS);
}

static bool read_boolean(struct load *load, const struct field_row *row, struct load_value *value)
{
    if (!has_type(load, row, value->token, JSON_BOOLEAN, "true or false"))
        return false;
    value->number = slice_equal(json_raw(load->json, value->token), SLICE("true"));
    return true;
}

/* ---- texts ----------------------------------------------------------------------------------------------------- */

bool load_value_text(struct load *load, uint32_t token, const char *name, int64_t least, int64_t most,
                     struct slice *text)
{
    if (json_type(load->json, token) != JSON_STRING) {
        load_complain(load, token, "wrong_type", "\"%s\" must be a string, not %s", name,
                      json_type_name(json_type(load->json, token)));
        return false;
    }
    if (!load_text(load, token, text))
        return false;
    if (text->size < (size_t)least) {
        load_complain(load, token, "out_of_range", "\"%s\" must not be empty", name);
        return false;
    }
    if (text->size > (size_t)most) {
        load_complain(load, token, "out_of_range", "\"%s\" must have at most %" PRId64 " bytes", name, most);
        return false;
    }
    for (size_t i = 0; i < text->size; i++) {
        unsigned char c = (unsigned char)text->data[i];

        if (c < 0x20 || c == 0x7F) {
            load_complain(load, token, "bad_text", "\"%s\" must not hold control characters", name);
            return false;
        }
    }
    return true;
}

static bool read_text(struct load *load, const struct field_row *row, struct load_value *value)
{
    return load_value_text(load, value->token, row->key, row->least, row->most, &value->text);
}

static bool read_name(struct load *load, const struct field_row *row, struct load_value *value)
{
    if (!read_text(load, row, value))
        return false;
    for (size_t i = 0; i < value->text.size; i++) {
        if ((unsigned char)value->text.data[i] > 0x7E) {
            load_complain(load, value->token, "bad_text",
                          "\"%s\" must be printable ASCII: it is shown in response headers", row->key);
            return false;
        }
    }
    return true;
}

static bool read_time(struct load *load, const struct field_row *row, struct load_value *value)
{
    if (!has_type(load, row, value->token, JSON_STRING, "a string"))
        return false;
    if (iso8601_parse(json_raw(load->json, value->token), &value->number))
        return true;
    load_complain(load, value->token, "bad_time",
                  "\"%s\" must be a time in UTC of the form 2026-01-01T00:00:00Z, without fractions of a second",
                  row->key);
    return false;
}

char load_value_find_pattern(struct slice path, const char *marks)
{
    for (size_t i = 0; i < path.size; i++)
        if (strchr(marks, path.data[i]) || (path.data[i] == ':' && i > 0 && path.data[i - 1] == '/'))
            return path.data[i];
    return '\0';
}

bool load_value_check_path(struct load *load, uint32_t token, const char *name, struct slice text)
{
    struct slice normal;
    char *buffer;
    bool is_normal;

    if (text.size == 0 || text.data[0] != '/') {
        load_complain(load, token, "bad_path", "\"%s\" must start with /", name);
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '?' || text.data[i] == '#' || text.data[i] <= 0x20 || text.data[i] >= 0x7F) {
            load_complain(load, token, "bad_path",
                          "\"%s\" must be printable ASCII without ? and #; write other characters as %%XX", name);
            return false;
        }
    }
    buffer = malloc(PATH_NORMAL_SIZE(text.size));
    if (!buffer) {
        load->is_out_of_memory = true;
        return false;
    }
    normal = path_normalize(text, buffer);
    is_normal = slice_equal(normal, text);
    if (!is_normal)
        load_complain(load, token, "bad_path",
                      "\"%s\" can match no request, for paths are normalized before they are compared; write \"%.*s\"",
                      name, SHOWN(normal));
    free(buffer);
    return is_normal;
}

static bool read_path(struct load *load, const struct field_row *row, struct load_value *value)
{
    return read_text(load, row, value) && load_value_check_path(load, value->token, row->key, value->text);
}

/* ---- words and keys -------------------------------------------------------------------------------------------- */

static bool read_word(struct load *load, const struct field_row *row, struct load_value *value)
{
    if (!has_type(load, row, value->token, JSON_STRING, "a string") || !load_text(load, value->token, &value->text))
        return false;
    value->number = load_word_index(row->words, value->text);
    if (value->number < 0)
        load_word_complain(load, row, value->token, value->text, "");
    return value->number >= 0;
}

static bool read_repeated(struct load *load, const struct field_row *row, struct load_value *value)
{
    return has_type(load, row, value->token, JSON_STRING, "a string") && load_text(load, value->token, &value->text);
}

static bool read_key(struct load *load, const struct field_row *row, struct load_value *value)
{
    return has_type(load, row, value->token, JSON_STRING, "a string") &&
           load_key_read(load, value->token, &value->descriptor);
}

static bool read_cost_source(struct load *load, const struct field_row *row, struct load_value *value)
{
    if (!read_text(load, row, value))
        return false;
    value->number = load_word_index(row->words, value->text);
    if (value->number >= 0)
        return true;
    if (slice_has_prefix(value->text, SLICE("header:")) || slice_has_prefix(value->text, SLICE("query:")))
        return load_key_read(load, value->token, &value->descriptor);
    load_word_complain(load, row, value->token, value->text, " header:NAME query:NAME");
    return false;
}

/* ---- lists and objects: their insides are read by whoever knows what they are ---------------------------------- */

static bool has_count(struct load *load, const struct field_row *row, uint32_t token)
{
    uint32_t count = json_count(load->json, token);

    if (count < (uint64_t)row->least)
        load_complain(load, token, "out_of_range", "\"%s\" must not be empty", row->key);
    else if (count > (uint64_t)row->most)
        load_complain(load, token, "out_of_range", "\"%s\" must have at most %" PRId64 " entries, not %u", row->key,
                      row->most, count);
    else
        return true;
    return false;
}

static bool read_list(struct load *load, const struct field_row *row, struct load_value *value)
{
    return has_type(load, row, value->token, JSON_ARRAY, "an array") && has_count(load, row, value->token);
}

static bool read_object(struct load *load, const struct field_row *row, struct load_value *value)
{
    return has_type(load, row, value->token, JSON_OBJECT, "an object");
}

static bool read_match(struct load *load, const struct field_row *row, struct load_value *value)
{
    return read_object(load, row, value) && has_count(load, row, value->token);
}

static bool read_object_map(struct load *load, const struct field_row *row, struct load_value *value)
{
    bool is_fine = read_match(load, row, value);

    for (uint32_t name = is_fine ? json_first(load->json, value->token) : JSON_NONE; name != JSON_NONE;
         name = json_next(load->json, name))
        is_fine &= has_type(load, row, json_value(load->json, name), JSON_OBJECT, "an object of objects");
    return is_fine;
}

bool load_value_read(struct load *load, const struct field_row *row, struct load_value *value)
{
    static bool (*const readers[])(struct load *, const struct field_row *, struct load_value *) = {
        [FIELD_TYPE_AMOUNT] = read_amount,
        [FIELD_TYPE_INTEGER] = read_integer,
        [FIELD_TYPE_BOOLEAN] = read_boolean,
        [FIELD_TYPE_TIME] = read_time,
        [FIELD_TYPE_TEXT] = read_text,
        [FIELD_TYPE_NAME] = read_name,
        [FIELD_TYPE_WORD] = read_word,
        [FIELD_TYPE_REPEATED] = read_repeated,
        [FIELD_TYPE_PATH] = read_path,
        [FIELD_TYPE_KEY] = read_key,
        [FIELD_TYPE_COST_SOURCE] = read_cost_source,
        [FIELD_TYPE_KEYS] = read_list,
        [FIELD_TYPE_METHODS] = read_list,
        [FIELD_TYPE_HOSTS] = read_list,
        [FIELD_TYPE_MATCH] = read_match,
        [FIELD_TYPE_OBJECT] = read_object,
        [FIELD_TYPE_OBJECTS] = read_list,
        [FIELD_TYPE_OBJECT_MAP] = read_object_map,
        [FIELD_TYPE_CONFIG] = read_object,
    };

    return readers[row->type](load, row, value);
}

bool load_value_set_standard(const struct field_row *row, struct load_value *value)
{
    struct slice standard = slice_of(row->standard);
    int64_t millionths;

    if (standard.size == 0)
        return false;
    switch (row->type) {
    case FIELD_TYPE_AMOUNT:
        return decimal_parse(standard, &value->number) == DECIMAL_OK;
    case FIELD_TYPE_INTEGER:
        value->number = decimal_parse(standard, &millionths) == DECIMAL_OK ? millionths / BUNDLE_MILLIONTHS : 0;
        return true;
    case FIELD_TYPE_BOOLEAN:
        value->number = slice_equal(standard, SLICE("true"));
        return true;
    case FIELD_TYPE_WORD:
    case FIELD_TYPE_COST_SOURCE:
        value->number = load_word_index(row->words, standard);
        return value->number >= 0;
    default:
        value->text = standard;
        return true;
    }
}
