/* SPDX-License-Identifier: MPL-2.0
 *
 * event -> wait until it is quiet -> watch anew -> is the file another one? -> is its content? -> wish.
 */
#include "master/bundle_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "master/master.h"
#include "master/source.h"
#include "shm/log.h"

#define EVENTS                                                                                                  \
    (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static void on_event(void *context, int fd)
{
    struct bundle_watch *watch = context;
    int64_t now = moment_now().boot_ns;
    char events[4096];

    while (read(fd, events, sizeof(events)) > 0)
        ; /* that something happened is all that matters */
    if (watch->since_ns == 0)
        watch->since_ns = now;
    watch->look_at_ns = now + BUNDLE_WATCH_QUIET_NS;
    if (watch->look_at_ns > watch->since_ns + BUNDLE_WATCH_MOST_NS)
        watch->look_at_ns = watch->since_ns + BUNDLE_WATCH_MOST_NS;
}

/* Watches the folder of PATH. */
static bool add_folder(int fd, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash && slash > path ? (size_t)(slash - path) : 1;

    if (!slash || length >= sizeof(folder))
        return false;
    memcpy(folder, path, length);
    folder[length] = '\0';
    return inotify_add_watch(fd, folder, EVENTS) >= 0;
}

static void stop(struct bundle_watch *watch)
{
    if (watch->fd < 0)
        return;
    loop_unwatch(&watch->master->loop, watch->fd);
    close(watch->fd);
    watch->fd = -1;
}

/* Anew each time: folders may have been replaced, and links may lead elsewhere now. */
static bool start(struct bundle_watch *watch)
{
    char real[PATH_MAX];
    bool is_whole;

    stop(watch);
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0)
        return false;
    loop_watch(&watch->master->loop, watch->fd, on_event, watch);
    is_whole = add_folder(watch->fd, watch->path);
    if (realpath(watch->path, real) != NULL)
        is_whole = add_folder(watch->fd, real) && is_whole;
    return is_whole;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Written a moment ago, and so perhaps not to its end. */
static bool is_fresh(const struct stat *file)
{
    int64_t age = moment_now().wall_ns - file->st_mtim.tv_sec * NANOSECONDS_PER_SECOND - file->st_mtim.tv_nsec;

    return age >= 0 && age < BUNDLE_WATCH_QUIET_NS;
}

static void note_missing(struct bundle_watch *watch)
{
    if (!watch->is_missing)
        log_errno(LOG_LEVEL_WARNING, "config_watch: %s cannot be looked at, what was loaded goes on", watch->path);
    watch->is_missing = true;
    memset(&watch->seen, 0, sizeof(watch->seen));
}

static void look(struct bundle_watch *watch)
{
    const char *served = watch->master->serving.source.digest;
    struct source source;
    struct failure failure;
    struct stat found, after;
    bool is_read, was_empty;

    if (stat(watch->path, &found) != 0) {
        note_missing(watch);
        return;
    }
    watch->is_missing = false;
    if (is_same_file(&found, &watch->seen))
        return;
    was_empty = watch->is_empty;
    watch->is_empty = found.st_size == 0; /* so is what is about to be written in its place, for a moment with its old time */
    if (is_fresh(&found) || (watch->is_empty && !was_empty)) {
        watch->look_at_ns = moment_now().boot_ns + BUNDLE_WATCH_QUIET_NS;
        return;
    }
    is_read = source_read(watch->path, &source, &failure);
    if (stat(watch->path, &after) != 0 || !is_same_file(&found, &after)) { /* written or replaced meanwhile */
        watch->look_at_ns = moment_now().boot_ns + BUNDLE_WATCH_QUIET_NS;
        if (is_read)
            source_free(&source);
        return;
    }
    watch->seen = found;
    if (!is_read) {
        log_line(LOG_LEVEL_WARNING, "config_watch: %s; what was loaded goes on", failure.sentence);
        return;
    }
    if (strcmp(source.digest, served) == 0) {
        watch->tried[0] = '\0';
    } else if (strcmp(source.digest, watch->tried) != 0) {
        memcpy(watch->tried, source.digest, sizeof(watch->tried));
        watch->wants_reload = true;
        log_line(LOG_LEVEL_NOTICE, "config_watch: %s has changed", watch->path);
    }
    source_free(&source);
}

static int64_t next_time(void *context)
{
    const struct bundle_watch *watch = context;

    return watch->look_at_ns;
}

static void on_time(void *context, int64_t now)
{
    struct bundle_watch *watch = context;

    if (now < watch->look_at_ns)
        return;
    watch->since_ns = 0;
    watch->look_at_ns = start(watch) ? LOOP_NEVER : now + BUNDLE_WATCH_RETRY_NS;
    look(watch);
}

void bundle_watch_init(struct bundle_watch *watch, struct master *master)
{
    *watch = (struct bundle_watch){.master = master, .fd = -1, .look_at_ns = LOOP_NEVER};
    loop_add_clock(&master->loop, next_time, on_time, watch);
}

void bundle_watch_use(struct bundle_watch *watch, const struct settings *settings)
{
    if (strcmp(watch->path, settings->config_watch ? settings->config_file : "") != 0)
        memset(&watch->seen, 0, sizeof(watch->seen));
    watch->path[0] = '\0';
    watch->look_at_ns = LOOP_NEVER;
    if (!settings->config_watch) {
        stop(watch);
        return;
    }
    memcpy(watch->path, settings->config_file, sizeof(watch->path));
    watch->look_at_ns = moment_now().boot_ns + BUNDLE_WATCH_QUIET_NS; /* who writes it may just have been told of this reload */
}
