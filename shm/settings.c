/* SPDX-License-Identifier: MPL-2.0
 *
 * The built-in defaults of all settings, and the settings as others ask for them and print them.
 */
#include "shm/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/must.h"
#include "shm/setting.h"

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

/* ---- what they come to ------------------------------------------------------------------------------------------- */

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
