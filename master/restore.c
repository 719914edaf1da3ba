/* SPDX-License-Identifier: MPL-2.0
 *
 * adopt -> snapshot -> previous snapshot -> fresh, with one clear line for each step that did not work.
 */
#include "master/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/orphans.h"
#include "shm/log.h"
#include "shm/moment.h"
#include "shm/snapshot.h"
#include "shm/write_whole.h"

void restore_snapshot_path(const struct settings *settings, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.snapshot", settings->state_dir, settings->instance);
}

/* Whether a look that failed failed because the system is short of something: that says nothing about what was to be looked at. The
 * caller has cleared errno before the look. */
static bool was_shortage(void)
{
    return errno == ENOMEM || errno == EMFILE || errno == ENFILE;
}

static void say_adopted(const struct settings *settings, const struct arena *arena, uint64_t repaired)
{
    struct arena_usage usage;

    arena_measure(arena, moment_now(), &usage);
    log_line(LOG_LEVEL_NOTICE, "the counters in shared memory were adopted: %llu of %llu cells in use, %llu repaired",
             (unsigned long long)usage.cells_used, (unsigned long long)usage.cells, (unsigned long long)repaired);
    if (arena->size != settings->shared_dict_size)
        log_line(LOG_LEVEL_WARNING,
                 "shared_dict_size is %llu bytes, but the adopted shared memory has %llu: it is kept as it is; "
                 "to resize it, stop the service with `fairvisord -s quit` and start it again",
                 (unsigned long long)settings->shared_dict_size, (unsigned long long)arena->size);
}

enum finding {
    FINDING_WHOLE,
    FINDING_DAMAGED,
    FINDING_NONE /* the system did not let us look */
};

/* What a child that works on the arena tells. */
struct arena_report {
    uint32_t unusable;          /* stripes */
    uint64_t repaired;          /* cells */
    uint64_t restored, lost;    /* of a snapshot */
};

/* SNAPSHOT NULL: look through the arena; otherwise put it there. */
static void work_as_worker(const struct arena *arena, const struct snapshot *snapshot,
                           const struct privileges *privileges, int out)
{
    struct arena_report report = {0};

    /* Not the lock nor the sockets, lest they outlive a master that is killed meanwhile. */
    if (dup2(out, STDOUT_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) != 0 || !privileges_drop(privileges))
        _exit(EXIT_CODE_OS);
    if (snapshot)
        report.restored = snapshot_apply(snapshot, arena, moment_now(), &report.lost);
    else
        report.unusable = arena_audit(arena, &report.repaired);
    _exit(write_whole(STDOUT_FILENO, &report, sizeof(report)) ? 0 : EXIT_CODE_OS);
}

/* A child that was not begun, or did not get as far as the memory, or that somebody ended tells nothing of the memory. */
static enum finding judge_end(pid_t child, int status, struct failure *failure)
{
    if (child > 0 && WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM) {
        failure_set(failure, EXIT_CODE_OS, "the shared memory is damaged: looking through it ended with status %d", status);
        return FINDING_DAMAGED;
    }
    if (child > 0)
        failure_set(failure, EXIT_CODE_OS, "the shared memory could not be looked through: the process for it ended with status %d",
                    status);
    return FINDING_NONE;
}

/* Locks stripes in a child that is no more than a worker: what lies in a mutex may have been written by workers, and locking
 * follows it. */
static enum finding work(const struct arena *arena, const struct snapshot *snapshot, const struct privileges *privileges,
                         struct arena_report *report, struct failure *failure)
{
    int ends[2], status = 0;
    ssize_t got = -1;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        failure_set_errno(failure, EXIT_CODE_OS, "the shared memory cannot be looked through");
        return FINDING_NONE;
    }
    child = fork();
    if (child == 0)
        work_as_worker(arena, snapshot, privileges, ends[1]);
    if (child < 0)
        failure_set_errno(failure, EXIT_CODE_OS, "the shared memory cannot be looked through");
    close(ends[1]);
    if (child > 0) {
        got = read(ends[0], report, sizeof(*report));
        waitpid(child, &status, 0);
    }
    close(ends[0]);
    return got == (ssize_t)sizeof(*report) && status == 0 ? FINDING_WHOLE : judge_end(child, status, failure);
}

static enum finding audit(const struct arena *arena, const struct privileges *privileges, uint64_t *repaired,
                          struct failure *failure)
{
    struct arena_report report;
    enum finding finding = work(arena, NULL, privileges, &report, failure);

    if (finding != FINDING_WHOLE)
        return finding;
    *repaired = report.repaired;
    if (report.unusable == 0)
        return FINDING_WHOLE;
    failure_set(failure, EXIT_CODE_OS, "%u of %u stripes of the shared memory are damaged", report.unusable,
                arena->stripe_count);
    return FINDING_DAMAGED;
}

/* A worker of a dead master that hangs may hold a lock: that is no damage. Whoever lives is ended before the arena is given up,
 * too, or else two arenas would hand out the same budgets. */
static enum finding look_through(const struct settings *settings, const struct privileges *privileges,
                                 const struct arena *arena, uint64_t *repaired, struct failure *failure)
{
    enum finding finding = audit(arena, privileges, repaired, failure);
    uint32_t ended;

    if (finding != FINDING_DAMAGED)
        return finding;
    ended = orphans_end(arena, settings->instance, ORPHANS_END_MS);
    if (ended == 0)
        return FINDING_DAMAGED;
    log_line(LOG_LEVEL_WARNING, "%u workers that a dead master of '%s' left behind held locks and were ended", ended,
             settings->instance);
    return audit(arena, privileges, repaired, failure);
}

/* Another master of the same instance, with another runtime folder and so with a lock of its own, came first. */
static int give_way(const struct settings *settings, struct failure *failure)
{
    failure_set(failure, EXIT_CODE_PIDFILE,
                "the instance '%s' is being started by another process, with another runtime_dir: stop it, or choose another "
                "`instance`", settings->instance);
    return -1;
}

/* Where somebody else has made it, in a folder where everybody may, only root can. */
static bool set_aside(const struct settings *settings, struct failure *failure)
{
    struct failure why = *failure;

    if (arena_set_aside(settings->instance)) {
        log_line(LOG_LEVEL_ERROR, "%s; it is set aside as fairvisor-%s.refused", why.sentence, settings->instance);
        return true;
    }
    return failure_set(failure, EXIT_CODE_OS,
                       "/dev/shm/fairvisor-%s could not be set aside as fairvisor-%s.refused (%s): remove both, as root, or choose "
                       "another `instance`; %s", settings->instance, settings->instance, strerror(errno), why.sentence);
}

/* The descriptor of an arena that is whole; -1 when there is none, one that had to be set aside, or (*MAY_BEGIN is false) one that
 * another master has claimed or that could not be looked through: what was counted in that must not be given up. */
static int adopt(const struct settings *settings, const struct privileges *privileges, struct arena *arena,
                 bool *may_begin, struct failure *failure)
{
    enum finding finding = FINDING_DAMAGED;
    uint64_t repaired = 0;
    int32_t other;
    int fd;

    errno = 0;
    fd = arena_open(settings->instance, privileges->uid, true, arena, failure);
    *may_begin = fd < 0 && failure->code == EXIT_CODE_NO_INPUT;
    if (*may_begin || (fd < 0 && was_shortage()))
        return -1;
    if (fd < 0 && arena_find_claim(settings->instance, &other))
        return give_way(settings, failure);
    if (fd >= 0 && !(arena_claim(fd) && arena_has_name(settings->instance, fd))) {
        close(fd);
        return give_way(settings, failure);
    }
    if (fd >= 0)
        finding = look_through(settings, privileges, arena, &repaired, failure);
    if (finding == FINDING_WHOLE) {
        say_adopted(settings, arena, repaired);
        return fd;
    }
    *may_begin = finding == FINDING_DAMAGED && set_aside(settings, failure);
    if (fd >= 0)
        close(fd); /* not before: with it goes the claim */
    return -1;
}

static void refuse_snapshot(const char *path, const struct failure *failure)
{
    char aside[PATH_MAX + 32]; /* also behind the name of the one before */

    snprintf(aside, sizeof(aside), "%s.refused", path);
    log_line(LOG_LEVEL_ERROR, "%s; it is set aside as %s", failure->sentence, aside);
    if (rename(path, aside) != 0)
        log_errno(LOG_LEVEL_WARNING, "the refused snapshot %s could not be renamed", path);
}

/* NULL and *MAY_BEGIN: there is none that can be used. */
static struct snapshot *read_snapshot(const char *path, const char *instance, bool *may_begin, struct failure *failure)
{
    struct snapshot *snapshot;

    errno = 0;
    snapshot = snapshot_read(path, instance, failure);
    *may_begin = snapshot != NULL || !was_shortage();
    if (snapshot == NULL && *may_begin && failure->code != EXIT_CODE_NO_INPUT)
        refuse_snapshot(path, failure);
    return snapshot;
}

static struct snapshot *find_snapshot(const struct settings *settings, bool *may_begin, struct failure *failure)
{
    char path[PATH_MAX], previous[PATH_MAX + 16];
    struct snapshot *snapshot;

    restore_snapshot_path(settings, path, sizeof(path));
    snapshot = read_snapshot(path, settings->instance, may_begin, failure);
    if (snapshot || !*may_begin)
        return snapshot;
    snprintf(previous, sizeof(previous), "%s.previous", path);
    snapshot = read_snapshot(previous, settings->instance, may_begin, failure);
    if (snapshot)
        log_line(LOG_LEVEL_WARNING, "the snapshot before the last is used: %s", previous);
    return snapshot;
}

static bool apply(const struct snapshot *snapshot, const struct arena *arena, const struct privileges *privileges,
                  struct failure *failure)
{
    int64_t age = (moment_now().wall_ns - snapshot_taken_at_ns(snapshot)) / NANOSECONDS_PER_SECOND;
    struct arena_report report;

    if (work(arena, snapshot, privileges, &report, failure) != FINDING_WHOLE)
        return false;
    if (age < 0)
        log_line(LOG_LEVEL_WARNING,
                 "the counters were restored from a snapshot that is %lld s ahead of the clock, which was wrong then or is now: %llu "
                 "cells; budgets of a day or month that had begun by then stay spent until its end, or `fairvisor keys reset`",
                 (long long)-age, (unsigned long long)report.restored);
    else
        log_line(LOG_LEVEL_NOTICE, "the counters were restored from a snapshot that is %lld s old: %llu cells",
                 (long long)age, (unsigned long long)report.restored);
    if (report.lost > 0)
        log_line(LOG_LEVEL_WARNING, "%llu cells of the snapshot found no room: raise shared_dict_size",
                 (unsigned long long)report.lost);
    return true;
}

int restore_arena(const struct settings *settings, const struct privileges *privileges, struct arena *arena,
                  enum restore_origin *origin, int64_t *taken_at_ns, struct failure *failure)
{
    struct snapshot *snapshot;
    bool may_begin;
    int fd = adopt(settings, privileges, arena, &may_begin, failure);

    *origin = RESTORE_ADOPTED;
    *taken_at_ns = 0;
    if (fd >= 0 || !may_begin)
        return fd;
    snapshot = find_snapshot(settings, &may_begin, failure);
    if (!may_begin)
        return -1;
    *origin = snapshot ? RESTORE_SNAPSHOT : RESTORE_FRESH;
    fd = arena_create(settings->instance, settings->shared_dict_size, privileges->uid, privileges->gid,
                      snapshot ? snapshot_hash_key(snapshot) : NULL, arena, failure);
    if (fd >= 0 && snapshot && !apply(snapshot, arena, privileges, failure)) {
        arena_remove(settings->instance);
        close(fd);
        fd = -1;
    } else if (fd >= 0 && !snapshot) {
        log_line(LOG_LEVEL_NOTICE, "the counters start at zero: there is neither shared memory nor a snapshot of '%s'",
                 settings->instance);
    }
    if (fd >= 0 && snapshot)
        *taken_at_ns = snapshot_taken_at_ns(snapshot);
    snapshot_free(snapshot);
    return fd;
}

int restore_shared_arena(const struct settings *settings, const struct privileges *privileges, struct arena *arena,
                         struct failure *failure)
{
    int fd = arena_open(settings->instance, privileges->uid, true, arena, failure);

    if (fd < 0 && failure->code == EXIT_CODE_NO_INPUT)
        failure_set(failure, EXIT_CODE_OS, "there is no shared memory of the running master of '%s' to go on with",
                    settings->instance);
    return fd;
}
