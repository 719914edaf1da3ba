/* SPDX-License-Identifier: MPL-2.0
 *
 * Finds an instance by its settings: see instance.h.
 */
#include "cli/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/counters.h"
#include "shm/owner.h"
#include "shm/setting.h"

#define DEFAULT_CONFIG SYSCONFDIR "/fairvisor/fairvisor.conf"

static bool read_file(struct settings *settings, const char *config, struct failure *failure)
{
    bool is_there;

    return config ? settings_read_file(settings, config, failure)
                  : settings_read_file_if_there(settings, DEFAULT_CONFIG, &is_there, failure);
}

static bool take_name(struct instance *instance, const char *name, struct failure *failure)
{
    char why[SETTING_WHY_SIZE];

    if (name && !setting_parse(&instance->settings, &setting_table[SETTING_instance], slice_of(name), why))
        return failure_set(failure, EXIT_CODE_USAGE, "--instance %s: %s", name, why);
    return true;
}

bool instance_configure(struct instance *instance, const char *config, const char *name, struct failure *failure)
{
    memset(instance, 0, sizeof(*instance));
    settings_default(&instance->settings);
    if (!read_file(&instance->settings, config, failure) ||
        !settings_read_environment(&instance->settings, environ, failure))
        return false;
    return take_name(instance, name, failure);
}

bool instance_find(struct instance *instance, const char *config, const char *name, struct failure *failure)
{
    static bool is_told;
    struct failure passed_over;

    memset(instance, 0, sizeof(*instance));
    settings_default(&instance->settings);
    if (!settings_read_where(&instance->settings, config ? config : DEFAULT_CONFIG, !config, environ, &passed_over, failure))
        return false;
    if (passed_over.code != EXIT_CODE_OK && !is_told)
        fprintf(stderr, "fairvisor: warning: %s (passed over here; a reload or a start will refuse it)\n", passed_over.sentence);
    is_told = is_told || passed_over.code != EXIT_CODE_OK;
    return take_name(instance, name, failure);
}

static bool runtime_path(const struct instance *instance, const char *suffix, char path[SETTINGS_PATH_SIZE])
{
    int length = snprintf(path, SETTINGS_PATH_SIZE, "%s/%s%s", instance->settings.runtime_dir,
                          instance->settings.instance, suffix);

    return length > 0 && length < SETTINGS_PATH_SIZE;
}

bool instance_bundle_path(const struct instance *instance, char path[SETTINGS_PATH_SIZE])
{
    return runtime_path(instance, ".bundle.json", path);
}

bool instance_has_lock(const struct instance *instance)
{
    char path[SETTINGS_PATH_SIZE];

    return runtime_path(instance, ".lock", path) && access(path, F_OK) == 0;
}

/* A master holds a lock on this file as long as it lives. Who may not read it asks for the process by its number, which
 * another program may have inherited. */
static bool has_master(const struct instance *instance)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t pid = (pid_t)instance->status.master_pid;
    char path[SETTINGS_PATH_SIZE];
    bool is_held = false;
    int fd = runtime_path(instance, ".lock", path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;

    if (fd < 0) /* without shared memory there is no number, which is 0 then */
        return pid > 1 && (kill(pid, 0) == 0 || errno == EPERM);
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0)
        is_held = lock.l_type != F_UNLCK;
    close(fd);
    return is_held;
}

/* Whether PID was started as "fairvisor-worker <instance>/<slot>": the number of a process that ended is used again. */
static bool is_worker(pid_t pid, const char *name, int slot)
{
    char path[32], command[2 * SETTINGS_NAME_SIZE] = "", wanted[2 * SETTINGS_NAME_SIZE];
    int fd, length;
    ssize_t got;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    fd = pid > 1 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    got = read(fd, command, sizeof(command));
    close(fd);
    length = snprintf(wanted, sizeof(wanted), "fairvisor-worker%c%s/%d", '\0', name, slot);
    return got == length + 1 && memcmp(command, wanted, (size_t)length + 1) == 0;
}

bool instance_has_stopped_master(const struct instance *instance)
{
    char path[32], stat[512];
    const char *behind_name;
    ssize_t got = -1;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)instance->status.master_pid);
    fd = instance->is_running ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        got = read(fd, stat, sizeof(stat) - 1);
        close(fd);
    }
    stat[got > 0 ? got : 0] = '\0';
    behind_name = strrchr(stat, ')');
    return behind_name && strncmp(behind_name, ") T", strlen(") T")) == 0;
}

static uint32_t count_orphans(const struct instance *instance)
{
    uint32_t count = 0;

    for (int slot = 0; slot < ARENA_WORKER_SLOTS; slot++)
        count += is_worker(atomic_load_explicit(&instance->arena.slots[slot].pid, memory_order_relaxed),
                           instance->settings.instance, slot);
    return count;
}

static void look(struct instance *instance)
{
    bool has_one = has_master(instance);
    char copy[SETTINGS_PATH_SIZE];

    instance->is_running = instance->has_arena && has_one;
    instance->is_bereft = !instance->has_arena && instance->failure.code == EXIT_CODE_NO_INPUT && has_one &&
                          instance_bundle_path(instance, copy) && access(copy, F_OK) == 0; /* or else it is still starting */
    instance->orphans = instance->has_arena && !instance->is_running ? count_orphans(instance) : 0;
}

bool instance_is_serving(const struct instance *instance)
{
    return instance->is_running || instance->orphans > 0;
}

bool instance_look_for_master(struct instance *instance)
{
    instance->has_arena = arena_read_status(&instance->arena, &instance->status) || instance->has_arena;
    look(instance);
    return instance->is_running;
}

int instance_open_arena(const struct instance *instance, struct arena *arena, struct failure *failure)
{
    return arena_open(instance->settings.instance, owner_of(&instance->settings), false, arena, failure);
}

void instance_open(struct instance *instance)
{
    int fd = instance_open_arena(instance, &instance->arena, &instance->failure);

    if (fd < 0) {
        look(instance);
        if (instance->is_bereft)
            failure_set(&instance->failure, EXIT_CODE_OS,
                        "instance %s is running, but its shared memory was removed (by hand, or by RemoveIPC= of "
                        "systemd-logind): it decides on, and nobody can look into it. Stop it with `fairvisord -s quit`, which "
                        "keeps its counters, and start it again",
                        instance->settings.instance);
        return;
    }
    close(fd);
    instance->has_arena = arena_read_status(&instance->arena, &instance->status);
    look(instance);
    if (!instance->has_arena)
        failure_set(
            &instance->failure, EXIT_CODE_OS,
            "the shared memory of instance %s holds no whole status: its master died while writing one; restart it",
            instance->settings.instance);
}
