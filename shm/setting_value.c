/* SPDX-License-Identifier: MPL-2.0
 *
 * How each kind of single value is read and printed. A value is taken whole or refused with cause and cure; nothing is
 * rounded, cut or replaced.
 */
#include "shm/setting_value.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "shm/backend.h"
#include "shm/must.h"
#include "shm/quantity.h"
#include "shm/setting_list.h"

_Static_assert(sizeof(enum settings_mode) == sizeof(uint32_t) && sizeof(enum log_level) == sizeof(uint32_t) &&
                   sizeof(enum settings_decision_log) == sizeof(uint32_t) && sizeof(enum settings_redact) == sizeof(uint32_t) &&
                   sizeof(enum settings_jwt_on_invalid) == sizeof(uint32_t),
               "an enum field of struct settings is read and written as uint32_t");

static void *field(struct settings *settings, const struct setting_row *row)
{
    return (char *)settings + row->offset;
}

static const void *field_const(const struct settings *settings, const struct setting_row *row)
{
    return (const char *)settings + row->offset;
}

static struct slice word_at(const char *words, uint32_t index)
{
    struct slice rest = slice_of(words), piece = {NULL, 0};

    for (uint32_t i = 0; setting_list_next(&rest, '|', &piece); i++)
        if (i == index)
            return piece;
    return SLICE("?");
}

static bool parse_word(const struct setting_row *row, struct slice value, uint32_t *index, char *why)
{
    uint32_t ignored;

    if (!setting_list_has(row->words, value, index))
        return setting_refuse_value(why, row);
    if (setting_list_has(row->later, value, &ignored)) {
        char allowed[SETTING_WHY_SIZE / 2];

        setting_describe(row, allowed, sizeof(allowed));
        return setting_refuse(why, "this release does not enforce it yet; allowed is %s", allowed);
    }
    return true;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

bool setting_value_parse_word(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    return parse_word(row, value, field(settings, row), why);
}

void setting_value_print_word(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    struct slice word = word_at(row->words, *(const uint32_t *)field_const(settings, row));

    fprintf(out, "%.*s", (int)word.size, word.data);
}

bool setting_value_parse_flag(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    uint32_t index;

    if (!parse_word(row, value, &index, why))
        return false;
    *(bool *)field(settings, row) = index == 1;
    return true;
}

void setting_value_print_flag(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    struct slice word = word_at(row->words, *(const bool *)field_const(settings, row));

    fprintf(out, "%.*s", (int)word.size, word.data);
}

bool setting_value_parse_status(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    uint32_t index;
    uint64_t number;

    if (!parse_word(row, value, &index, why))
        return false;
    MUST(quantity_parse_count(value, &number));
    *(uint32_t *)field(settings, row) = (uint32_t)number;
    return true;
}

void setting_value_print_number(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    fprintf(out, "%" PRIu32, *(const uint32_t *)field_const(settings, row));
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static bool is_in_range(const struct setting_row *row, uint64_t number)
{
    return number >= row->low && number <= row->high;
}

bool setting_value_parse_count(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    uint64_t number;

    if (!quantity_parse_count(value, &number) || !is_in_range(row, number))
        return setting_refuse_value(why, row);
    *(uint64_t *)field(settings, row) = number;
    return true;
}

void setting_value_print_count(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    fprintf(out, "%" PRIu64, *(const uint64_t *)field_const(settings, row));
}

bool setting_value_parse_size(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    uint64_t bytes;

    if (!quantity_parse_size(value, &bytes) || !is_in_range(row, bytes))
        return setting_refuse_value(why, row);
    *(uint64_t *)field(settings, row) = bytes;
    return true;
}

void setting_value_print_size(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    char text[QUANTITY_TEXT_SIZE];

    quantity_print_size(*(const uint64_t *)field_const(settings, row), text);
    fputs(text, out);
}

bool setting_value_parse_duration(struct settings *settings, const struct setting_row *row, struct slice value,
                                  char *why)
{
    uint64_t milliseconds;
    bool may_be_off = row->kind == SETTING_KIND_INTERVAL;

    if (!quantity_parse_duration(value, &milliseconds) ||
        !(is_in_range(row, milliseconds) || (may_be_off && milliseconds == 0)))
        return setting_refuse_value(why, row);
    *(uint64_t *)field(settings, row) = milliseconds;
    return true;
}

void setting_value_print_duration(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    char text[QUANTITY_TEXT_SIZE];

    quantity_print_duration(*(const uint64_t *)field_const(settings, row), text);
    fputs(text, out);
}

/* The processors this process may run on (a container's cpuset counts), as many as there can be workers. */
static uint32_t usable_processors(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t usable;

    if (sched_getaffinity(0, sizeof(usable), &usable) == 0)
        online = CPU_COUNT(&usable);
    if (online < 1)
        return 1;
    return online > SETTINGS_MAX_WORKERS ? SETTINGS_MAX_WORKERS : (uint32_t)online;
}

bool setting_value_parse_workers(struct settings *settings, const struct setting_row *row, struct slice value,
                                 char *why)
{
    uint64_t number = usable_processors();

    if (!slice_equal(value, SLICE("auto")) && (!quantity_parse_count(value, &number) || !is_in_range(row, number)))
        return setting_refuse_value(why, row);
    *(uint32_t *)field(settings, row) = (uint32_t)number;
    return true;
}

bool setting_value_parse_file_mode(struct settings *settings, const struct setting_row *row, struct slice value,
                                   char *why)
{
    uint32_t mode = 0;

    if (value.size < 3 || value.size > 4)
        return setting_refuse_value(why, row);
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '7')
            return setting_refuse_value(why, row);
        mode = mode << 3 | (uint32_t)(value.data[i] - '0');
    }
    if (!is_in_range(row, mode))
        return setting_refuse_value(why, row);
    *(uint32_t *)field(settings, row) = mode;
    return true;
}

void setting_value_print_file_mode(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    fprintf(out, "%04" PRIo32, *(const uint32_t *)field_const(settings, row));
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

void setting_value_copy(char *to, struct slice text)
{
    if (text.size > 0)
        memcpy(to, text.data, text.size);
    to[text.size] = '\0';
}

void setting_value_print_text(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    fputs(field_const(settings, row), out);
}

bool setting_value_check_path(struct slice value, size_t room, char *why)
{
    if (value.size == 0 || value.data[0] != '/')
        return setting_refuse(why, "allowed is an absolute path, which begins with '/'");
    if (value.size >= room)
        return setting_refuse(why, "allowed is a path of at most %zu bytes", room - 1);
    return true;
}

bool setting_value_parse_path(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    if (!setting_value_check_path(value, SETTINGS_PATH_SIZE, why))
        return false;
    setting_value_copy(field(settings, row), value);
    return true;
}

bool setting_value_parse_text(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    if (!is_in_range(row, value.size))
        return setting_refuse_value(why, row);
    for (size_t i = 0; i < value.size; i++)
        if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f)
            return setting_refuse_value(why, row);
    setting_value_copy(field(settings, row), value);
    return true;
}

bool setting_value_parse_backend(struct settings *settings, const struct setting_row *row, struct slice value,
                                 char *why)
{
    struct backend backend;
    const char *clause;

    if (!is_in_range(row, value.size))
        return setting_refuse(why, "allowed is a URL of at most %" PRIu64 " bytes", row->high);
    if (!backend_parse(value, &backend, &clause))
        return setting_refuse(why, "%s", clause);
    setting_value_copy(field(settings, row), value);
    return true;
}

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (slice_lower(c) >= 'a' && slice_lower(c) <= 'z');
}

bool setting_value_parse_instance(struct settings *settings, const struct setting_row *row, struct slice value,
                                  char *why)
{
    if (!is_in_range(row, value.size))
        return setting_refuse_value(why, row);
    for (size_t i = 0; i < value.size; i++)
        if (!is_letter_or_digit(value.data[i]) && !strchr("_.-", value.data[i]))
            return setting_refuse_value(why, row);
    /* arena_set_aside gives such a name to what another instance could not use. */
    if (slice_has_suffix(value, SLICE(".refused")))
        return setting_refuse_value(why, row);
    setting_value_copy(field(settings, row), value);
    return true;
}

bool setting_value_parse_account(struct settings *settings, const struct setting_row *row, struct slice value,
                                 char *why)
{
    if (value.size >= SETTINGS_NAME_SIZE)
        return setting_refuse_value(why, row);
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] <= ' ' || value.data[i] == 0x7f || strchr(":/,", value.data[i]))
            return setting_refuse_value(why, row);
    setting_value_copy(field(settings, row), value);
    return true;
}

/* ---- log --------------------------------------------------------------------------------------------------------- */

bool setting_value_parse_log(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    uint32_t index;

    if (setting_list_has(row->words, value, &index)) {
        settings->log = index == 0 ? SETTINGS_LOG_STDERR : SETTINGS_LOG_SYSLOG;
        settings->log_file[0] = '\0';
        return true;
    }
    if (value.size == 0 || value.data[0] != '/')
        return setting_refuse_value(why, row);
    if (!setting_value_check_path(value, SETTINGS_PATH_SIZE, why))
        return false;
    settings->log = SETTINGS_LOG_FILE;
    setting_value_copy(settings->log_file, value);
    return true;
}

void setting_value_print_log(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    struct slice word = word_at(row->words, (uint32_t)settings->log);

    if (settings->log == SETTINGS_LOG_FILE)
        fputs(settings->log_file, out);
    else
        fprintf(out, "%.*s", (int)word.size, word.data);
}
