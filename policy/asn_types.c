/* SPDX-License-Identifier: MPL-2.0
 *
 * A sorted table of numbers; each type's word is kept once.
 */
#include "policy/asn_types.h"

#include <stdlib.h>

#include "policy/geoip.h"
#include "policy/lines.h"

#define MAX_TYPES  64
#define FIRST_ROOM 256

struct entry {
    uint32_t number, line;
    uint8_t type;
};

struct asn_types {
    struct entry *items; /* sorted by number */
    size_t count, room;
    struct slice names[MAX_TYPES];
    uint8_t name_count;
    char *text; /* what names point into */
};

static bool refuse_memory(const struct lines *lines, struct failure *failure)
{
    return failure_set(failure, EXIT_CODE_OS, "there is no memory for the list %s", lines->file);
}

static bool find_or_add_name(struct asn_types *types, const struct lines *lines, struct slice name, uint8_t *index,
                             struct failure *failure)
{
    for (*index = 0; *index < types->name_count; (*index)++)
        if (slice_equal(types->names[*index], name))
            return true;
    if (types->name_count == MAX_TYPES)
        return lines_refuse(lines, failure, "\"%.*s\" is one type more than the %d that a map may have",
                            LINES_SHOWN(name), MAX_TYPES);
    types->names[types->name_count++] = name;
    return true;
}

static bool add(struct asn_types *types, const struct lines *lines, const struct entry *entry, struct failure *failure)
{
    if (types->count == types->room) {
        size_t room = types->room > 0 ? types->room * 2 : FIRST_ROOM;
        struct entry *items = realloc(types->items, room * sizeof(*items));

        if (!items)
            return refuse_memory(lines, failure);
        types->items = items;
        types->room = room;
    }
    types->items[types->count++] = *entry;
    return true;
}

static bool read_line(struct asn_types *types, const struct lines *lines, struct slice line, struct failure *failure)
{
    struct entry entry = {.line = lines->number};
    struct slice number = {line.data, 0}, name;

    while (number.size < line.size && line.data[number.size] != ' ' && line.data[number.size] != '\t')
        number.size++;
    name = slice_trim((struct slice){line.data + number.size, line.size - number.size});
    if (!geoip_parse_asn(number, &entry.number))
        return lines_refuse(
            lines, failure,
            "\"%.*s\" is not the number of an autonomous system; write a number from 1 to 4294967295 and "
            "a type, as in \"64496 hosting\"",
            LINES_SHOWN(number));
    if (!lines_is_name(name))
        return lines_refuse(
            lines, failure,
            "\"%.*s\" cannot be a type; a type is 1 to 32 of a-z, 0-9, '_' and '-' and begins with a letter",
            LINES_SHOWN(name));
    return find_or_add_name(types, lines, name, &entry.type, failure) && add(types, lines, &entry, failure);
}

static bool read_lines(struct asn_types *types, struct lines *lines, struct failure *failure)
{
    enum lines_result result;
    struct slice line;

    while ((result = lines_next(lines, &line, failure)) == LINES_LINE)
        if (!read_line(types, lines, line, failure))
            return false;
    if (result == LINES_END && types->count == 0)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "the list %s holds no line with a number and a type",
                           lines->file);
    return result == LINES_END;
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

static bool check_twins(const struct asn_types *types, struct lines *lines, struct failure *failure)
{
    for (size_t i = 1; i < types->count; i++)
        if (types->items[i].number == types->items[i - 1].number) {
            lines->number = types->items[i].line;
            return lines_refuse(lines, failure, "the number %u stands in line %u already; keep one of the two",
                                types->items[i].number, types->items[i - 1].line);
        }
    return true;
}

struct asn_types *asn_types_parse(const char *file, struct slice text, struct failure *failure)
{
    struct asn_types *types = calloc(1, sizeof(*types));
    struct lines lines = {.file = file};

    if (types)
        types->text = malloc(text.size + 1);
    if (!types || !types->text) {
        refuse_memory(&lines, failure);
        asn_types_free(types);
        return NULL;
    }
    if (text.size > 0)
        memcpy(types->text, text.data, text.size);
    lines.rest = (struct slice){types->text, text.size};
    if (read_lines(types, &lines, failure)) {
        qsort(types->items, types->count, sizeof(*types->items), compare);
        if (check_twins(types, &lines, failure))
            return types;
    }
    asn_types_free(types);
    return NULL;
}

void asn_types_free(struct asn_types *types)
{
    if (!types)
        return;
    free(types->items);
    free(types->text);
    free(types);
}

bool asn_types_find(const struct asn_types *types, uint32_t number, struct slice *type)
{
    size_t low = 0, high = types->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (types->items[middle].number == number) {
            *type = types->names[types->items[middle].type];
            return true;
        }
        if (types->items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool asn_types_find_name(const struct asn_types *types, struct slice name, struct slice *type)
{
    for (uint8_t i = 0; i < types->name_count; i++)
        if (slice_equal_nocase(types->names[i], name)) {
            *type = types->names[i];
            return true;
        }
    return false;
}
