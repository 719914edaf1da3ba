/* SPDX-License-Identifier: MPL-2.0
 *
 * The master's side of the decision log: starts its reader, replaces one that died, tells it to leave.
 */
#include "master/decisions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/events.h"
#include "shm/log.h"
#include "shm/moment.h"

#define RESTART_NS NANOSECONDS_PER_SECOND
#define FINISH_NS  (5 * NANOSECONDS_PER_SECOND)

/* Only these three descriptors and the log's stay open. */
enum { LIFELINE_FD = STDIN_FILENO, LOCK_FD = STDOUT_FILENO };

static int open_lock(int arena_fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", arena_fd);
    return open(path, O_RDWR | O_CLOEXEC);
}

static void run_reader(const struct decisions *decisions, int lifeline)
{
    struct decisions_reader reader = {.arena = decisions->arena,
                                      .what = decisions->what,
                                      .target = decisions->target,
                                      .rate = decisions->rate,
                                      .is_torn = log_is_torn(), /* who has dropped privileges may not look */
                                      .lifeline = LIFELINE_FD,
                                      .lock = LOCK_FD};
    int lock = open_lock(decisions->arena_fd);

    prctl(PR_SET_NAME, "fv-decisions");
    if (lock < 0 || dup2(lifeline, LIFELINE_FD) < 0 || dup2(lock, LOCK_FD) < 0 ||
        close_range(STDERR_FILENO + 1, ~0U, 0) != 0 || !privileges_drop(decisions->privileges)) {
        log_errno(LOG_LEVEL_ERROR, "the decision log cannot begin");
        _exit(EXIT_CODE_OS);
    }
    decisions_reader_run(&reader);
    _exit(EXIT_CODE_OK);
}

static void on_reader_exit(void *context, pid_t pid, int status)
{
    struct decisions *decisions = context;

    decisions->living--;
    if (pid != decisions->pid)
        return;
    close(decisions->lifeline);
    decisions->lifeline = -1;
    decisions->pid = 0;
    decisions->restart_ns = moment_now().boot_ns + RESTART_NS;
    log_line(LOG_LEVEL_ERROR, "the process of the decision log ended with %s %d; another one goes on in a second",
             WIFSIGNALED(status) ? "signal" : "code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void start_reader(struct decisions *decisions)
{
    int ends[2];

    decisions->restart_ns = LOOP_NEVER;
    if (pipe2(ends, O_CLOEXEC) == 0) {
        decisions->pid = loop_fork(decisions->loop, on_reader_exit, decisions);
        if (decisions->pid == 0) {
            close(ends[1]);
            run_reader(decisions, ends[0]);
        }
        close(ends[0]);
        if (decisions->pid > 0) {
            decisions->lifeline = ends[1];
            decisions->living++;
            return;
        }
        close(ends[1]);
    }
    decisions->pid = 0;
    decisions->restart_ns = moment_now().boot_ns + RESTART_NS;
    log_errno(LOG_LEVEL_ERROR, "the decision log cannot begin, and is tried again in a second");
}

static void retire_reader(struct decisions *decisions)
{
    decisions->restart_ns = LOOP_NEVER;
    if (decisions->pid == 0)
        return;
    close(decisions->lifeline);
    decisions->lifeline = -1;
    decisions->pid = 0;
}

static int64_t next_time(void *context)
{
    return ((const struct decisions *)context)->restart_ns;
}

static void on_time(void *context, int64_t now)
{
    struct decisions *decisions = context;

    if (now >= decisions->restart_ns)
        start_reader(decisions);
}

void decisions_init(struct decisions *decisions, struct loop *loop, const struct arena *arena, int arena_fd,
                    const struct privileges *privileges)
{
    *decisions = (struct decisions){.loop = loop,
                                    .arena = arena,
                                    .arena_fd = arena_fd,
                                    .privileges = privileges,
                                    .what = SETTINGS_DECISION_LOG_OFF,
                                    .lifeline = -1,
                                    .restart_ns = LOOP_NEVER};
    loop_add_clock(loop, next_time, on_time, decisions);
}

void decisions_use(struct decisions *decisions, const struct settings *settings)
{
    if (!decisions->loop)
        return;
    retire_reader(decisions);
    decisions->what = settings->decision_log;
    decisions->target = settings->log;
    decisions->rate = settings->decision_log_rate;
    if (decisions->what != SETTINGS_DECISION_LOG_OFF)
        start_reader(decisions);
    else
        atomic_store(&decisions->arena->events_head->log_position, EVENTS_LOG_OFF);
}

void decisions_finish(struct decisions *decisions)
{
    int64_t deadline = moment_now().boot_ns + FINISH_NS;

    if (!decisions->loop)
        return;
    retire_reader(decisions);
    while (decisions->living > 0 && moment_now().boot_ns < deadline)
        loop_turn(decisions->loop, deadline);
    if (decisions->living > 0)
        log_line(LOG_LEVEL_WARNING, "the decision log is not done after %d seconds and is left alone: its target is slow",
                 (int)(FINISH_NS / NANOSECONDS_PER_SECOND));
}
