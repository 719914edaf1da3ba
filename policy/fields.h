/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of all objects and keys of a policy bundle: see fields.def.
 */
#ifndef FAIRVISOR_POLICY_FIELDS_H
#define FAIRVISOR_POLICY_FIELDS_H

#include <stdint.h>

#include "shm/slice.h"

enum object {
#define OBJECT(symbol, title) OBJECT_##symbol,
#define FIELD(object, key, type, need, least, most, words, standard, prose)
#define ALIAS(object, key, meant)
#include "policy/fields.def"
#undef OBJECT
#undef FIELD
#undef ALIAS
    OBJECT_COUNT
};

enum field {
#define OBJECT(symbol, title)
#define FIELD(object, key, type, need, least, most, words, standard, prose) FIELD_##object##_##key,
#define ALIAS(object, key, meant)
#include "policy/fields.def"
#undef OBJECT
#undef FIELD
#undef ALIAS
    FIELD_COUNT
};

enum field_type {
    FIELD_TYPE_AMOUNT,  /* a number, kept as millionths */
    FIELD_TYPE_INTEGER, /* a whole number */
    FIELD_TYPE_BOOLEAN,
    FIELD_TYPE_TIME,        /* "2026-01-01T00:00:00Z" */
    FIELD_TYPE_TEXT,        /* any characters but control characters */
    FIELD_TYPE_NAME,        /* printable ASCII */
    FIELD_TYPE_WORD,        /* one of a few words */
    FIELD_TYPE_REPEATED,    /* a string that must say what the caller knows already */
    FIELD_TYPE_PATH,        /* a normalized path from the root */
    FIELD_TYPE_KEY,         /* "header:x-api-key" */
    FIELD_TYPE_COST_SOURCE, /* a word, or a header: or query: key */
    FIELD_TYPE_KEYS,        /* a list of keys */
    FIELD_TYPE_METHODS,     /* a list of HTTP methods */
    FIELD_TYPE_HOSTS,       /* a list of host names */
    FIELD_TYPE_MATCH,       /* an object from keys to texts */
    FIELD_TYPE_OBJECT,
    FIELD_TYPE_OBJECTS,    /* a list of objects */
    FIELD_TYPE_OBJECT_MAP, /* an object from names to objects */
    FIELD_TYPE_CONFIG,     /* the object that the algorithm beside it asks for */
};

enum field_need { FIELD_NEED_OPTIONAL, FIELD_NEED_REQUIRED, FIELD_NEED_ENABLED };

struct field_row {
    enum object object;
    const char *key;
    enum field_type type;
    enum field_need need;
    int64_t least, most;
    const char *words;
    const char *standard;
    const char *prose;
};

struct field_alias {
    enum object object;
    const char *key;
    enum field meant;
};

struct object_row {
    const char *symbol;
    const char *title;
};

#define FIELDS_ALIAS_COUNT 2
#define FIELDS_PER_OBJECT  12 /* the most that one object has */

extern const struct field_row fields_table[FIELD_COUNT];
extern const struct field_alias fields_aliases[FIELDS_ALIAS_COUNT];
extern const struct object_row fields_objects[OBJECT_COUNT];

/* First field of an object; the fields of OBJECT are fields_first(OBJECT) to fields_first(OBJECT + 1) - 1. */
enum field fields_first(enum object object);

/* The field KEY of OBJECT, an alias resolved; FIELD_COUNT when it has none. */
enum field fields_find(enum object object, struct slice key);

/* The object called SYMBOL; OBJECT_COUNT when there is none. */
enum object fields_object(struct slice symbol);

/* The words of a row, one after the other: *AT starts at 0. false behind the last. */
bool fields_next_word(const char *words, size_t *at, struct slice *word);

#endif
