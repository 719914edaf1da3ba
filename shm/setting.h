/* SPDX-License-Identifier: MPL-2.0
 *
 * One setting: its row in settings.def, its value from text and back. settings.h is the whole; the manual page and its
 * test read the table.
 */
#ifndef FAIRVISOR_SHM_SETTING_H
#define FAIRVISOR_SHM_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shm/settings.h"
#include "shm/slice.h"

enum setting_kind {
    SETTING_KIND_WORD,       /* an enum: one of words */
    SETTING_KIND_FLAG,       /* a bool: the first of two words is false, the second true */
    SETTING_KIND_STATUS,     /* uint32_t: one of words, which are numbers */
    SETTING_KIND_COUNT,      /* uint64_t */
    SETTING_KIND_SIZE,       /* uint64_t, bytes */
    SETTING_KIND_DURATION,   /* uint64_t, milliseconds */
    SETTING_KIND_INTERVAL,   /* the same; 0 turns it off */
    SETTING_KIND_WORKERS,    /* uint32_t, or auto */
    SETTING_KIND_FILE_MODE,  /* uint32_t, octal */
    SETTING_KIND_PATH,       /* char[SETTINGS_PATH_SIZE], absolute */
    SETTING_KIND_INSTANCE,   /* char[SETTINGS_NAME_SIZE], letters that are safe in a file name */
    SETTING_KIND_ACCOUNT,    /* char[SETTINGS_NAME_SIZE] */
    SETTING_KIND_LISTEN,     /* entries of settings.listen */
    SETTING_KIND_OPS_LISTEN, /* entries of settings.listen that are is_ops */
    SETTING_KIND_NETWORKS,   /* settings.trusted and trusted_unix */
    SETTING_KIND_LOG,        /* settings.log and log_file */
    SETTING_KIND_TEXT,       /* char[SETTINGS_TEXT_SIZE]; high is its longest text */
    SETTING_KIND_BACKEND,    /* char[SETTINGS_TEXT_SIZE]; a URL that backend_parse takes */
    SETTING_KIND_SECRET,     /* char[SETTINGS_TEXT_SIZE], of low to high bytes; or the same in a file */
    SETTING_KIND_COUNT_OF_KINDS
};

struct setting_row {
    const char *name;
    enum setting_kind kind;
    size_t offset;        /* of the field in struct settings */
    const char *fallback; /* default text as for root; "" is unset */
    uint64_t low, high;
    const char *words; /* '|' between */
    const char *later; /* those of words that this release does not enforce */
    bool is_later;     /* the whole setting is not enforced */
    bool is_secret;
    const char *help;
};

enum setting_index {
#define SETTING(name, kind, field, fallback, low, high, words, later, help) SETTING_##name,
#define LATER(name, kind, fallback, is_secret, help)                        SETTING_##name,
#define ALIAS(name, of)
#include "shm/settings.def"
#undef SETTING
#undef LATER
#undef ALIAS
    SETTING_COUNT
};

extern const struct setting_row setting_table[SETTING_COUNT];

/* Every name a user may write: the table's, then the aliases. */
struct setting_name {
    const char *name;
    enum setting_index index;
};
extern const struct setting_name setting_names[];
extern const size_t setting_name_count;

/* The row of a name, aliases included; NULL when there is none. */
const struct setting_row *setting_find(struct slice name);

/* The known name nearest to an unknown one; empty when none is near. */
struct slice setting_find_near(struct slice name);

#define SETTING_WHY_SIZE 320

/* Sets the row's field from VALUE. false with the cause and cure in WHY, a clause that follows "name = value: ". The
 * row is not a later one. SETTINGS may be half changed after false. */
bool setting_parse(struct settings *settings, const struct setting_row *row, struct slice value,
                   char why[SETTING_WHY_SIZE]);

/* Makes the row's field unset (the empty text, the empty list). */
void setting_clear(struct settings *settings, const struct setting_row *row);

bool setting_is_set(const struct settings *settings, const struct setting_row *row);

/* Writes the value as setting_parse takes it; nothing when it is unset. */
void setting_print(const struct settings *settings, const struct setting_row *row, FILE *out);

/* Both fill WHY and return false: with a clause, or with what the row allows. */
bool setting_refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool setting_refuse_value(char *why, const struct setting_row *row);

/* What may be written: "on or off", "a whole number from 1 to 1000". */
void setting_describe(const struct setting_row *row, char *text, size_t size);

#endif
