/* SPDX-License-Identifier: MPL-2.0
 *
 * Puts the settings together in their order of precedence, and tells which of them a running instance cannot change.
 */
#include "master/configure.h"

#include <stddef.h>
#include <string.h>

#define CONFIGURE_DEFAULT_PATH SYSCONFDIR "/fairvisor/fairvisor.conf"

/* Only the file that nobody named may be missing. */
static bool read_file(const char *path, struct settings *settings, bool *is_there, struct failure *failure)
{
    *is_there = true;
    return path ? settings_read_file(settings, path, failure)
                : settings_read_file_if_there(settings, CONFIGURE_DEFAULT_PATH, is_there, failure);
}

static bool set_pidfile(const char *path, struct settings *settings, struct failure *failure)
{
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(settings->pidfile))
        return failure_set(failure, EXIT_CODE_USAGE, "-p takes a path of 1 to %zu bytes",
                           sizeof(settings->pidfile) - 1);
    memcpy(settings->pidfile, path, length + 1);
    return true;
}

bool configure_read(const struct options *options, char *const *environment, struct settings *settings,
                    struct failure *failure)
{
    bool is_there;

    settings_default(settings);
    if (!read_file(options->config, settings, &is_there, failure) ||
        !settings_read_environment(settings, environment, failure))
        return false;
    if (settings->config_file[0] == '\0' && !is_there)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "config_file is not set, for there is no configuration file " CONFIGURE_DEFAULT_PATH
                           ": make it, name another with -c FILE, or set FAIRVISOR_CONFIG_FILE to the policy bundle");
    if (options->pidfile && !set_pidfile(options->pidfile, settings, failure))
        return false;
    return settings_finish(settings, failure);
}

void configure_tell_mistakes(const struct options *options, void (*tell)(void *context, const char *sentence), void *context)
{
    settings_read_mistakes(options->config ? options->config : CONFIGURE_DEFAULT_PATH, tell, context);
}

bool configure_find(const struct options *options, char *const *environment, struct settings *settings,
                    struct failure *passed_over, struct failure *failure)
{
    settings_default(settings);
    return settings_read_where(settings, options->config ? options->config : CONFIGURE_DEFAULT_PATH, !options->config,
                               environment, passed_over, failure) &&
           (!options->pidfile || set_pidfile(options->pidfile, settings, failure)) &&
           settings_finish_pidfile(settings, failure);
}

/* Settings that are built into what outlives a reload: names, owners, sizes and folders. */
#define FIXED(setting)                                                                        \
    {                                                                                         \
#setting, offsetof(struct settings, setting), sizeof(((struct settings *)0)->setting) \
    }
static const struct {
    const char *name;
    size_t offset, size;
} fixed_text_rows[] = {
    FIXED(instance), FIXED(user), FIXED(group), FIXED(runtime_dir), FIXED(state_dir), FIXED(pidfile),
};

bool configure_is_reloadable(const struct settings *current, const struct settings *next, struct failure *failure)
{
    for (size_t i = 0; i < sizeof(fixed_text_rows) / sizeof(fixed_text_rows[0]); i++) {
        const char *before = (const char *)current + fixed_text_rows[i].offset;
        const char *after = (const char *)next + fixed_text_rows[i].offset;

        if (strncmp(before, after, fixed_text_rows[i].size) != 0)
            return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                               "%s cannot change from '%s' to '%s' while the service runs: restart it, or set it back",
                               fixed_text_rows[i].name, before, after);
    }
    if (current->shared_dict_size != next->shared_dict_size)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "shared_dict_size cannot change from %llu to %llu bytes while the service runs: restart it, "
                           "or set it back",
                           (unsigned long long)current->shared_dict_size, (unsigned long long)next->shared_dict_size);
    return true;
}
