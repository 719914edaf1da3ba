/* SPDX-License-Identifier: MPL-2.0
 *
 * Finds the master beyond doubt (its lock names it, the pidfile does not contradict, a pidfd holds it fast), signals
 * it, and waits for the outcome.
 */
#include "master/control.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "master/check.h"
#include "master/pidfile.h"
#include "shm/arena.h"
#include "shm/moment.h"
#include "shm/owner.h"
#include "shm/setting.h"

#define CONTROL_STOP_MS   35000 /* behind drain_timeout: harder signals, and the last snapshot */
#define CONTROL_RELOAD_MS 60000
#define CONTROL_LOOK_MS   50 /* between two looks at the status */

#define CONTROL_WHO "run this as the user that started it (root, as a rule)"

static const struct {
    int signal;
    bool waits_for_end;
} control_rows[] = {
    [OPTIONS_ORDER_STOP] = {SIGTERM, true},
    [OPTIONS_ORDER_QUIT] = {SIGQUIT, true},
    [OPTIONS_ORDER_RELOAD] = {SIGHUP, false},
    [OPTIONS_ORDER_REOPEN] = {SIGUSR1, false},
};

/* Whoever is not root and sets no runtime_dir looks in a folder of his own, and an instance of root is elsewhere. */
static const char *find_folder_of_root(const struct settings *settings)
{
    struct settings own;

    settings_default(&own);
    return geteuid() != 0 && strcmp(settings->runtime_dir, own.runtime_dir) == 0
               ? setting_table[SETTING_runtime_dir].fallback
               : NULL;
}

static bool has_trace(const char *folder, const char *instance)
{
    static const char *const suffixes[] = {"lock", "pid"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        int length = snprintf(path, sizeof(path), "%s/%s.%s", folder, instance, suffixes[i]);

        if (length > 0 && (size_t)length < sizeof(path) && (access(path, F_OK) == 0 || errno == EACCES))
            return true;
    }
    return false;
}

/* Then the lock is in a folder of that user, and the sentence in HIDDEN says what to do. */
static bool is_of_another_user(const struct settings *settings, struct failure *hidden)
{
    struct arena arena;
    int fd = geteuid() == 0 ? arena_open(settings->instance, owner_of(settings), false, &arena, hidden) : -1;

    if (fd >= 0)
        close(fd);
    return geteuid() == 0 && fd < 0 && hidden->code == EXIT_CODE_PERMISSION;
}

static int not_running(const struct settings *settings, struct failure *failure)
{
    const char *folder = find_folder_of_root(settings);
    struct failure hidden;

    if (folder && has_trace(folder, settings->instance))
        failure_set(failure, EXIT_CODE_PERMISSION,
                    "no process holds the lock of the instance '%s' in %s, which is your own folder, but root has one "
                    "of that name in %s: run this as root",
                    settings->instance, settings->runtime_dir, folder);
    else if (is_of_another_user(settings, &hidden))
        failure_set(failure, EXIT_CODE_PERMISSION, "no process holds the lock of the instance '%s' in %s, but %s",
                    settings->instance, settings->runtime_dir, hidden.sentence);
    else
        failure_set(failure, EXIT_CODE_NOT_RUNNING,
                    "the instance '%s' is not running (no process holds its lock in %s%s%s)", settings->instance,
                    settings->runtime_dir, folder ? ", your own folder; root's would be in " : "",
                    folder ? folder : "");
    return -1;
}

static int refuse_hidden(const struct settings *settings, struct failure *failure)
{
    if (errno == EACCES || errno == EPERM)
        failure_set(failure, EXIT_CODE_PERMISSION, "the lock of the instance '%s' in %s cannot be read: " CONTROL_WHO,
                    settings->instance, settings->runtime_dir);
    else
        failure_set_errno(failure, EXIT_CODE_OS, "the lock of the instance '%s' in %s cannot be read",
                          settings->instance, settings->runtime_dir);
    return -1;
}

/* A pidfd of the running master: from here on it cannot be mistaken for another process. */
static int open_master(const struct settings *settings, pid_t *pid, struct failure *failure)
{
    pid_t holder = pidfile_find_holder(settings);
    pid_t written;
    int fd;

    if (holder < 0)
        return refuse_hidden(settings, failure);
    if (holder == 0)
        return not_running(settings, failure);
    written = pidfile_read(settings->pidfile);
    if (written != 0 && written != holder) {
        failure_set(
            failure, EXIT_CODE_PIDFILE,
            "the pidfile %s says %d, but process %d holds the lock of '%s': it is starting or being upgraded, or the "
            "pidfile is of another instance; if neither is so, remove the pidfile",
            settings->pidfile, (int)written, (int)holder, settings->instance);
        return -1;
    }
    *pid = holder;
    fd = (int)syscall(SYS_pidfd_open, holder, 0);
    if (fd < 0)
        return not_running(settings, failure);
    if (pidfile_find_holder(settings) == holder)
        return fd;
    close(fd);
    return not_running(settings, failure);
}

static bool wait_for_end(const struct settings *settings, int pidfd, pid_t pid, struct failure *failure)
{
    int patience_ms = CONTROL_STOP_MS + (int)settings->drain_timeout_ms;
    struct pollfd process = {.fd = pidfd, .events = POLLIN};

    if (poll(&process, 1, patience_ms) == 1)
        return true;
    return failure_set(failure, EXIT_CODE_OS, "process %d still runs after %d s: see its log", (int)pid,
                       patience_ms / 1000);
}

/* In the words of the master; but shared memory may say anything. */
static bool explain_refusal(const struct settings *settings, const struct arena_status *now, struct failure *failure)
{
    size_t size = strnlen(now->reload_refusal, sizeof(now->reload_refusal));

    if (!check_bundle(settings, failure))
        return false;
    failure_set(failure, EXIT_CODE_BAD_CONFIG,
                "the reload was refused and the old settings and bundle of '%s' go on: %.*s", settings->instance,
                (int)size, size > 0 ? now->reload_refusal : "the log has the reason");
    for (char *byte = failure->sentence; *byte; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            *byte = '?';
    return false;
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
            return explain_refusal(settings, &now, failure);
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
    if (errno == EPERM)
        return failure_set(failure, EXIT_CODE_PERMISSION, "process %d may not be signalled by you: " CONTROL_WHO,
                           (int)pid);
    return failure_set_errno(failure, errno == ESRCH ? EXIT_CODE_NOT_RUNNING : EXIT_CODE_OS,
                             "process %d could not be signalled", (int)pid);
}

static bool reload(const struct settings *settings, int pidfd, pid_t pid, struct failure *failure)
{
    struct arena arena;
    struct arena_status before;
    struct failure unreadable = {.sentence = "it holds no whole status; the log has the outcome"};
    int fd = arena_open(settings->instance, owner_of(settings), false, &arena, &unreadable);
    bool is_known = fd >= 0 && arena_read_status(&arena, &before);

    if (fd >= 0)
        close(fd);
    else if (unreadable.code == EXIT_CODE_NO_INPUT)
        failure_set(&unreadable, EXIT_CODE_OS, "it was removed while in use; the log has the outcome. Stop the service with "
                    "`fairvisord -s quit` and start it again");
    if (!send_order(pidfd, pid, SIGHUP, failure))
        return false;
    if (!is_known)
        return failure_set(failure, EXIT_CODE_OS,
                           "the reload was ordered, but nobody can tell how it went, for the shared memory of '%s' cannot be "
                           "read: %s", settings->instance, unreadable.sentence);
    return wait_for_reload(settings, pidfd, &arena, &before, failure);
}

bool control_run(const struct settings *settings, enum options_order order, struct failure *failure)
{
    pid_t pid = 0;
    int pidfd = open_master(settings, &pid, failure);
    bool is_done;

    if (pidfd < 0)
        return false;
    if (order == OPTIONS_ORDER_RELOAD)
        is_done = reload(settings, pidfd, pid, failure);
    else
        is_done = send_order(pidfd, pid, control_rows[order].signal, failure) &&
                  (!control_rows[order].waits_for_end || wait_for_end(settings, pidfd, pid, failure));
    close(pidfd);
    return is_done;
}
