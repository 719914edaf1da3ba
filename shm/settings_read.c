/* SPDX-License-Identifier: MPL-2.0
 *
 * Settings from a file and from the environment. Each name is looked up in settings.def; an unknown one, one given twice,
 * a bad value and one that this release does not enforce are refused with their place.
 */
#include "shm/settings.h"

#include <stdlib.h>
#include <string.h>

#include "shm/setting.h"
#include "shm/setting_secret.h"
#include "shm/settings_file.h"

#define MAX_LINE_SIZE 4096
#define PREFIX        "FAIRVISOR_"
#define PLACE_SIZE    320 /* a longer file name is cut in messages */

/* One pass over a file or the environment. */
struct source {
    struct settings *settings;
    struct failure *failure;
    struct failure *passed_over; /* the first mistake that was; NULL: none may be */
    void (*tell)(void *context, const char *sentence); /* of each mistake, and all are passed over; NULL: see passed_over */
    void *context;
    bool is_foreign;              /* no settings at all: further lines are not worth a word */
    uint32_t line;                /* of a file; 0 for the environment */
    char place[PLACE_SIZE];       /* "/etc/x.conf:3" or "environment variable FAIRVISOR_MODE" */
    uint32_t seen[SETTING_COUNT]; /* line that set it, any number but 0 for the environment */
};

/* ---- one name and its value -------------------------------------------------------------------------------------- */

static bool refuse_again(const struct source *source, const struct setting_row *row, struct slice name)
{
    uint32_t first = source->seen[row - setting_table];

    if (source->line == 0)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG,
                           "%s: %s is given twice; keep one of the two variables", source->place, row->name);
    return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: %.*s is given again; line %u gave %s already",
                       source->place, (int)name.size, name.data, first, row->name);
}

/* What people write out of habit from other programs' files. */
static const char *hint(struct slice value)
{
    if (value.size > 0 && (value.data[0] == '"' || value.data[0] == '\''))
        return "; values stand without quotes";
    for (size_t i = 1; i < value.size; i++)
        if (value.data[i] == '#' && (value.data[i - 1] == ' ' || value.data[i - 1] == '\t'))
            return "; a comment needs a line of its own";
    return "";
}

/* Of a secret that stands in a file of its own. */
static bool take_file(struct source *source, const struct setting_row *row, struct slice value)
{
    char why[SETTING_WHY_SIZE];
    enum exit_code code = EXIT_CODE_BAD_CONFIG;

    if (setting_secret_read(source->settings, row, value, why, &code))
        return true;
    return failure_set(source->failure, code, "%s: %s_file = %.*s: %s%s", source->place, row->name,
                       (int)(value.size > 128 ? 128 : value.size), value.size ? value.data : "", why, hint(value));
}

static bool take(struct source *source, const struct setting_row *row, struct slice name, struct slice value)
{
    char why[SETTING_WHY_SIZE];

    if (row->is_later)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: this release does not enforce %s yet; remove it",
                           source->place, row->name);
    if (source->seen[row - setting_table])
        return refuse_again(source, row, name);
    source->seen[row - setting_table] = source->line ? source->line : 1;
    if (setting_secret_is_file(row, name))
        return take_file(source, row, value);
    if (setting_parse(source->settings, row, value, why))
        return true;
    if (row->kind == SETTING_KIND_SECRET)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: %s: %s", source->place, row->name, why);
    return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: %s = %.*s: %s%s", source->place, row->name,
                       (int)(value.size > 128 ? 128 : value.size), value.size ? value.data : "", why, hint(value));
}

/* ---- file -------------------------------------------------------------------------------------------------------- */

static bool check_line(const struct source *source, struct slice line)
{
    if (line.size > MAX_LINE_SIZE)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: the line is longer than %d bytes", source->place,
                           MAX_LINE_SIZE);
    for (size_t i = 0; i < line.size; i++) {
        unsigned char byte = (unsigned char)line.data[i];

        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return failure_set(source->failure, EXIT_CODE_BAD_CONFIG,
                               "%s: byte %zu of the line is the control byte 0x%02x; the file must be plain text",
                               source->place, i + 1, byte);
    }
    return true;
}

/* Names that other programs, or people, have for a setting, and that are not spelled like ours. */
static struct slice find_meant(struct slice name)
{
    static const struct {
        const char *name;
        enum setting_index meant;
    } rows[] = {
        {"policy", SETTING_config_file},  {"policies", SETTING_config_file},   {"policy_file", SETTING_config_file},
        {"bundle", SETTING_config_file},  {"bundle_file", SETTING_config_file}, {"port", SETTING_listen},
        {"bind", SETTING_listen},         {"address", SETTING_listen},         {"metrics_listen", SETTING_ops_listen},
        {"backend", SETTING_backend_url}, {"upstream", SETTING_backend_url},   {"proxy_pass", SETTING_backend_url},
        {"log_file", SETTING_log},        {"error_log", SETTING_log},          {"access_log", SETTING_decision_log},
        {"workers", SETTING_worker_processes},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (slice_equal(name, slice_of(rows[i].name)))
            return slice_of(setting_table[rows[i].meant].name);
    return setting_find_near(name);
}

static bool refuse_unknown(const struct source *source, struct slice name)
{
    struct slice near = find_meant(name);
    int size = (int)(name.size > 64 ? 64 : name.size);

    if (near.size > 0)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG,
                           "%s: there is no setting \"%.*s\"; did you mean \"%.*s\"?", source->place, size, name.data,
                           (int)near.size, near.data);
    return failure_set(source->failure, EXIT_CODE_BAD_CONFIG,
                       "%s: there is no setting \"%.*s\"; fairvisor.conf(5) lists all of them, and limits stand in the policy, the "
                       "file of config_file", source->place, size, name.data);
}

/* A line that begins with a bracket. */
static bool refuse_start(struct source *source, struct slice line)
{
    source->is_foreign = line.data[0] == '{';
    return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: %s; write name = value", source->place,
                       line.data[0] == '{' ? "settings are no JSON, as a policy is, which the setting config_file names"
                                           : "settings have no sections");
}

static bool read_line(struct source *source, struct slice line)
{
    const struct setting_row *row;
    const char *equals;
    struct slice name, value;

    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    if (!check_line(source, line))
        return false;
    line = slice_trim(line);
    if (line.size == 0 || line.data[0] == '#')
        return true;
    if (line.data[0] == '{' || line.data[0] == '[')
        return refuse_start(source, line);
    equals = memchr(line.data, '=', line.size);
    if (!equals)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: the line has no '='; write name = value",
                           source->place);
    name = slice_trim((struct slice){line.data, (size_t)(equals - line.data)});
    value = slice_trim((struct slice){equals + 1, line.size - (size_t)(equals - line.data) - 1});
    if (name.size == 0)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: the name before '=' is missing", source->place);
    row = setting_find(name);
    return row ? take(source, row, name, value) : refuse_unknown(source, name);
}

/* Whether NAME says where an instance is, or may have been meant to: a mistake there must not lead to another instance. */
static bool says_where(struct slice name)
{
    static const enum setting_index where[] = {SETTING_instance, SETTING_runtime_dir, SETTING_state_dir, SETTING_user};
    struct slice near = setting_find_near(name); /* itself, where there is one of that name */

    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++)
        if (slice_equal(near, slice_of(setting_table[where[i]].name)))
            return true;
    return false;
}

/* After a mistake at what NAME should set. */
static bool pass_over(const struct source *source, struct slice name)
{
    if (source->tell) {
        source->tell(source->context, source->failure->sentence);
        return !source->is_foreign;
    }
    if (!source->passed_over || says_where(name))
        return false;
    if (source->passed_over->code == EXIT_CODE_OK)
        *source->passed_over = *source->failure;
    return true;
}

/* The first word of LINE, which may lack its '='. */
static struct slice first_word(struct slice line)
{
    size_t size = 0;

    line = slice_trim(line);
    while (size < line.size && !memchr("= \t", line.data[size], 3))
        size++;
    return (struct slice){line.data, size};
}

static bool read_lines(struct source *source, const char *path, struct slice text)
{
    while (text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        struct slice line = {text.data, end ? (size_t)(end - text.data) : text.size};
        size_t used = line.size + (end ? 1 : 0);

        source->line++;
        snprintf(source->place, sizeof(source->place), "%.*s:%u", PLACE_SIZE - 16, path, source->line);
        if (!read_line(source, line) && !pass_over(source, first_word(line)))
            return false;
        text = (struct slice){text.data + used, text.size - used};
    }
    return true;
}

bool settings_read_text(struct settings *settings, const char *path, struct slice text, struct failure *failure)
{
    struct source source = {.settings = settings, .failure = failure};

    return read_lines(&source, path, text);
}

static bool read_path(struct source *source, const char *path, bool *is_there)
{
    char *text;
    size_t size;
    bool is_good = settings_file_read(path, &text, &size, source->failure);

    *is_there = is_good || source->failure->code != EXIT_CODE_NO_INPUT;
    is_good = is_good ? read_lines(source, path, (struct slice){text, size}) : !*is_there;
    free(text);
    return is_good;
}

bool settings_read_file_if_there(struct settings *settings, const char *path, bool *is_there, struct failure *failure)
{
    struct source source = {.settings = settings, .failure = failure};

    return read_path(&source, path, is_there);
}

void settings_read_mistakes(const char *path, void (*tell)(void *context, const char *sentence), void *context)
{
    struct settings settings;
    struct failure failure;
    struct source source = {.settings = &settings, .failure = &failure, .tell = tell, .context = context};
    bool is_there;

    settings_default(&settings);
    (void)read_path(&source, path, &is_there);
}

bool settings_read_file(struct settings *settings, const char *path, struct failure *failure)
{
    bool is_there;

    return settings_read_file_if_there(settings, path, &is_there, failure) && is_there;
}

/* ---- environment ------------------------------------------------------------------------------------------------- */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

static struct slice in_small_letters(struct slice name, char small[64])
{
    size_t size = name.size < 64 ? name.size : 64;

    for (size_t i = 0; i < size; i++)
        small[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] | 0x20) : name.data[i];
    return (struct slice){small, size};
}

/* The row whose name in capitals is NAME. */
static const struct setting_row *find_variable(struct slice name)
{
    for (size_t i = 0; i < setting_name_count; i++) {
        struct slice known = slice_of(setting_names[i].name);
        size_t same = 0;

        while (known.size == name.size && same < name.size && upper(known.data[same]) == name.data[same])
            same++;
        if (known.size == name.size && same == name.size)
            return &setting_table[setting_names[i].index];
    }
    return NULL;
}

static bool refuse_variable(const struct source *source, struct slice name)
{
    char small[64];
    struct slice near = find_meant(in_small_letters(name, small));
    char variable[64] = "";

    if (near.size == 0)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG,
                           "%s is no setting; unset it, or see fairvisor.conf(5) for all of them", source->place);
    for (size_t i = 0; i < near.size && i + 1 < sizeof(variable); i++)
        variable[i] = upper(near.data[i]);
    return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s is no setting; did you mean " PREFIX "%s?",
                       source->place, variable);
}

static bool read_variable(struct source *source, const char *variable)
{
    const char *equals = strchr(variable, '=');
    const struct setting_row *row;
    struct slice name;

    if (!equals || strncmp(variable, PREFIX, strlen(PREFIX)) != 0)
        return true;
    name = (struct slice){variable + strlen(PREFIX), (size_t)(equals - variable) - strlen(PREFIX)};
    snprintf(source->place, sizeof(source->place), "environment variable " PREFIX "%.*s",
             (int)(name.size > 64 ? 64 : name.size), name.data);
    row = find_variable(name);
    return row ? take(source, row, name, slice_of(equals + 1)) : refuse_variable(source, name);
}

/* Of "FAIRVISOR_NAME=value". */
static struct slice variable_name(const char *variable)
{
    return first_word(slice_of(variable + strlen(PREFIX)));
}

static bool read_variables(struct source *source, char *const *environment)
{
    for (; *environment; environment++)
        if (!read_variable(source, *environment) && !pass_over(source, variable_name(*environment)))
            return false;
    return true;
}

bool settings_read_environment(struct settings *settings, char *const *environment, struct failure *failure)
{
    struct source source = {.settings = settings, .failure = failure};

    return read_variables(&source, environment);
}

bool settings_read_where(struct settings *settings, const char *path, bool may_lack, char *const *environment,
                         struct failure *passed_over, struct failure *failure)
{
    struct source file = {.settings = settings, .failure = failure, .passed_over = passed_over}, variables = file;
    bool is_there;

    passed_over->code = EXIT_CODE_OK;
    return read_path(&file, path, &is_there) && (is_there || may_lack) && read_variables(&variables, environment);
}
