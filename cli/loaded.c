/* SPDX-License-Identifier: MPL-2.0
 *
 * configure -> open -> load: see loaded.h.
 */
#include "cli/loaded.h"

#include "cli/input.h"

static bool check_running(const struct instance *instance, struct failure *failure)
{
    const char *name = instance->settings.instance;

    if (instance_is_serving(instance))
        return true;
    if (instance->has_arena || instance->failure.code == EXIT_CODE_NO_INPUT)
        return failure_set(failure, EXIT_CODE_NOT_RUNNING, "instance %s is not running: start it with fairvisord, or name another one by -c FILE or --instance", name);
    *failure = instance->failure;
    return false;
}

bool loaded_read(const struct instance *instance, const char *path, struct bundle **bundle, struct failure *failure)
{
    /* It may have expired since it was loaded, and is in force all the same. */
    if (input_load_at(path, instance->status.loaded_at_ns / NANOSECONDS_PER_SECOND, bundle, failure))
        return true;
    if (failure->code == EXIT_CODE_NO_INPUT)
        failure_set(failure, EXIT_CODE_BAD_CONFIG,
                    "instance %s runs, but the copy of its policy is not in %s: give the settings it was started with by "
                    "-c FILE, or their runtime_dir in FAIRVISOR_RUNTIME_DIR",
                    instance->settings.instance, instance->settings.runtime_dir);
    return false;
}

struct bundle *loaded_open(struct instance *instance, const char *config, const char *name, struct failure *failure)
{
    char path[SETTINGS_PATH_SIZE];
    struct bundle *bundle = NULL;

    if (!instance_find(instance, config, name, failure))
        return NULL;
    instance_open(instance);
    if (!check_running(instance, failure))
        return NULL;
    if (!instance_bundle_path(instance, path))
        failure_set(failure, EXIT_CODE_BAD_CONFIG, "runtime_dir is too long for a file in it");
    else
        loaded_read(instance, path, &bundle, failure);
    return bundle;
}
