/* SPDX-License-Identifier: MPL-2.0
 *
 * Finds orphans through /proc and ends them through pidfds, so that no innocent process with a recycled id is ever hit.
 */
#include "master/orphans.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/counters.h"
#include "shm/settings.h"

bool orphans_is_worker(pid_t pid, const char *instance, uint32_t slot)
{
    char path[32], command[2 * SETTINGS_NAME_SIZE] = "", wanted[2 * SETTINGS_NAME_SIZE];
    int fd, length;
    ssize_t got;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    got = read(fd, command, sizeof(command));
    close(fd);
    length = snprintf(wanted, sizeof(wanted), "fairvisor-worker%c%s/%u", '\0', instance, slot);
    return got == length + 1 && memcmp(command, wanted, (size_t)length + 1) == 0;
}

/* By the program it runs: a number that another process got since is no master. */
static bool is_program(pid_t pid, const char *name)
{
    char path[32], program[PATH_MAX] = "";
    const char *base;

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    if (readlink(path, program, sizeof(program) - 1) <= 0)
        return false;
    base = strrchr(program, '/');
    return base && strncmp(base + 1, name, strlen(name)) == 0; /* " (deleted)" may follow */
}

static bool has_mapped(pid_t pid, const char *instance)
{
    char path[32], wanted[SETTINGS_NAME_SIZE + 32], *line = NULL;
    size_t room = 0;
    bool is_there = false;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    snprintf(wanted, sizeof(wanted), "/dev/shm/fairvisor-%s\n", instance);
    maps = fopen(path, "re");
    while (maps && !is_there && getline(&line, &room, maps) > 0) {
        const char *name = strchr(line, '/');

        is_there = name && strcmp(name, wanted) == 0;
    }
    free(line);
    if (maps)
        fclose(maps);
    return is_there;
}

pid_t orphans_find_master(const struct arena *arena, const char *instance)
{
    struct arena_status status;
    pid_t pid;

    if (!arena_read_status(arena, &status) || status.master_pid <= 1 || status.master_pid > INT_MAX)
        return 0;
    pid = (pid_t)status.master_pid;
    return pid != getpid() && is_program(pid, "fairvisord") && has_mapped(pid, instance) ? pid : 0;
}

static uint32_t open_orphans(const struct arena *arena, const char *instance, struct pollfd orphans[ARENA_WORKER_SLOTS])
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < ARENA_WORKER_SLOTS; slot++) {
        pid_t pid = atomic_load_explicit(&arena->slots[slot].pid, memory_order_relaxed);
        int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

        if (fd < 0)
            continue;
        if (orphans_is_worker(pid, instance, slot)) /* looked at after the pidfd was opened: it is the same process */
            orphans[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        else
            close(fd);
    }
    return count;
}

/* Signals all that are left and waits for each; those gone get descriptor -1. */
static void press(struct pollfd *orphans, uint32_t count, int signal, int timeout_ms)
{
    for (uint32_t i = 0; i < count; i++)
        if (orphans[i].fd >= 0)
            syscall(SYS_pidfd_send_signal, orphans[i].fd, signal, NULL, 0);
    for (uint32_t i = 0; i < count; i++)
        if (orphans[i].fd >= 0 && poll(&orphans[i], 1, timeout_ms) == 1) {
            close(orphans[i].fd);
            orphans[i].fd = -1;
        }
}

static void close_orphans(const struct pollfd *orphans, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (orphans[i].fd >= 0)
            close(orphans[i].fd);
}

uint32_t orphans_relieve(const struct arena *arena, const char *instance)
{
    struct pollfd orphans[ARENA_WORKER_SLOTS];
    uint32_t count = open_orphans(arena, instance, orphans);

    press(orphans, count, SIGQUIT, 0);
    close_orphans(orphans, count);
    return count;
}

uint32_t orphans_end(const struct arena *arena, const char *instance, int timeout_ms)
{
    struct pollfd orphans[ARENA_WORKER_SLOTS];
    uint32_t count = open_orphans(arena, instance, orphans);

    press(orphans, count, SIGTERM, timeout_ms);
    press(orphans, count, SIGKILL, timeout_ms);
    close_orphans(orphans, count);
    return count;
}
