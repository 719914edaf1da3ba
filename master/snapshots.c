/* SPDX-License-Identifier: MPL-2.0
 *
 * Starts the children that write snapshots, one at a time, and turns their reports into status and log lines.
 */
#include "master/snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/restore.h"
#include "shm/log.h"
#include "shm/moment.h"
#include "shm/snapshot.h"

#define SNAPSHOTS_COMPLAIN_NS (60 * NANOSECONDS_PER_SECOND)
#define SNAPSHOTS_FINISH_NS   (20 * NANOSECONDS_PER_SECOND) /* for a child that is stuck on its disk */

static void note_failure(struct snapshots *snapshots, const char *sentence)
{
    snapshots->has_failed = true;
    snapshots->failures++;
    snapshots->has_changed = true;
    if (log_is_due(&snapshots->complained_at_ns, moment_now().boot_ns, SNAPSHOTS_COMPLAIN_NS))
        log_line(LOG_LEVEL_ERROR, "no snapshot of the counters was written (%llu failed so far), decisions go on: %s",
                 (unsigned long long)snapshots->failures, sentence);
}

static void note_success(struct snapshots *snapshots, const struct snapshots_report *report)
{
    if (snapshots->has_failed)
        log_line(LOG_LEVEL_NOTICE, "snapshots of the counters are written again");
    snapshots->has_failed = false;
    snapshots->complained_at_ns = 0;
    snapshots->last_ns = report->taken_at_ns;
    snapshots->has_changed = true;
    log_line(LOG_LEVEL_DEBUG, "a snapshot of %llu cells was written", (unsigned long long)report->cells);
}

static void write_snapshot(const struct snapshots *snapshots, struct snapshots_report *report)
{
    struct moment now = moment_now();
    struct failure failure = {.code = EXIT_CODE_OK};

    memset(report, 0, sizeof(*report));
    report->taken_at_ns = now.wall_ns;
    report->is_written =
        snapshot_write(snapshots->arena, snapshots->instance, snapshots->path, now, &report->cells, &failure);
    if (!report->is_written)
        snprintf(report->sentence, sizeof(report->sentence), "%.*s", (int)sizeof(report->sentence) - 1,
                 failure.sentence);
}

static void run_child(const struct snapshots *snapshots, int out)
{
    struct snapshots_report report;

    if (dup2(out, STDOUT_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) != 0)
        _exit(EXIT_CODE_OS);
    write_snapshot(snapshots, &report);
    _exit(write(STDOUT_FILENO, &report, sizeof(report)) == (ssize_t)sizeof(report) ? 0 : EXIT_CODE_OS);
}

static void on_child_exit(void *context, pid_t pid, int status)
{
    struct snapshots *snapshots = context;
    struct snapshots_report report;
    ssize_t got = read(snapshots->fd, &report, sizeof(report)); /* smaller than a pipe's buffer: it is all there */
    char sentence[64];

    (void)pid;
    close(snapshots->fd);
    snapshots->fd = -1;
    snapshots->pid = 0;
    if (snapshots->is_cancelled)
        return;
    if (status == 0 && got == (ssize_t)sizeof(report)) {
        report.sentence[sizeof(report.sentence) - 1] = '\0';
        if (report.is_written == 1)
            note_success(snapshots, &report);
        else
            note_failure(snapshots, report.sentence);
        return;
    }
    snprintf(sentence, sizeof(sentence), "its process ended with %s %d", WIFSIGNALED(status) ? "signal" : "code",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    note_failure(snapshots, sentence);
}

static void start_child(struct snapshots *snapshots)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        note_failure(snapshots, strerror(errno));
        return;
    }
    snapshots->fd = ends[0];
    snapshots->pid = loop_fork(snapshots->loop, on_child_exit, snapshots);
    if (snapshots->pid == 0)
        run_child(snapshots, ends[1]);
    close(ends[1]);
    if (snapshots->pid > 0)
        return;
    note_failure(snapshots, strerror(errno));
    close(ends[0]);
    snapshots->fd = -1;
    snapshots->pid = 0;
}

static int64_t next_time(void *context)
{
    const struct snapshots *snapshots = context;

    return snapshots->interval_ns > 0 ? snapshots->next_at_ns : LOOP_NEVER;
}

static void on_time(void *context, int64_t now)
{
    struct snapshots *snapshots = context;

    if (snapshots->interval_ns == 0 || now < snapshots->next_at_ns)
        return;
    snapshots->next_at_ns = now + snapshots->interval_ns;
    if (snapshots->pid > 0)
        note_failure(snapshots, "the one before is still being written; the disk is slow or stuck");
    else
        start_child(snapshots);
}

void snapshots_init(struct snapshots *snapshots, struct loop *loop, const struct arena *arena,
                    const struct settings *settings)
{
    *snapshots = (struct snapshots){.loop = loop, .arena = arena, .fd = -1};
    memcpy(snapshots->instance, settings->instance, sizeof(snapshots->instance));
    restore_snapshot_path(settings, snapshots->path, sizeof(snapshots->path));
    loop_add_clock(loop, next_time, on_time, snapshots);
}

void snapshots_schedule(struct snapshots *snapshots, const struct settings *settings)
{
    int64_t interval = (int64_t)settings->snapshot_interval_ms * 1000000;

    if (interval == snapshots->interval_ns)
        return;
    snapshots->interval_ns = interval;
    snapshots->next_at_ns = moment_now().boot_ns + interval;
}

void snapshots_cancel(struct snapshots *snapshots)
{
    snapshots->interval_ns = 0;
    snapshots->is_cancelled = true;
    if (snapshots->pid > 0)
        kill(snapshots->pid, SIGKILL);
}

bool snapshots_finish(struct snapshots *snapshots, struct failure *failure)
{
    int64_t deadline = moment_now().boot_ns + SNAPSHOTS_FINISH_NS;
    struct snapshots_report report;

    snapshots->interval_ns = 0;
    while (snapshots->pid > 0 && moment_now().boot_ns < deadline)
        loop_turn(snapshots->loop, deadline);
    if (snapshots->pid > 0)
        return failure_set(failure, EXIT_CODE_OS, "the disk under %s does not answer", snapshots->path);
    write_snapshot(snapshots, &report);
    if (report.is_written) {
        note_success(snapshots, &report);
        return true;
    }
    return failure_set(failure, EXIT_CODE_OS, "%s", report.sentence);
}
