/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of settings, their names, and what each kind of value is read, printed and described by.
 */
#include "shm/setting.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "shm/must.h"
#include "shm/near.h"
#include "shm/quantity.h"
#include "shm/setting_list.h"
#include "shm/setting_secret.h"
#include "shm/setting_value.h"

const struct setting_row setting_table[SETTING_COUNT] = {
#define SETTING(name, kind, field, fallback, low, high, words, later, help)                                         \
    {#name, SETTING_KIND_##kind, offsetof(struct settings, field), fallback, low, high, words, later, false, false, \
     help},
#define LATER(name, kind, fallback, is_secret, help) \
    {#name, SETTING_KIND_##kind, 0, fallback, 0, 0, "", "", true, is_secret, help},
#define ALIAS(name, of)
#include "shm/settings.def"
#undef SETTING
#undef LATER
#undef ALIAS
};

const struct setting_name setting_names[] = {
#define SETTING(name, kind, field, fallback, low, high, words, later, help) {#name, SETTING_##name},
#define LATER(name, kind, fallback, is_secret, help)                        {#name, SETTING_##name},
#define ALIAS(name, of)                                                     {#name, SETTING_##of},
#include "shm/settings.def"
#undef SETTING
#undef LATER
#undef ALIAS
};
const size_t setting_name_count = sizeof(setting_names) / sizeof(setting_names[0]);

bool setting_refuse(char *why, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, SETTING_WHY_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

bool setting_refuse_value(char *why, const struct setting_row *row)
{
    char allowed[SETTING_WHY_SIZE - 16];

    setting_describe(row, allowed, sizeof(allowed));
    return setting_refuse(why, "allowed is %s", allowed);
}

/* ---- what may be written ----------------------------------------------------------------------------------------- */

/* "a, b or c" of those words that this release enforces. */
static void describe_words(const struct setting_row *row, char *text, size_t size)
{
    struct slice rest = slice_of(row->words), word;
    const char *separator = "";
    size_t used = 0;
    uint32_t index;

    text[0] = '\0';
    while (setting_list_next(&rest, '|', &word)) {
        int written;

        if (setting_list_has(row->later, word, &index))
            continue;
        written = snprintf(text + used, size - used, "%s%.*s", separator, (int)word.size, word.data);
        used += written > 0 && (size_t)written < size - used ? (size_t)written : 0;
        separator = rest.data && !memchr(rest.data, '|', rest.size) ? " or " : ", ";
    }
}

static void describe_range(const struct setting_row *row, const char *before,
                           void (*print)(uint64_t, char[QUANTITY_TEXT_SIZE]), const char *behind, char *text,
                           size_t size)
{
    char low[QUANTITY_TEXT_SIZE], high[QUANTITY_TEXT_SIZE];

    print(row->low, low);
    print(row->high, high);
    snprintf(text, size, "%s from %s to %s%s", before, low, high, behind);
}

static void describe_count(const struct setting_row *row, char *text, size_t size)
{
    snprintf(text, size, "a whole number from %" PRIu64 " to %" PRIu64, row->low, row->high);
}

static void describe_workers(const struct setting_row *row, char *text, size_t size)
{
    snprintf(text, size, "auto or a whole number from %" PRIu64 " to %" PRIu64, row->low, row->high);
}

static void describe_size(const struct setting_row *row, char *text, size_t size)
{
    describe_range(row, "a size", quantity_print_size, " (k, m, g; none means bytes)", text, size);
}

static void describe_duration(const struct setting_row *row, char *text, size_t size)
{
    describe_range(row, row->kind == SETTING_KIND_INTERVAL ? "0 for off, or a time" : "a time", quantity_print_duration,
                   " (ms, s, m, h, d; none means seconds)", text, size);
}

static void describe_instance(const struct setting_row *row, char *text, size_t size)
{
    snprintf(text, size,
             "1 to %" PRIu64 " of the letters A-Z a-z 0-9 _ . -, and no .refused at the end, which names what was set aside",
             row->high);
}

static void describe_account(const struct setting_row *row, char *text, size_t size)
{
    (void)row;
    snprintf(text, size, "the name of an account or group, at most %d bytes", SETTINGS_NAME_SIZE - 1);
}

static void describe_text(const struct setting_row *row, char *text, size_t size)
{
    snprintf(text, size, "a text of at most %" PRIu64 " bytes, without control bytes", row->high);
}

static void describe_secret(const struct setting_row *row, char *text, size_t size)
{
    snprintf(text, size, "a secret of %" PRIu64 " to %" PRIu64 " bytes, without spaces and control bytes", row->low,
             row->high);
}

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

struct kind {
    bool (*parse)(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
    void (*print)(const struct settings *settings, const struct setting_row *row, FILE *out);
    const char *form; /* what may be written; NULL: that is not the same for all settings of the kind */
    void (*describe)(const struct setting_row *row, char *text, size_t size);
};

static const struct kind kinds[SETTING_KIND_COUNT_OF_KINDS] = {
    [SETTING_KIND_WORD] = {setting_value_parse_word, setting_value_print_word, .describe = describe_words},
    [SETTING_KIND_FLAG] = {setting_value_parse_flag, setting_value_print_flag, .describe = describe_words},
    [SETTING_KIND_STATUS] = {setting_value_parse_status, setting_value_print_number, .describe = describe_words},
    [SETTING_KIND_COUNT] = {setting_value_parse_count, setting_value_print_count, .describe = describe_count},
    [SETTING_KIND_SIZE] = {setting_value_parse_size, setting_value_print_size, .describe = describe_size},
    [SETTING_KIND_DURATION] = {setting_value_parse_duration, setting_value_print_duration,
                               .describe = describe_duration},
    [SETTING_KIND_INTERVAL] = {setting_value_parse_duration, setting_value_print_duration,
                               .describe = describe_duration},
    [SETTING_KIND_WORKERS] = {setting_value_parse_workers, setting_value_print_number, .describe = describe_workers},
    [SETTING_KIND_FILE_MODE] = {setting_value_parse_file_mode, setting_value_print_file_mode,
                                .form = "octal permissions from 0000 to 0777"},
    [SETTING_KIND_PATH] = {setting_value_parse_path, setting_value_print_text, .form = "an absolute path"},
    [SETTING_KIND_INSTANCE] = {setting_value_parse_instance, setting_value_print_text, .describe = describe_instance},
    [SETTING_KIND_ACCOUNT] = {setting_value_parse_account, setting_value_print_text, .describe = describe_account},
    [SETTING_KIND_LISTEN] = {setting_list_parse_listen, setting_list_print_listen,
                             .form = "a comma list of ADDRESS:PORT, [ADDRESS]:PORT and unix:PATH"},
    [SETTING_KIND_OPS_LISTEN] = {setting_list_parse_listen, setting_list_print_listen,
                                 .form = "a comma list of ADDRESS:PORT, [ADDRESS]:PORT and unix:PATH"},
    [SETTING_KIND_NETWORKS] = {setting_list_parse_networks, setting_list_print_networks,
                               .form = "a comma list of ADDRESS, ADDRESS/BITS and unix, or none"},
    [SETTING_KIND_LOG] = {setting_value_parse_log, setting_value_print_log,
                          .form = "stderr, syslog or the absolute path of a file"},
    [SETTING_KIND_TEXT] = {setting_value_parse_text, setting_value_print_text, .describe = describe_text},
    [SETTING_KIND_BACKEND] = {setting_value_parse_backend, setting_value_print_text,
                              .form = "http://HOST, https://HOST, or one of them with :PORT"},
    [SETTING_KIND_SECRET] = {setting_secret_parse, setting_secret_print, .describe = describe_secret},
};

/* ---- one setting ------------------------------------------------------------------------------------------------- */

const struct setting_row *setting_find(struct slice name)
{
    for (size_t i = 0; i < setting_name_count; i++)
        if (slice_equal(slice_of(setting_names[i].name), name))
            return &setting_table[setting_names[i].index];
    return NULL;
}

struct slice setting_find_near(struct slice name)
{
    struct near near;

    near_init(&near, name);
    for (size_t i = 0; i < setting_name_count; i++)
        near_offer(&near, slice_of(setting_names[i].name));
    return near.best;
}

bool setting_parse(struct settings *settings, const struct setting_row *row, struct slice value,
                   char why[SETTING_WHY_SIZE])
{
    MUST(!row->is_later && kinds[row->kind].parse);
    if (value.size == 0)
        return setting_refuse(why, "the value is missing; leave the whole setting out to unset it");
    return kinds[row->kind].parse(settings, row, value, why);
}

/* Is the field a text that is unset when it is empty? */
static bool is_text(const struct setting_row *row)
{
    return row->kind == SETTING_KIND_PATH || row->kind == SETTING_KIND_ACCOUNT || row->kind == SETTING_KIND_TEXT ||
           row->kind == SETTING_KIND_BACKEND || row->kind == SETTING_KIND_SECRET;
}

void setting_clear(struct settings *settings, const struct setting_row *row)
{
    if (row->kind == SETTING_KIND_LISTEN || row->kind == SETTING_KIND_OPS_LISTEN)
        setting_list_clear_listen(settings, row->kind == SETTING_KIND_OPS_LISTEN);
    else if (is_text(row))
        ((char *)settings)[row->offset] = '\0';
    else
        MUST(!"a setting of this kind can be unset");
}

bool setting_is_set(const struct settings *settings, const struct setting_row *row)
{
    bool is_ops = row->kind == SETTING_KIND_OPS_LISTEN;

    if (is_text(row))
        return ((const char *)settings)[row->offset] != '\0';
    if (!is_ops && row->kind != SETTING_KIND_LISTEN)
        return true;
    for (uint32_t i = 0; i < settings->listen_count; i++)
        if (settings->listen[i].is_ops == is_ops)
            return true;
    return false;
}

void setting_print(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    MUST(!row->is_later && kinds[row->kind].print);
    kinds[row->kind].print(settings, row, out);
}

void setting_describe(const struct setting_row *row, char *text, size_t size)
{
    const struct kind *kind = &kinds[row->kind];

    if (kind->form)
        snprintf(text, size, "%s", kind->form);
    else
        kind->describe(row, text, size);
}
