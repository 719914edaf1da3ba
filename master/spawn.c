/* SPDX-License-Identifier: MPL-2.0
 *
 * Makes a worker. After the fork nothing is allocated and nothing of the master's is left open but what handoff.h
 * lists.
 */
#include "master/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/handoff.h"
#include "shm/log.h"

#define SPAWN_MAX_FDS      (HANDOFF_FD_LISTENERS + HANDOFF_MAX_LISTENERS)
#define SPAWN_EXIT_NO_EXEC 127

/* Everything the child needs, made before the fork. */
struct plan {
    int fds[SPAWN_MAX_FDS]; /* index = number in the worker */
    int count;
    char name[SETTINGS_NAME_SIZE + 16];
};

static void plan_fds(const struct spawn_order *order, int status_fd, int self_fd, struct plan *plan)
{
    plan->fds[STDIN_FILENO] = order->null_fd;
    plan->fds[STDOUT_FILENO] = order->null_fd;
    plan->fds[HANDOFF_FD_LOG] = order->log_fd;
    plan->fds[HANDOFF_FD_STATUS] = status_fd;
    plan->fds[HANDOFF_FD_LIFELINE] = order->lifeline_fd;
    plan->fds[HANDOFF_FD_ARENA] = order->arena_fd;
    plan->fds[HANDOFF_FD_BUNDLE] = order->bundle_fd;
    plan->fds[HANDOFF_FD_SELF] = self_fd;
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        plan->fds[HANDOFF_FD_REFERENCES + i] = order->reference_fds[i] >= 0 ? order->reference_fds[i] : order->null_fd;
    snprintf(plan->name, sizeof(plan->name), "%s/%u", order->settings->instance, order->slot);
}

static int seal_handoff(const struct spawn_order *order, struct plan *plan)
{
    struct handoff handoff;

    memset(&handoff, 0, sizeof(handoff));
    handoff.magic = HANDOFF_MAGIC;
    handoff.size = sizeof(handoff);
    handoff.slot = order->slot;
    handoff.generation = order->generation;
    handoff.settings = *order->settings;
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        if (order->reference_fds[i] >= 0)
            handoff.references |= 1u << i;
    handoff.listener_count = listeners_get(order->listeners, order->place, order->settings->worker_processes,
                                           plan->fds + HANDOFF_FD_LISTENERS, handoff.listeners);
    plan->count = HANDOFF_FD_LISTENERS + (int)handoff.listener_count;
    return handoff_seal(&handoff);
}

/* First out of the way of all target numbers, then each to its own: a source may sit on another's target. */
static bool move_fds(struct plan *plan)
{
    for (int i = 0; i < plan->count; i++) {
        plan->fds[i] = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, plan->count);
        if (plan->fds[i] < 0)
            return false;
    }
    for (int i = 0; i < plan->count; i++)
        if (dup2(plan->fds[i], i) < 0)
            return false;
    return close_range((unsigned)plan->count, ~0U, 0) == 0;
}

/* An empty environment but for what a sanitized build needs to be told. */
static void make_environment(char *environment[3], char *asan, char *ubsan, size_t size)
{
    const char *asan_value = getenv("ASAN_OPTIONS"), *ubsan_value = getenv("UBSAN_OPTIONS");
    size_t used = 0;

    if (asan_value && snprintf(asan, size, "ASAN_OPTIONS=%s", asan_value) < (int)size)
        environment[used++] = asan;
    if (ubsan_value && snprintf(ubsan, size, "UBSAN_OPTIONS=%s", ubsan_value) < (int)size)
        environment[used++] = ubsan;
    environment[used] = NULL;
}

static void run_child(const struct spawn_order *order, struct plan *plan)
{
    char program[] = WORKER_PATH, role[] = "fairvisor-worker";
    char *arguments[] = {role, plan->name, NULL};
    char *environment[3];
    char asan[1024], ubsan[1024];
    int file;

    make_environment(environment, asan, ubsan, sizeof(asan));
    log_init(plan->name, order->settings->log_level, order->settings->log_json);
    if (!move_fds(plan)) {
        log_errno(LOG_LEVEL_ERROR, "the worker's descriptors could not be set up");
        _exit(SPAWN_EXIT_NO_EXEC);
    }
    /* Opened as who we still are: the folders on the way to the program need not let the worker's user through. */
    file = open(program, O_PATH | O_CLOEXEC);
    if (chdir("/") != 0 || !privileges_drop(order->privileges)) {
        log_errno(LOG_LEVEL_ERROR, "the worker could not give up its privileges");
        _exit(SPAWN_EXIT_NO_EXEC);
    }
    loop_release_signals();
    fexecve(file, arguments, environment);
    log_errno(LOG_LEVEL_ERROR, "%s could not be executed", program);
    _exit(SPAWN_EXIT_NO_EXEC);
}

pid_t spawn_worker(struct loop *loop, const struct spawn_order *order, loop_on_exit *on_exit, void *context,
                   int *status_fd, struct failure *failure)
{
    struct plan plan = {.count = 0};
    int status[2] = {-1, -1}, self = -1;
    pid_t pid = -1;

    if (pipe2(status, O_CLOEXEC) != 0 || fcntl(status[0], F_SETFL, O_NONBLOCK) != 0)
        goto out;
    self = seal_handoff(order, &plan);
    if (self < 0)
        goto out;
    plan_fds(order, status[1], self, &plan);
    pid = loop_fork(loop, on_exit, context);
    if (pid == 0)
        run_child(order, &plan);
out:
    if (pid < 0) {
        failure_set_errno(failure, EXIT_CODE_OS, "a worker could not be started");
        if (status[0] >= 0)
            close(status[0]);
    }
    if (status[1] >= 0)
        close(status[1]);
    if (self >= 0)
        close(self);
    *status_fd = pid < 0 ? -1 : status[0];
    return pid;
}
