/* SPDX-License-Identifier: MPL-2.0
 *
 * configure -> open -> load: see loaded.h.
 */
#include "cli/loaded.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "policy/digest.h"
#include "shm/moment.h"

#define LOOKS   20
#define LOOK_NS 10000000

static bool check_running(const struct instance *instance, struct failure *failure)
{
    const char *name = instance->settings.instance;

    if (instance_is_serving(instance))
        return true;
    if (instance->has_arena || instance->failure.code == EXIT_CODE_NO_INPUT)
        return failure_set(failure, EXIT_CODE_NOT_RUNNING,
                           "instance %s is not running: start it with fairvisord, or name another one by -c FILE or "
                           "--instance", name);
    *failure = instance->failure;
    return false;
}

/* ---- its bytes ----------------------------------------------------------------------------------------------------- */

static bool has_bytes(const char *path, const char *digest, struct input *input)
{
    char found[DIGEST_TEXT_SIZE];
    struct failure ignored;

    if (input_read_regular(path, input, &ignored) && digest_hex(input_slice(input), found) && strcmp(found, digest) == 0)
        return true;
    input_free(input);
    return false;
}

static bool find_kept(const struct settings *settings, const char *digest, char path[LOADED_PATH_SIZE], struct input *input)
{
    uint32_t numbers[KEPT_MAX];
    size_t count = 0;

    if (!kept_list(settings, numbers, KEPT_MAX, &count))
        return false;
    while (count-- > 0) {
        kept_path(settings, numbers[count], path);
        if (has_bytes(path, digest, input))
            return true;
    }
    return false;
}

static bool find_copy(const struct instance *instance, const char *digest, char path[LOADED_PATH_SIZE], struct input *input)
{
    return instance_bundle_path(instance, path) && has_bytes(path, digest, input);
}

/* The master publishes the status first and then writes the copy: for a moment they are of two bundles. */
static bool wait_for_copy(const struct instance *instance, struct arena_status *status, char path[LOADED_PATH_SIZE],
                          struct input *input)
{
    static const struct timespec pause = {.tv_nsec = LOOK_NS};

    for (int i = 0; i < LOOKS; i++) {
        if (find_copy(instance, status->policy_hash, path, input))
            return true;
        if (access(path, R_OK) != 0)
            return false;
        nanosleep(&pause, NULL);
        arena_read_status(&instance->arena, status);
    }
    return false;
}

static bool find(const struct instance *instance, struct arena_status *status, char path[LOADED_PATH_SIZE], struct input *input)
{
    const struct settings *settings = &instance->settings;

    *status = instance->status;
    *input = (struct input){.data = NULL};
    if (wait_for_copy(instance, status, path, input))
        return true;
    if (settings->config_file[0] != '\0' && has_bytes(settings->config_file, status->policy_hash, input)) {
        snprintf(path, LOADED_PATH_SIZE, "%s", settings->config_file);
        return true;
    }
    return find_kept(settings, status->policy_hash, path, input);
}

bool loaded_find(const struct instance *instance, char path[LOADED_PATH_SIZE], struct input *input)
{
    struct arena_status status;

    return find(instance, &status, path, input);
}

/* ---- the bundle ---------------------------------------------------------------------------------------------------- */

static bool refuse(const struct instance *instance, struct failure *failure)
{
    const struct settings *settings = &instance->settings;
    char copy[SETTINGS_PATH_SIZE];

    if (!instance_bundle_path(instance, copy))
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "runtime_dir is too long for a file in it");
    if (access(copy, R_OK) != 0 && errno == EACCES)
        return failure_set(failure, EXIT_CODE_PERMISSION,
                           "you may not read %s, the copy of the policy that instance %s serves: run this as root or as the "
                           "workers' user", copy, settings->instance);
    if (!instance_has_lock(instance))
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "instance %s runs, but the copy of its policy is not in %s: give the settings it was started with by "
                           "-c FILE, or their runtime_dir in FAIRVISOR_RUNTIME_DIR", settings->instance, settings->runtime_dir);
    return failure_set(failure, EXIT_CODE_OS,
                       "the policy that instance %s serves is neither in %s nor in config_file nor among the kept bundles in %s: "
                       "its log tells why it could not be written (is the disk full?); mend that, then `fairvisord -s reload`",
                       settings->instance, copy, settings->state_dir);
}

bool loaded_read(const struct instance *instance, char path[LOADED_PATH_SIZE], struct bundle **bundle, struct failure *failure)
{
    struct arena_status status;
    struct input input;
    /* It may have expired since it was loaded, and is in force all the same. */
    bool is_read = find(instance, &status, path, &input)
                       ? input_parse_at(&input, path, status.loaded_at_ns / NANOSECONDS_PER_SECOND, bundle, failure)
                       : refuse(instance, failure);

    input_free(&input);
    return is_read;
}

struct bundle *loaded_open(struct instance *instance, const char *config, const char *name, struct failure *failure)
{
    char path[LOADED_PATH_SIZE];
    struct bundle *bundle = NULL;

    if (!instance_find(instance, config, name, failure))
        return NULL;
    instance_open(instance);
    if (check_running(instance, failure))
        loaded_read(instance, path, &bundle, failure);
    return bundle;
}
