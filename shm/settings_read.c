/* SPDX-License-Identifier: MPL-2.0
 *
 * Settings from a file and from the environment. Each name is looked up in settings.def; an unknown one, one given twice,
 * a bad value and one that this release does not enforce are refused with their place.
 */
#include "shm/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/setting.h"
#include "shm/setting_secret.h"

#define MAX_FILE_SIZE (1u << 20)
#define MAX_LINE_SIZE 4096
#define PREFIX        "FAIRVISOR_"
#define PLACE_SIZE    320 /* a longer file name is cut in messages */

/* One pass over a file or the environment. */
struct source {
    struct settings *settings;
    struct failure *failure;
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

static bool take(struct source *source, const struct setting_row *row, struct slice name, struct slice value)
{
    char why[SETTING_WHY_SIZE];

    if (row->is_later)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s: this release does not enforce %s yet; remove it",
                           source->place, row->name);
    if (source->seen[row - setting_table])
        return refuse_again(source, row, name);
    source->seen[row - setting_table] = source->line ? source->line : 1;
    if (setting_secret_is_file(row, name) ? setting_secret_read(source->settings, row, value, why)
                                          : setting_parse(source->settings, row, value, why))
        return true;
    if (row->kind == SETTING_KIND_SECRET && !setting_secret_is_file(row, name))
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

static bool refuse_unknown(const struct source *source, struct slice name)
{
    struct slice near = setting_find_near(name);
    int size = (int)(name.size > 64 ? 64 : name.size);

    if (near.size > 0)
        return failure_set(source->failure, EXIT_CODE_BAD_CONFIG,
                           "%s: there is no setting \"%.*s\"; did you mean \"%.*s\"?", source->place, size, name.data,
                           (int)near.size, near.data);
    return failure_set(source->failure, EXIT_CODE_BAD_CONFIG,
                       "%s: there is no setting \"%.*s\"; fairvisor.conf(5) lists all of them", source->place, size,
                       name.data);
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

static bool refuse_file(const char *path, struct failure *failure)
{
    enum exit_code code = errno == ENOENT || errno == ENOTDIR ? EXIT_CODE_NO_INPUT
                          : errno == EACCES || errno == EPERM ? EXIT_CODE_PERMISSION
                                                              : EXIT_CODE_OS;

    return failure_set_errno(failure, code, "the configuration file %s cannot be read", path);
}

/* The open file of PATH; -1. O_NONBLOCK: a fifo must be refused, not waited for. */
static int open_file(const char *path, struct failure *failure)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat facts;

    if (fd < 0 || fstat(fd, &facts) != 0)
        refuse_file(path, failure);
    else if (!S_ISFIFO(facts.st_mode))
        return fd;
    else
        failure_set(failure, EXIT_CODE_BAD_CONFIG, "the configuration file %s is a fifo, not a file", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads all of PATH into TEXT, which the caller frees. */
static bool read_whole(const char *path, char **text, size_t *size, struct failure *failure)
{
    int fd = open_file(path, failure);
    ssize_t got = 1;

    *text = NULL;
    *size = 0;
    if (fd < 0)
        return false;
    *text = malloc(MAX_FILE_SIZE + 1);
    while (*text && got > 0 && *size <= MAX_FILE_SIZE) {
        got = read(fd, *text + *size, MAX_FILE_SIZE + 1 - *size);
        if (got > 0)
            *size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    if (!*text || got < 0)
        refuse_file(path, failure);
    close(fd);
    if (!*text || got < 0)
        return false;
    if (*size > MAX_FILE_SIZE)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "the configuration file %s is larger than %u bytes", path,
                           MAX_FILE_SIZE);
    return true;
}

static bool read_lines(struct source *source, const char *path, struct slice text)
{
    while (text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        struct slice line = {text.data, end ? (size_t)(end - text.data) : text.size};
        size_t used = line.size + (end ? 1 : 0);

        source->line++;
        snprintf(source->place, sizeof(source->place), "%.*s:%u", PLACE_SIZE - 16, path, source->line);
        if (!read_line(source, line))
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

bool settings_read_file(struct settings *settings, const char *path, struct failure *failure)
{
    char *text;
    size_t size;
    bool is_good = read_whole(path, &text, &size, failure) &&
                   settings_read_text(settings, path, (struct slice){text, size}, failure);

    free(text);
    return is_good;
}

/* ---- environment ------------------------------------------------------------------------------------------------- */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
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
    struct slice near = setting_find_near(name);
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

bool settings_read_environment(struct settings *settings, char *const *environment, struct failure *failure)
{
    struct source source = {.settings = settings, .failure = failure};

    for (; *environment; environment++)
        if (!read_variable(&source, *environment))
            return false;
    return true;
}
