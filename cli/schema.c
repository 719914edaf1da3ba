/* SPDX-License-Identifier: MPL-2.0
 *
 * From fields.def to a JSON Schema: a definition for each object, a property for each field and each of its other spellings.
 */
#include "cli/schema.h"

#include <inttypes.h>

#include "cli/emit.h"
#include "policy/bundle.h"
#include "policy/decimal.h"
#include "policy/fields.h"

#define KEY_PATTERN                                                                                                    \
    "^((jwt|query):.+|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+|ip:(address|addr|prefix|country|asn|type|tor)|ua:(bot|"        \
    "bot_category)|path|method|host)$"
#define COST_PATTERN   "^(query:.+|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)$"
#define TIME_PATTERN   "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
#define TEXT_PATTERN   "^[^\\u0000-\\u001f\\u007f]*$"
#define NAME_PATTERN   "^[ -~]*$"
#define PATH_PATTERN   "^/[!-\"$->@-~]*$"
#define METHOD_PATTERN "^[A-Z_-]+$"
#define HOST_PATTERN   "^[!$-)+.0->A-\\[\\]-~-]+$"

static void print_number(const char *name, int64_t millionths, FILE *out)
{
    char text[DECIMAL_TEXT_SIZE];

    decimal_print(millionths, text);
    fprintf(out, ",\"%s\":%s", name, text);
}

/* A string of a range of lengths. The loader counts bytes, of which there are never fewer than characters. */
static void print_string(const struct field_row *row, const char *pattern, FILE *out)
{
    fputs("\"type\":\"string\"", out);
    if (row->least > 0)
        fputs(",\"minLength\":1", out);
    fprintf(out, ",\"maxLength\":%" PRId64, row->most);
    emit_json_text(",\"pattern\":", slice_of(pattern), out);
}

static void print_words(const char *words, FILE *out)
{
    const char *separator = "";
    struct slice word;
    size_t at = 0;

    fputs("\"enum\":[", out);
    while (fields_next_word(words, &at, &word)) {
        fputs(separator, out);
        emit_json_string(word, out);
        separator = ",";
    }
    fputc(']', out);
}

/* A list of different strings of at most MOST bytes each. */
static void print_list(const struct field_row *row, int most, const char *pattern, FILE *out)
{
    fprintf(out,
            "\"type\":\"array\",\"minItems\":%" PRId64 ",\"maxItems\":%" PRId64
            ",\"items\":{\"type\":\"string\",\"maxLength\":%d",
            row->least, row->most, most);
    emit_json_text(",\"pattern\":", slice_of(pattern), out);
    fputs("},\"uniqueItems\":true", out);
}

static void print_reference(const char *object, FILE *out)
{
    fprintf(out, "\"$ref\":\"#/definitions/%s\"", object);
}

static void print_range(const struct field_row *row, int64_t unit, FILE *out)
{
    if (row->least == 0 && row->most == 0)
        return;
    print_number("minimum", row->least * unit, out);
    print_number("maximum", row->most * unit, out);
}

/* ---- one for each type of field: see fields.h -------------------------------------------------------------------- */

static void print_amount(const struct field_row *row, FILE *out)
{
    fputs("\"type\":\"number\"", out);
    print_range(row, 1, out);
}

static void print_integer(const struct field_row *row, FILE *out)
{
    fputs("\"type\":\"integer\"", out);
    print_range(row, BUNDLE_MILLIONTHS, out);
}

static void print_boolean(const struct field_row *row, FILE *out)
{
    (void)row;
    fputs("\"type\":\"boolean\"", out);
}

static void print_time(const struct field_row *row, FILE *out)
{
    (void)row;
    fputs("\"type\":\"string\"", out);
    emit_json_text(",\"pattern\":", slice_of(TIME_PATTERN), out);
}

static void print_text(const struct field_row *row, FILE *out)
{
    print_string(row, TEXT_PATTERN, out);
}

static void print_name(const struct field_row *row, FILE *out)
{
    print_string(row, NAME_PATTERN, out);
}

static void print_word(const struct field_row *row, FILE *out)
{
    print_words(row->words, out);
}

/* What it must repeat stands in print_configs. */
static void print_repeated(const struct field_row *row, FILE *out)
{
    (void)row;
    fputs("\"type\":\"string\"", out);
}

static void print_path(const struct field_row *row, FILE *out)
{
    print_string(row, PATH_PATTERN, out);
}

static void print_key(const struct field_row *row, FILE *out)
{
    print_string(row, KEY_PATTERN, out);
}

static void print_cost_source(const struct field_row *row, FILE *out)
{
    fputs("\"anyOf\":[{", out);
    print_words(row->words, out);
    fputs("},{", out);
    print_string(row, COST_PATTERN, out);
    fputs("}]", out);
}

static void print_keys(const struct field_row *row, FILE *out)
{
    print_list(row, 128, KEY_PATTERN, out);
}

static void print_methods(const struct field_row *row, FILE *out)
{
    print_list(row, 32, METHOD_PATTERN, out);
}

static void print_hosts(const struct field_row *row, FILE *out)
{
    print_list(row, 253, HOST_PATTERN, out);
}

static void print_match(const struct field_row *row, FILE *out)
{
    fprintf(out, "\"type\":\"object\",\"maxProperties\":%" PRId64 ",\"propertyNames\":{", row->most);
    emit_json_text("\"pattern\":", slice_of(KEY_PATTERN), out);
    fputs("},\"additionalProperties\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1024", out);
    emit_json_text(",\"pattern\":", slice_of(TEXT_PATTERN), out);
    fputc('}', out);
}

static void print_inner_object(const struct field_row *row, FILE *out)
{
    print_reference(row->words, out);
}

static void print_objects(const struct field_row *row, FILE *out)
{
    fprintf(out, "\"type\":\"array\",\"minItems\":%" PRId64 ",\"maxItems\":%" PRId64 ",\"items\":{", row->least,
            row->most);
    print_reference(row->words, out);
    fputc('}', out);
}

static void print_map(const struct field_row *row, FILE *out)
{
    fprintf(out, "\"type\":\"object\",\"maxProperties\":%" PRId64 ",\"additionalProperties\":{", row->most);
    print_reference(row->words, out);
    fputc('}', out);
}

/* What is in it stands in print_configs. */
static void print_config(const struct field_row *row, FILE *out)
{
    (void)row;
    fputs("\"type\":\"object\"", out);
}

static void print_type(const struct field_row *row, FILE *out)
{
    static void (*const printers[])(const struct field_row *row, FILE *out) = {
        [FIELD_TYPE_AMOUNT] = print_amount,
        [FIELD_TYPE_INTEGER] = print_integer,
        [FIELD_TYPE_BOOLEAN] = print_boolean,
        [FIELD_TYPE_TIME] = print_time,
        [FIELD_TYPE_TEXT] = print_text,
        [FIELD_TYPE_NAME] = print_name,
        [FIELD_TYPE_WORD] = print_word,
        [FIELD_TYPE_REPEATED] = print_repeated,
        [FIELD_TYPE_PATH] = print_path,
        [FIELD_TYPE_KEY] = print_key,
        [FIELD_TYPE_COST_SOURCE] = print_cost_source,
        [FIELD_TYPE_KEYS] = print_keys,
        [FIELD_TYPE_METHODS] = print_methods,
        [FIELD_TYPE_HOSTS] = print_hosts,
        [FIELD_TYPE_MATCH] = print_match,
        [FIELD_TYPE_OBJECT] = print_inner_object,
        [FIELD_TYPE_OBJECTS] = print_objects,
        [FIELD_TYPE_OBJECT_MAP] = print_map,
        [FIELD_TYPE_CONFIG] = print_config,
    };

    printers[row->type](row, out);
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

/* Draft 7 passes over whatever stands beside a $ref. */
static void print_property(const char *key, const struct field_row *row, const char *separator, FILE *out)
{
    fprintf(out, "%s\n\"%s\":{", separator, key);
    if (row->type == FIELD_TYPE_OBJECT) {
        fputs("\"allOf\":[{", out);
        print_type(row, out);
        fputs("}]", out);
    } else {
        print_type(row, out);
    }
    emit_json_text(",\"description\":", slice_of(row->prose), out);
    fputc('}', out);
}

static void print_properties(enum object object, FILE *out)
{
    const char *separator = "";

    fputs("\"properties\":{", out);
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++) {
        print_property(fields_table[field].key, &fields_table[field], separator, out);
        separator = ",";
    }
    for (size_t i = 0; i < FIELDS_ALIAS_COUNT; i++)
        if (fields_aliases[i].object == object)
            print_property(fields_aliases[i].key, &fields_table[fields_aliases[i].meant], separator, out);
    fputs("}", out);
}

static const struct field_alias *alias_of(enum field field)
{
    for (size_t i = 0; i < FIELDS_ALIAS_COUNT; i++)
        if (fields_aliases[i].meant == field)
            return &fields_aliases[i];
    return NULL;
}

/* One of two spellings is needed; of two, not both. */
static void print_spellings(enum object object, FILE *out)
{
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++) {
        const struct field_alias *alias = alias_of(field);
        const char *key = fields_table[field].key;

        if (alias && fields_table[field].need == FIELD_NEED_REQUIRED)
            fprintf(out, ",{\"oneOf\":[{\"required\":[\"%s\"]},{\"required\":[\"%s\"]}]}", key, alias->key);
        else if (alias)
            fprintf(out, ",{\"not\":{\"required\":[\"%s\",\"%s\"]}}", key, alias->key);
    }
}

static void print_required(enum object object, enum field_need need, FILE *out)
{
    const char *separator = "";

    fputs("\"required\":[", out);
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++) {
        if (fields_table[field].need != need || alias_of(field))
            continue;
        fprintf(out, "%s\"%s\"", separator, fields_table[field].key);
        separator = ",";
    }
    fputs("]", out);
}

static void print_enabled(enum object object, FILE *out)
{
    fputs(",{\"if\":{\"properties\":{\"enabled\":{\"const\":true}},\"required\":[\"enabled\"]},\"then\":{", out);
    print_required(object, FIELD_NEED_ENABLED, out);
    fputs("}}", out);
}

/* The words of an algorithm are the symbols of the objects that its algorithm_config is. */
static void print_configs(const struct field_row *algorithm, FILE *out)
{
    struct slice word;
    size_t at = 0;

    while (fields_next_word(algorithm->words, &at, &word))
        fprintf(out,
                ",{\"if\":{\"properties\":{\"algorithm\":{\"const\":\"%.*s\"}},\"required\":[\"algorithm\"]},"
                "\"then\":{\"properties\":{\"algorithm_config\":{\"allOf\":[{\"$ref\":\"#/definitions/%.*s\"},"
                "{\"properties\":{\"algorithm\":{\"const\":\"%.*s\"}}}]}}}}",
                (int)word.size, word.data, (int)word.size, word.data, (int)word.size, word.data);
}

static bool has_need(enum object object, enum field_need need)
{
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++)
        if (fields_table[field].need == need)
            return true;
    return false;
}

static void print_object(enum object object, FILE *out)
{
    fputs("\"type\":\"object\",\"additionalProperties\":false,\n", out);
    print_properties(object, out);
    fputc(',', out);
    print_required(object, FIELD_NEED_REQUIRED, out);
    fputs(",\"allOf\":[{}", out);
    print_spellings(object, out);
    if (has_need(object, FIELD_NEED_ENABLED))
        print_enabled(object, out);
    if (object == OBJECT_rule || object == OBJECT_fallback)
        print_configs(&fields_table[object == OBJECT_rule ? FIELD_rule_algorithm : FIELD_fallback_algorithm], out);
    if (object == OBJECT_selector)
        fputs(",{\"anyOf\":[{\"required\":[\"pathExact\"]},{\"required\":[\"pathPrefix\"]}]}", out);
    if (object == OBJECT_token_bucket_llm)
        fputs(",{\"anyOf\":[{\"required\":[\"tokens_per_minute\"]},{\"required\":[\"tokens_per_day\"]}]}", out);
    if (object == OBJECT_staged_action)
        fputs(",{\"if\":{\"properties\":{\"action\":{\"const\":\"throttle\"}},\"required\":[\"action\"]},"
              "\"then\":{\"required\":[\"delay_ms\"]},\"else\":{\"not\":{\"required\":[\"delay_ms\"]}}}",
              out);
    fputs("]", out);
}

void schema_print(FILE *out)
{
    const char *separator = "";

    fputs("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":\"Policy bundle of fairvisor\",\n", out);
    print_object(OBJECT_bundle, out);
    fputs(",\n\"definitions\":{", out);
    for (enum object object = OBJECT_bundle + 1; object < OBJECT_COUNT; object++) {
        fprintf(out, "%s\n\"%s\":{", separator, fields_objects[object].symbol);
        print_object(object, out);
        fputc('}', out);
        separator = ",";
    }
    fputs("}}\n", out);
}
