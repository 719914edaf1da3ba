/* SPDX-License-Identifier: MPL-2.0
 *
 * fields.def as tables.
 */
#include "policy/fields.h"

#include "policy/decimal.h"

const struct field_row fields_table[FIELD_COUNT] = {
#define OBJECT(symbol, title)
#define FIELD(object, key, type, need, least, most, words, standard, prose) \
    {OBJECT_##object, #key, FIELD_TYPE_##type, FIELD_NEED_##need, least, most, words, standard, prose},
#define ALIAS(object, key, meant)
#include "policy/fields.def"
#undef OBJECT
#undef FIELD
#undef ALIAS
};

const struct field_alias fields_aliases[FIELDS_ALIAS_COUNT] = {
#define OBJECT(symbol, title)
#define FIELD(object, key, type, need, least, most, words, standard, prose)
#define ALIAS(object, key, meant) {OBJECT_##object, #key, FIELD_##object##_##meant},
#include "policy/fields.def"
#undef OBJECT
#undef FIELD
#undef ALIAS
};

const struct object_row fields_objects[OBJECT_COUNT] = {
#define OBJECT(symbol, title) {#symbol, title},
#define FIELD(object, key, type, need, least, most, words, standard, prose)
#define ALIAS(object, key, meant)
#include "policy/fields.def"
#undef OBJECT
#undef FIELD
#undef ALIAS
};

/* Before each object's fields stands a marker whose value is that of its first field. */
enum first {
#define OBJECT(symbol, title) FIRST_##symbol, BEFORE_##symbol = FIRST_##symbol - 1,

#define FIELD(object, key, type, need, least, most, words, standard, prose) AT_##object##_##key,
#define ALIAS(object, key, meant)
#include "policy/fields.def"
#undef OBJECT
#undef FIELD
#undef ALIAS
};

enum field fields_first(enum object object)
{
    static const unsigned short first[OBJECT_COUNT + 1] = {
#define OBJECT(symbol, title) FIRST_##symbol,
#define FIELD(object, key, type, need, least, most, words, standard, prose)
#define ALIAS(object, key, meant)
#include "policy/fields.def"
#undef OBJECT
#undef FIELD
#undef ALIAS
        FIELD_COUNT,
    };

    return (enum field)first[object];
}

enum field fields_find(enum object object, struct slice key)
{
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++)
        if (slice_equal(slice_of(fields_table[field].key), key))
            return field;
    for (size_t i = 0; i < FIELDS_ALIAS_COUNT; i++)
        if (fields_aliases[i].object == object && slice_equal(slice_of(fields_aliases[i].key), key))
            return fields_aliases[i].meant;
    return FIELD_COUNT;
}

enum object fields_object(struct slice symbol)
{
    enum object object = 0;

    while (object < OBJECT_COUNT && !slice_equal(slice_of(fields_objects[object].symbol), symbol))
        object++;
    return object;
}

bool fields_next_word(const char *words, size_t *at, struct slice *word)
{
    size_t end;

    while (words[*at] == ' ')
        ++*at;
    for (end = *at; words[end] != '\0' && words[end] != ' ';)
        end++;
    *word = (struct slice){words + *at, end - *at};
    *at = end;
    return word->size > 0;
}
