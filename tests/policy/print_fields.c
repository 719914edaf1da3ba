/* SPDX-License-Identifier: MPL-2.0
 *
 * Prints the lists of fairvisor-policy(5) in mdoc(7) from fields.def. tests/cli/manual holds the page against it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policy/bundle.h"
#include "policy/decimal.h"
#include "policy/fields.h"

static const char *const type_texts[] = {
    [FIELD_TYPE_AMOUNT] = "number",
    [FIELD_TYPE_INTEGER] = "whole number",
    [FIELD_TYPE_BOOLEAN] = "true or false",
    [FIELD_TYPE_TIME] = "time as in \\(dq2026-01-01T00:00:00Z\\(dq",
    [FIELD_TYPE_TEXT] = "text",
    [FIELD_TYPE_NAME] = "name of printable ASCII",
    [FIELD_TYPE_WORD] = "one of",
    [FIELD_TYPE_REPEATED] = "text",
    [FIELD_TYPE_PATH] = "path that begins with a slash",
    [FIELD_TYPE_KEY] = "key",
    [FIELD_TYPE_COST_SOURCE] = "header:NAME, query:NAME or",
    [FIELD_TYPE_KEYS] = "list of keys",
    [FIELD_TYPE_METHODS] = "list of methods",
    [FIELD_TYPE_HOSTS] = "list of hosts",
    [FIELD_TYPE_MATCH] = "object from keys to texts",
    [FIELD_TYPE_OBJECT] = "object",
    [FIELD_TYPE_OBJECTS] = "list of objects",
    [FIELD_TYPE_OBJECT_MAP] = "object from names to objects",
    [FIELD_TYPE_CONFIG] = "object, as the algorithm wants it",
};

static void print_range(const struct field_row *row)
{
    char least[DECIMAL_TEXT_SIZE], most[DECIMAL_TEXT_SIZE];
    int64_t unit = row->type == FIELD_TYPE_AMOUNT ? 1 : BUNDLE_MILLIONTHS;

    if ((row->type != FIELD_TYPE_AMOUNT && row->type != FIELD_TYPE_INTEGER) || (row->least == 0 && row->most == 0))
        return;
    decimal_print(row->least * unit, least);
    decimal_print(row->most * unit, most);
    printf(" from %s to %s", least, most);
}

static void print_words(const struct field_row *row)
{
    struct slice word;
    size_t at = 0;

    if (row->type != FIELD_TYPE_WORD && row->type != FIELD_TYPE_COST_SOURCE)
        return;
    for (const char *separator = " "; fields_next_word(row->words, &at, &word); separator = ", ")
        printf("%s%.*s", separator, (int)word.size, word.data);
}

static void print_field(const struct field_row *row)
{
    printf(".It Ic %s\n%s\n%c%s", row->key, row->prose, type_texts[row->type][0] & ~0x20, type_texts[row->type] + 1);
    print_range(row);
    print_words(row);
    if (row->need == FIELD_NEED_REQUIRED)
        fputs("; required", stdout);
    else if (row->need == FIELD_NEED_ENABLED)
        fputs("; required when enabled", stdout);
    else if (row->standard[0] != '\0')
        printf("; %s unless given", row->standard);
    fputs(".\n", stdout);
}

int main(void)
{
    for (enum object object = 0; object < OBJECT_COUNT; object++) {
        printf(".Ss \\&%c%s\n.Bl -tag -width Ds\n", fields_objects[object].title[0] & ~0x20,
               fields_objects[object].title + 1);
        for (enum field field = fields_first(object); field < fields_first(object + 1); field++)
            print_field(&fields_table[field]);
        for (size_t i = 0; i < FIELDS_ALIAS_COUNT; i++)
            if (fields_aliases[i].object == object)
                printf(".It Ic %s\nThe same as\n.Ic %s .\n", fields_aliases[i].key,
                       fields_table[fields_aliases[i].meant].key);
        fputs(".El\n", stdout);
    }
    return 0;
}
