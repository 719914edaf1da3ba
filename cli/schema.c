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

static void print_text(const char *name, const char *text, FILE *out)
{
    fprintf(out, ",\"%s\":", name);
    emit_json_string(slice_of(text), out);
}

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
    print_text("pattern", pattern, out);
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

static void print_list(const struct field_row *row, const char *item, const char *pattern, FILE *out)
{
    fprintf(out, "\"type\":\"array\",\"minItems\":%" PRId64 ",\"maxItems\":%" PRId64 ",\"items\":{%s", row->least,
            row->most, item);
    if (pattern)
        emit_json_string(slice_of(pattern), out);
    fputs("}", out);
}

static void print_reference(const char *object, FILE *out)
{
    fprintf(out, "\"$ref\":\"#/definitions/%s\"", object);
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

static void print_match(const struct field_row *row, FILE *out)
{
    fprintf(out, "\"type\":\"object\",\"maxProperties\":%" PRId64 ",\"propertyNames\":{\"pattern\":", row->most);
    emit_json_string(slice_of(KEY_PATTERN), out);
    fputs("},\"additionalProperties\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1024", out);
    print_text("pattern", TEXT_PATTERN, out);
    fputc('}', out);
}

static void print_range(const struct field_row *row, int64_t unit, FILE *out)
{
    if (row->least == 0 && row->most == 0)
        return;
    print_number("minimum", row->least * unit, out);
    print_number("maximum", row->most * unit, out);
}

static void print_type(const struct field_row *row, FILE *out)
{
    switch (row->type) {
    case FIELD_TYPE_AMOUNT:
        fputs("\"type\":\"number\"", out);
        print_range(row, 1, out);
        break;
    case FIELD_TYPE_INTEGER:
        fputs("\"type\":\"integer\"", out);
        print_range(row, BUNDLE_MILLIONTHS, out);
        break;
    case FIELD_TYPE_BOOLEAN:
        fputs("\"type\":\"boolean\"", out);
        break;
    case FIELD_TYPE_TIME:
        fputs("\"type\":\"string\"", out);
        print_text("pattern", TIME_PATTERN, out);
        break;
    case FIELD_TYPE_TEXT:
        print_string(row, TEXT_PATTERN, out);
        break;
    case FIELD_TYPE_NAME:
        print_string(row, NAME_PATTERN, out);
        break;
    case FIELD_TYPE_WORD:
        print_words(row->words, out);
        break;
    case FIELD_TYPE_REPEATED:
        fputs("\"type\":\"string\"", out);
        break;
    case FIELD_TYPE_PATH:
        print_string(row, PATH_PATTERN, out);
        break;
    case FIELD_TYPE_KEY:
        print_string(row, KEY_PATTERN, out);
        break;
    case FIELD_TYPE_COST_SOURCE:
        fputs("\"anyOf\":[{", out);
        print_words(row->words, out);
        fputs("},{", out);
        print_string(row, COST_PATTERN, out);
        fputs("}]", out);
        break;
    case FIELD_TYPE_KEYS:
        print_list(row, "\"type\":\"string\",\"maxLength\":128,\"pattern\":", KEY_PATTERN, out);
        fputs(",\"uniqueItems\":true", out);
        break;
    case FIELD_TYPE_METHODS:
        print_list(row, "\"type\":\"string\",\"maxLength\":32,\"pattern\":", METHOD_PATTERN, out);
        fputs(",\"uniqueItems\":true", out);
        break;
    case FIELD_TYPE_HOSTS:
        print_list(row, "\"type\":\"string\",\"maxLength\":253,\"pattern\":", HOST_PATTERN, out);
        fputs(",\"uniqueItems\":true", out);
        break;
    case FIELD_TYPE_MATCH:
        print_match(row, out);
        break;
    case FIELD_TYPE_OBJECT:
        print_reference(row->words, out);
        break;
    case FIELD_TYPE_OBJECTS:
        print_objects(row, out);
        break;
    case FIELD_TYPE_OBJECT_MAP:
        print_map(row, out);
        break;
    case FIELD_TYPE_CONFIG:
        fputs("\"type\":\"object\"", out);
        break;
    }
}

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
    print_text("description", row->prose, out);
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
