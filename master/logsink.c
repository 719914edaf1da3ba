/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads the log pipe without blocking, cuts it into whole lines and writes them to the target: console, file or syslog.
 */
#include "master/logsink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <paths.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "policy/iso8601.h"
#include "shm/moment.h"
#include "shm/owner.h"

#define RETRY_NS NANOSECONDS_PER_SECOND /* between two attempts to tell of lost lines */

#define LOGSINK_PIPE_SIZE (1 << 20) /* bytes; room for a burst of workers' lines while the master is busy */

size_t logsink_whole_lines(const char *text, size_t size, bool is_full)
{
    const char *last = size > 0 ? memrchr(text, '\n', size) : NULL;

    if (last)
        return (size_t)(last - text) + 1;
    return is_full ? size : 0;
}

size_t logsink_piece(const char *text, size_t size, size_t limit)
{
    if (size <= limit)
        return size;
    return logsink_whole_lines(text, limit, true);
}

enum log_level logsink_level(const char *line, size_t size)
{
    for (enum log_level level = LOG_LEVEL_ERROR; log_level_name(level); level++) {
        char text[32], json[48];

        snprintf(text, sizeof(text), "Z %s ", log_level_name(level));
        snprintf(json, sizeof(json), "Z\",\"level\":\"%s\"", log_level_name(level));
        if (memmem(line, size < 64 ? size : 64, text, strlen(text)) ||
            memmem(line, size < 64 ? size : 64, json, strlen(json)))
            return level;
    }
    return LOG_LEVEL_NOTICE;
}

static void send_to_syslog(const char *text, size_t size)
{
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};

    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end ? (size_t)(end - text) : size;

        syslog(priorities[logsink_level(text, length)], "%.*s", (int)length, text);
        text += end ? length + 1 : length;
        size -= end ? length + 1 : length;
    }
}

bool logsink_has_syslog(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = _PATH_LOG};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_there = fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
                                errno == EPROTOTYPE); /* somebody listens for streams, which syslog(3) speaks, too */

    if (fd >= 0)
        close(fd);
    return is_there;
}

bool logsink_lacks_syslog(const struct settings *settings)
{
    return settings->log == SETTINGS_LOG_SYSLOG && !logsink_has_syslog();
}

static uint64_t count_lines(const char *text, size_t size)
{
    uint64_t count = 0;

    for (size_t i = 0; i < size; i++)
        count += text[i] == '\n';
    return count;
}

/* A pipe that poll(2) calls writable takes PIPE_BUF bytes without blocking; so no piece is larger. */
static void send_to_stderr(struct logsink *sink, const char *text, size_t size)
{
    if (sink->is_failing)
        (void)log_mend();
    while (size > 0) {
        size_t piece = logsink_piece(text, size, PIPE_BUF);
        struct pollfd target = {.fd = STDERR_FILENO, .events = POLLOUT};

        sink->is_failing = poll(&target, 1, 0) != 1 || write(STDERR_FILENO, text, piece) != (ssize_t)piece;
        if (sink->is_failing)
            sink->lost += count_lines(text, piece);
        text += piece;
        size -= piece;
    }
}

static void pass_on(struct logsink *sink, size_t size)
{
    if (size == 0)
        return;
    if (sink->kind != SETTINGS_LOG_SYSLOG) {
        send_to_stderr(sink, sink->buffer, size);
    } else {
        sink->is_failing = !logsink_has_syslog();
        if (sink->is_failing)
            sink->lost += count_lines(sink->buffer, size);
        else
            send_to_syslog(sink->buffer, size);
    }
    sink->used -= size;
    memmove(sink->buffer, sink->buffer + size, sink->used);
}

uint64_t logsink_lost(const struct logsink *sink)
{
    return sink->lost + log_dropped() - sink->attempts;
}

static bool may_take_lines(const struct logsink *sink)
{
    struct pollfd target = {.fd = STDERR_FILENO, .events = POLLOUT};

    return sink->kind == SETTINGS_LOG_SYSLOG ? logsink_has_syslog() : poll(&target, 1, 0) == 1;
}

/* The line is its own test: when it arrives, others do. */
static void try_to_tell(struct logsink *sink, struct moment now)
{
    char since[ISO8601_TEXT_SIZE];
    uint64_t dropped = log_dropped();

    sink->next_try_ns = now.boot_ns + RETRY_NS;
    if (!may_take_lines(sink))
        return;
    iso8601_print(sink->losing_since_ns / NANOSECONDS_PER_SECOND, since);
    log_line(LOG_LEVEL_WARNING, "%llu log lines were dropped because the log did not take them, from %s on",
             (unsigned long long)(sink->seen - sink->told), since);
    sink->attempts += log_dropped() - dropped;
    if (log_is_failing())
        return;
    sink->told = sink->seen;
    sink->is_failing = false;
    sink->losing_since_ns = 0;
    sink->has_changed = true;
}

static int64_t next_time(void *context)
{
    const struct logsink *sink = context;

    if (logsink_lost(sink) != sink->seen)
        return 0;
    return sink->losing_since_ns != 0 ? sink->next_try_ns : LOOP_NEVER;
}

static void on_time(void *context, int64_t now_ns)
{
    struct logsink *sink = context;
    struct moment now = moment_now();

    if (logsink_lost(sink) != sink->seen) {
        sink->seen = logsink_lost(sink);
        sink->has_changed = true;
        if (sink->losing_since_ns == 0) {
            sink->losing_since_ns = now.wall_ns;
            sink->next_try_ns = now_ns;
        }
    }
    if (sink->losing_since_ns != 0 && now_ns >= sink->next_try_ns)
        try_to_tell(sink, now);
}

static void on_lines(void *context, int fd)
{
    struct logsink *sink = context;
    ssize_t got = read(fd, sink->buffer + sink->used, sizeof(sink->buffer) - sink->used);

    if (got <= 0)
        return;
    sink->used += (size_t)got;
    pass_on(sink, logsink_whole_lines(sink->buffer, sink->used, sink->used == sizeof(sink->buffer)));
}

bool logsink_init(struct logsink *sink, struct loop *loop, struct failure *failure)
{
    int ends[2];

    *sink = (struct logsink){.loop = loop, .kind = SETTINGS_LOG_STDERR};
    sink->console_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (sink->console_fd < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the log pipe could not be made");
    sink->pipe_read = ends[0];
    sink->pipe_write = ends[1];
    (void)fcntl(sink->pipe_write, F_SETPIPE_SZ,
                LOGSINK_PIPE_SIZE); /* refused to some users: then the default will do */
    loop_watch(loop, sink->pipe_read, on_lines, sink);
    loop_add_clock(loop, next_time, on_time, sink);
    return true;
}

bool logsink_check(const struct settings *settings, struct failure *failure)
{
    const char *slash = strrchr(settings->log_file, '/');
    char folder[SETTINGS_PATH_SIZE];
    struct stat facts;

    if (settings->log != SETTINGS_LOG_FILE || slash == NULL || slash == settings->log_file)
        return true;
    snprintf(folder, sizeof(folder), "%.*s", (int)(slash - settings->log_file), settings->log_file);
    if (stat(folder, &facts) == 0 ? S_ISDIR(facts.st_mode) : errno == EACCES)
        return true;
    return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                       "the log file %s (setting `log`) cannot be made, for there is no folder %s: make it first",
                       settings->log_file, folder);
}

/* Opens the log file. O_NONBLOCK: a fifo, whose reader could hold us up, must be refused, not waited for. A link that is somebody else's
 * (ELOOP) might lead root to any file. -1 with errno. */
static int open_file(const char *path)
{
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat facts;
    int fd = open(path, flags | O_NOFOLLOW, 0640);

    if (fd < 0 && errno == ELOOP && lstat(path, &facts) == 0 && owner_is_trusted(facts.st_uid))
        fd = open(path, flags, 0640);
    if (fd < 0)
        return -1;
    if (fstat(fd, &facts) == 0 && !S_ISFIFO(facts.st_mode) && !S_ISSOCK(facts.st_mode) &&
        fcntl(fd, F_SETFL, O_APPEND) == 0)
        return fd;
    close(fd);
    errno = ENXIO; /* what open(2) says of a fifo that nobody reads */
    return -1;
}

int logsink_open(const struct settings *settings, struct failure *failure)
{
    int fd;

    failure->code = EXIT_CODE_OK;
    if (settings->log != SETTINGS_LOG_FILE || !logsink_check(settings, failure))
        return -1;
    fd = open_file(settings->log_file);
    if (fd < 0 && errno == ENXIO)
        failure_set(failure, EXIT_CODE_BAD_CONFIG, "the log file %s (setting `log`) is a fifo or a socket, not a file",
                    settings->log_file);
    else if (fd < 0 && errno == ELOOP)
        failure_set(failure, EXIT_CODE_PERMISSION,
                    "the log file %s (setting `log`) is a symbolic link of another user: it must be ours or root's",
                    settings->log_file);
    else if (fd < 0)
        failure_set_errno(failure, errno == EACCES ? EXIT_CODE_PERMISSION : EXIT_CODE_OS,
                          "the log file %s could not be opened", settings->log_file);
    return fd;
}

void logsink_use(struct logsink *sink, const struct settings *settings, int fd)
{
    int target = sink->console_fd;

    sink->kind = settings->log;
    memcpy(sink->file, settings->log_file, sizeof(sink->file));
    if (settings->log == SETTINGS_LOG_FILE)
        target = fd;
    if (settings->log == SETTINGS_LOG_SYSLOG) {
        openlog("fairvisord", LOG_PID, LOG_DAEMON);
        target = sink->pipe_write;
    }
    dup2(target, STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    log_init("master", settings->log_level, settings->log_json);
}

void logsink_reopen(struct logsink *sink)
{
    int fd;

    if (sink->kind != SETTINGS_LOG_FILE)
        return;
    fd = open_file(sink->file);
    if (fd < 0) {
        log_errno(LOG_LEVEL_ERROR, "the log file %s could not be opened anew; logging goes on in the old one",
                  sink->file);
        return;
    }
    dup2(fd, STDERR_FILENO);
    close(fd);
    log_line(LOG_LEVEL_NOTICE, "the log file was opened anew");
}

void logsink_flush(struct logsink *sink)
{
    ssize_t got;

    while ((got = read(sink->pipe_read, sink->buffer + sink->used, sizeof(sink->buffer) - sink->used)) > 0) {
        sink->used += (size_t)got;
        pass_on(sink, logsink_whole_lines(sink->buffer, sink->used, sink->used == sizeof(sink->buffer)));
    }
    pass_on(sink, sink->used);
}
