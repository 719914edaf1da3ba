/* SPDX-License-Identifier: MPL-2.0
 *
 * Finds the master beyond doubt (pidfile, lock and pidfd agree), signals it, and waits for the outcome.
 */
#include "master/control.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "master/check.h"
#include "master/pidfile.h"
#include "shm/arena.h"
#include "shm/moment.h"

#define CONTROL_STOP_MS   70000 /* draining, its harder signals, and the last snapshot */
#define CONTROL_RELOAD_MS 60000
#define CONTROL_LOOK_MS   50 /* between two looks at the status */

static const struct {
    int signal;
    bool waits_for_end;
} control_rows[] = {
    [OPTIONS_ORDER_STOP] = {SIGTERM, true},
    [OPTIONS_ORDER_QUIT] = {SIGQUIT, true},
    [OPTIONS_ORDER_RELOAD] = {SIGHUP, false},
    [OPTIONS_ORDER_REOPEN] = {SIGUSR1, false},
};

static int not_running(const struct settings *settings, struct failure *failure)
{
    failure_set(failure, EXIT_CODE_NOT_RUNNING, "the instance '%s' is not running (no process holds its lock in %s)",
                settings->instance, settings->runtime_dir);
    return -1;
}

/* A pidfd of the running master: from here on it cannot be mistaken for another process. */
static int open_master(const struct settings *settings, pid_t *pid, struct failure *failure)
{
    pid_t holder = pidfile_find_holder(settings);
    int fd;

    if (holder == 0)
        return not_running(settings, failure);
    *pid = pidfile_read(settings->pidfile);
    if (*pid != holder) {
        failure_set(
            failure, EXIT_CODE_PIDFILE,
            "the pidfile %s says %d, but process %d holds the lock of '%s': it is starting or being upgraded, or the "
            "pidfile is of another instance",
            settings->pidfile, (int)*pid, (int)holder, settings->instance);
        return -1;
    }
    fd = (int)syscall(SYS_pidfd_open, holder, 0);
    if (fd < 0)
        return not_running(settings, failure);
    if (pidfile_find_holder(settings) == holder)
        return fd;
    close(fd);
    return not_running(settings, failure);
}

static bool wait_for_end(int pidfd, pid_t pid, struct failure *failure)
{
    struct pollfd process = {.fd = pidfd, .events = POLLIN};

    if (poll(&process, 1, CONTROL_STOP_MS) == 1)
        return true;
    return failure_set(failure, EXIT_CODE_OS, "process %d still runs after %d s: see its log", (int)pid,
                       CONTROL_STOP_MS / 1000);
}

static bool explain_refusal(const struct settings *settings, struct failure *failure)
{
    if (!check_bundle(settings, failure))
        return false;
    return failure_set(
        failure, EXIT_CODE_BAD_CONFIG,
        "the reload was refused and the old settings and bundle go on: see the log of '%s' for the reason",
        settings->instance);
}

static bool wait_for_reload(const struct settings *settings, int pidfd, const struct arena *arena,
                            const struct arena_status *before, struct failure *failure)
{
    struct pollfd process = {.fd = pidfd, .events = POLLIN};
    int64_t deadline = moment_now().boot_ns + CONTROL_RELOAD_MS * INT64_C(1000000);
    struct arena_status now;

    while (moment_now().boot_ns < deadline) {
        if (poll(&process, 1, CONTROL_LOOK_MS) == 1)
            return failure_set(failure, EXIT_CODE_NOT_RUNNING, "the master ended instead of reloading: see its log");
        if (!arena_read_status(arena, &now))
            continue;
        if (now.reload_failures > before->reload_failures)
            return explain_refusal(settings, failure);
        if (now.reloads > before->reloads)
            return true;
    }
    return failure_set(failure, EXIT_CODE_OS, "the reload has no outcome after %d s: see the log",
                       CONTROL_RELOAD_MS / 1000);
}

static bool send_order(int pidfd, pid_t pid, int signal, struct failure *failure)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
        return true;
    return failure_set_errno(failure, EXIT_CODE_PERMISSION, "process %d could not be signalled", (int)pid);
}

static bool reload(const struct settings *settings, int pidfd, pid_t pid, struct failure *failure)
{
    struct arena arena;
    struct arena_status before;
    int fd = arena_open(settings->instance, false, &arena, failure);
    bool is_known = fd >= 0 && arena_read_status(&arena, &before);

    if (fd >= 0)
        close(fd);
    if (!send_order(pidfd, pid, SIGHUP, failure))
        return false;
    if (!is_known)
        return failure_set(failure, EXIT_CODE_OS,
                           "the reload was ordered, but its outcome cannot be read from shared memory: see the log");
    return wait_for_reload(settings, pidfd, &arena, &before, failure);
}

bool control_run(const struct settings *settings, enum options_order order, struct failure *failure)
{
    pid_t pid;
    int pidfd = open_master(settings, &pid, failure);
    bool is_done;

    if (pidfd < 0)
        return false;
    if (order == OPTIONS_ORDER_RELOAD)
        is_done = reload(settings, pidfd, pid, failure);
    else
        is_done = send_order(pidfd, pid, control_rows[order].signal, failure) &&
                  (!control_rows[order].waits_for_end || wait_for_end(pidfd, pid, failure));
    close(pidfd);
    return is_done;
}
