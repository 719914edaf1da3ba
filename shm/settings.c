/* SPDX-License-Identifier: MPL-2.0
 *
 * The sources of settings: built-in defaults, a file, the environment. Each name is looked up in settings.def; an
 * unknown one, one given twice, a bad value and one that this release does not enforce are refused with their place.
 */
#include "shm/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/must.h"
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

/* ---- defaults ---------------------------------------------------------------------------------------------------- */

/* Makes "BASE/REST", if BASE is absolute and there is room. */
static bool join_path(char path[SETTINGS_PATH_SIZE], const char *base, const char *rest)
{
    int length;

    if (!base || base[0] != '/')
        return false;
    length = snprintf(path, SETTINGS_PATH_SIZE, "%s/%s", base, rest);
    return length > 0 && length < SETTINGS_PATH_SIZE;
}

static void use_own_folders(struct settings *settings)
{
    if (!join_path(settings->runtime_dir, secure_getenv("XDG_RUNTIME_DIR"), "fairvisor"))
        snprintf(settings->runtime_dir, sizeof(settings->runtime_dir), "/tmp/fairvisor-%u", (unsigned)geteuid());
    if (!join_path(settings->state_dir, secure_getenv("XDG_STATE_HOME"), "fairvisor") &&
        !join_path(settings->state_dir, secure_getenv("HOME"), ".local/state/fairvisor"))
        snprintf(settings->state_dir, sizeof(settings->state_dir), "/tmp/fairvisor-%u", (unsigned)geteuid());
}

void settings_default(struct settings *settings)
{
    char why[SETTING_WHY_SIZE];

    memset(settings, 0, sizeof(*settings));
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting_row *row = &setting_table[i];

        if (!row->is_later && row->fallback[0] != '\0')
            MUST(setting_parse(settings, row, slice_of(row->fallback), why));
    }
    if (geteuid() == 0)
        return;
    setting_clear(settings, &setting_table[SETTING_user]);
    setting_clear(settings, &setting_table[SETTING_group]);
    use_own_folders(settings);
}

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

/* ---- the whole --------------------------------------------------------------------------------------------------- */

void settings_print_listen(const struct settings_listen *listen, char text[SETTINGS_LISTEN_TEXT_SIZE])
{
    char address[ADDRESS_TEXT_SIZE];

    if (listen->is_unix) {
        snprintf(text, SETTINGS_LISTEN_TEXT_SIZE, "unix:%s", listen->path);
        return;
    }
    address_print(&listen->address, address);
    snprintf(text, SETTINGS_LISTEN_TEXT_SIZE, listen->address.family == ADDRESS_IPV6 ? "[%s]:%u" : "%s:%u", address,
             listen->port);
}

uint64_t settings_descriptors(const struct settings *settings)
{
    if (settings->mode != SETTINGS_MODE_REVERSE_PROXY)
        return settings->max_connections;
    return 2 * settings->max_connections + settings->backend_keepalive;
}

const char *settings_reference_name(enum settings_reference which)
{
    static const char *const names[SETTINGS_REFERENCES] = {
#define NAME(symbol, setting) #setting,
        SETTINGS_REFERENCE_ROWS(NAME)
#undef NAME
    };

    return names[which];
}

const char *settings_reference_path(const struct settings *settings, enum settings_reference which, bool *is_packaged)
{
    *is_packaged = settings->references[which][0] == '\0';
    if (!*is_packaged)
        return settings->references[which];
    return which == SETTINGS_REFERENCE_BOTS ? PKGDATADIR "/bots.txt" : NULL;
}

void settings_reference_names(const struct settings *settings, const char *names[SETTINGS_REFERENCES])
{
    bool is_packaged;

    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        names[i] = settings_reference_path(settings, (enum settings_reference)i, &is_packaged);
}

static bool is_same_listen(const struct settings_listen *a, const struct settings_listen *b)
{
    if (a->is_unix || b->is_unix)
        return a->is_unix && b->is_unix && strcmp(a->path, b->path) == 0;
    return a->port == b->port && memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

static bool check_listen(const struct settings *settings, struct failure *failure)
{
    for (uint32_t i = 0; i < settings->listen_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (is_same_listen(&settings->listen[i], &settings->listen[j])) {
                char text[SETTINGS_LISTEN_TEXT_SIZE];

                settings_print_listen(&settings->listen[i], text);
                return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                                   "%s stands twice in listen and ops_listen; give each address once", text);
            }
    return true;
}

/* Rules for tokens mean nothing when no token is verified. */
static bool check_tokens(const struct settings *settings, struct failure *failure)
{
    const struct {
        const char *name;
        bool is_set;
    } rules[] = {{"jwt_issuer", settings->jwt_issuer[0] != '\0'},
                 {"jwt_audience", settings->jwt_audience[0] != '\0'},
                 {"jwt_on_invalid = anonymous", settings->jwt_on_invalid == SETTINGS_JWT_ANONYMOUS}};

    if (settings->references[SETTINGS_REFERENCE_TOKEN_KEYS][0] != '\0')
        return true;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].is_set)
            return failure_set(
                failure, EXIT_CODE_BAD_CONFIG,
                "%s has no effect without jwt_keys_file, for no token is verified then: name the key set "
                "in jwt_keys_file, or remove it",
                rules[i].name);
    return true;
}

static bool check_mode(const struct settings *settings, struct failure *failure)
{
    bool is_proxy = settings->mode == SETTINGS_MODE_REVERSE_PROXY, has_backend = settings->backend_url[0] != '\0';

    if (is_proxy && !has_backend)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "mode = reverse_proxy needs an upstream: name it in backend_url (backend_url = "
                           "http://127.0.0.1:9000)");
    if (!is_proxy && has_backend)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "backend_url has no effect without mode = reverse_proxy: set the mode, or remove it");
    return true;
}

static bool check_tls(const struct settings *settings, struct failure *failure)
{
    bool has_cert = settings->references[SETTINGS_REFERENCE_TLS_CERT][0] != '\0';
    bool has_key = settings->references[SETTINGS_REFERENCE_TLS_KEY][0] != '\0';

    if (has_cert != has_key)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "%s is set and %s is not: TLS needs both",
                           has_cert ? "tls_cert" : "tls_key", has_cert ? "tls_key" : "tls_cert");
    if (settings->references[SETTINGS_REFERENCE_BACKEND_CA][0] != '\0' &&
        strncmp(settings->backend_url, "https:", 6) != 0)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "backend_ca_file has no effect: backend_url is not an https:// one");
    return true;
}

bool settings_finish(struct settings *settings, struct failure *failure)
{
    int length;

    if (settings->config_file[0] == '\0')
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "config_file is not set: name the policy bundle in the configuration file (config_file = "
                           "/etc/fairvisor/policy.json) or in the environment variable FAIRVISOR_CONFIG_FILE");
    if (!check_listen(settings, failure) || !check_tokens(settings, failure) || !check_mode(settings, failure) ||
        !check_tls(settings, failure))
        return false;
    if (settings->pidfile[0] != '\0')
        return true;
    length =
        snprintf(settings->pidfile, sizeof(settings->pidfile), "%s/%s.pid", settings->runtime_dir, settings->instance);
    if (length < 0 || length >= (int)sizeof(settings->pidfile))
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "runtime_dir is too long for a pidfile in it");
    return true;
}

void settings_print(const struct settings *settings, FILE *out)
{
    fputs("# Effective settings, as fairvisor.conf(5) takes them.\n", out);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting_row *row = &setting_table[i];

        if (row->is_later)
            continue;
        if (!setting_is_set(settings, row)) {
            fprintf(out, "# %s is not set\n", row->name);
            continue;
        }
        if (row->kind == SETTING_KIND_SECRET) {
            fprintf(out, "# %s is set, and not shown\n", row->name);
            continue;
        }
        fprintf(out, "%s = ", row->name);
        setting_print(settings, row, out);
        fputc('\n', out);
    }
    if (settings->pidfile[0] != '\0')
        fprintf(out, "# The pidfile (fairvisord -p) is %s\n", settings->pidfile);
    fputs("# Known, but refused because this release does not enforce it yet:\n", out);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (setting_table[i].is_later)
            fprintf(out, "#   %s\n", setting_table[i].name);
        else if (setting_table[i].later[0] != '\0')
            fprintf(out, "#   %s = %s\n", setting_table[i].name, setting_table[i].later);
}
