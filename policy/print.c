/* SPDX-License-Identifier: MPL-2.0
 *
 * The canonical print, guided by the table of fields. Knows nothing of what a bundle means: it takes any JSON document
 * and only moves members, spaces, digits and escapes.
 */
#include "policy/print.h"

#include <stdlib.h>

#include "policy/decimal.h"
#include "policy/fields.h"
#include "policy/json.h"
#include "policy/load.h"

struct printer {
    const struct json *json;
    struct region *region;
    FILE *out;
    unsigned depth;
    bool is_out_of_memory;
};

struct member {
    enum field field; /* FIELD_COUNT: not in the table */
    struct slice name;
    uint32_t token;
};

static void print_value(struct printer *printer, enum object object, uint32_t token);

static void new_line(struct printer *printer)
{
    fprintf(printer->out, "\n%*s", (int)(printer->depth * 2), "");
}

static void print_string(struct printer *printer, struct slice text)
{
    static const char plain[] = "\"\\\b\f\n\r\t", escaped[] = "\"\\bfnrt";

    fputc('"', printer->out);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        const char *simple = memchr(plain, c, sizeof(plain) - 1);

        if (simple)
            fprintf(printer->out, "\\%c", escaped[simple - plain]);
        else if (c < 0x20)
            fprintf(printer->out, "\\u%04x", c);
        else
            fputc(c, printer->out);
    }
    fputc('"', printer->out);
}

static struct slice text_of(struct printer *printer, uint32_t token)
{
    struct slice text = {NULL, 0};

    if (!json_text(printer->json, token, printer->region, &text))
        printer->is_out_of_memory = true;
    return text;
}

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    size_t shared = a->name.size < b->name.size ? a->name.size : b->name.size;
    int order;

    if (a->field != b->field)
        return a->field < b->field ? -1 : 1;
    order = shared > 0 ? memcmp(a->name.data, b->name.data, shared) : 0;
    return order != 0 ? order : (a->name.size > b->name.size) - (a->name.size < b->name.size);
}

/* The object that an algorithm_config is: the one with the name of the algorithm beside it. */
static enum object config_of(struct printer *printer, const struct member *members, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (members[i].field == FIELD_rule_algorithm || members[i].field == FIELD_fallback_algorithm)
            return fields_object(text_of(printer, json_value(printer->json, members[i].token)));
    return OBJECT_COUNT;
}

/* What the object or the objects inside of a field are. */
static enum object inside_of(struct printer *printer, const struct member *members, uint32_t count, enum field field)
{
    if (field == FIELD_COUNT)
        return OBJECT_COUNT;
    switch (fields_table[field].type) {
    case FIELD_TYPE_OBJECT:
    case FIELD_TYPE_OBJECTS:
        return fields_object(slice_of(fields_table[field].words));
    case FIELD_TYPE_CONFIG:
        return config_of(printer, members, count);
    default:
        return OBJECT_COUNT;
    }
}

static struct member *sort_members(struct printer *printer, enum object object, uint32_t token, uint32_t count)
{
    struct member *members = calloc((size_t)count + 1, sizeof(*members));
    uint32_t i = 0;

    if (!members) {
        printer->is_out_of_memory = true;
        return NULL;
    }
    for (uint32_t name = json_first(printer->json, token); name != JSON_NONE; name = json_next(printer->json, name)) {
        members[i].token = name;
        members[i].name = text_of(printer, name);
        members[i].field = object == OBJECT_COUNT ? FIELD_COUNT : fields_find(object, members[i].name);
        i++;
    }
    qsort(members, count, sizeof(*members), compare_members);
    return members;
}

static void print_object(struct printer *printer, enum object object, uint32_t token)
{
    uint32_t count = json_count(printer->json, token);
    struct member *members = sort_members(printer, object, token, count);

    fputc('{', printer->out);
    printer->depth++;
    for (uint32_t i = 0; members && i < count; i++) {
        if (i > 0)
            fputc(',', printer->out);
        new_line(printer);
        print_string(printer, members[i].name);
        fputs(": ", printer->out);
        print_value(printer, inside_of(printer, members, count, members[i].field),
                    json_value(printer->json, members[i].token));
    }
    printer->depth--;
    if (count > 0)
        new_line(printer);
    fputc('}', printer->out);
    free(members);
}

/* A list without containers in it stands on one line. */
static bool is_flat(const struct json *json, uint32_t array)
{
    for (uint32_t token = json_first(json, array); token != JSON_NONE; token = json_next(json, token))
        if (json_type(json, token) == JSON_OBJECT || json_type(json, token) == JSON_ARRAY)
            return false;
    return true;
}

static void print_array(struct printer *printer, enum object object, uint32_t array)
{
    bool on_one_line = is_flat(printer->json, array), is_first = true;

    fputc('[', printer->out);
    printer->depth++;
    for (uint32_t token = json_first(printer->json, array); token != JSON_NONE;
         token = json_next(printer->json, token)) {
        if (!is_first)
            fputs(on_one_line ? ", " : ",", printer->out);
        is_first = false;
        if (!on_one_line)
            new_line(printer);
        print_value(printer, object, token);
    }
    printer->depth--;
    if (!on_one_line)
        new_line(printer);
    fputc(']', printer->out);
}

static void print_raw(struct printer *printer, struct slice text)
{
    fwrite(text.data, 1, text.size, printer->out);
}

static void print_number(struct printer *printer, struct slice text)
{
    char plain[DECIMAL_TEXT_SIZE];
    int64_t millionths;

    if (decimal_parse(text, &millionths) == DECIMAL_OK)
        print_raw(printer, (struct slice){plain, decimal_print(millionths, plain)});
    else
        print_raw(printer, text);
}

static void print_value(struct printer *printer, enum object object, uint32_t token)
{
    switch (json_type(printer->json, token)) {
    case JSON_OBJECT:
        print_object(printer, object, token);
        break;
    case JSON_ARRAY:
        print_array(printer, object, token);
        break;
    case JSON_STRING:
        print_string(printer, text_of(printer, token));
        break;
    case JSON_NUMBER:
        print_number(printer, json_raw(printer->json, token));
        break;
    case JSON_BOOLEAN:
    case JSON_NULL:
        print_raw(printer, json_raw(printer->json, token));
        break;
    }
}

bool print_bundle(struct slice text, FILE *out)
{
    static const struct json_gate_limits limits = {LOAD_MAX_BYTES, LOAD_MAX_TOKENS};
    struct printer printer = {.region = region_new(), .out = out};
    struct json_gate_fault fault;
    struct json *json = printer.region ? json_parse(text, &limits, &fault) : NULL;

    if (json) {
        printer.json = json;
        print_value(&printer, OBJECT_bundle, JSON_ROOT);
        fputc('\n', out);
    }
    json_free(json);
    region_free(printer.region);
    return json && !printer.is_out_of_memory && !ferror(out);
}
