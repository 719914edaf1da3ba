/* SPDX-License-Identifier: MPL-2.0
 *
 * The reader of the decision log: ring -> lines. Waits for its target as long as it must, never for events longer than a
 * fraction of a second, and leaves when its lifeline ends and nothing is left to write.
 */
#include "master/decisions.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <syslog.h>
#include <unistd.h>

#include "master/logsink.h"
#include "shm/event_print.h"
#include "shm/events.h"
#include "shm/log.h"
#include "shm/moment.h"

#define BUFFER_SIZE  ((size_t)64 * 1024)
#define LOCK_WAIT_MS 50
#define BUSY_WAIT_MS 10  /* after a look that found events */
#define IDLE_WAIT_MS 100 /* after one that found none */

struct writer {
    const struct decisions_reader *of;
    struct events_head *head;
    struct events_reader place;
    uint64_t told_lost;
    int64_t second; /* boot clock: in which `written` lines were written */
    uint64_t written, withheld;
    bool is_leaving;
    bool is_failing; /* the last write did; said once */
    bool is_torn;    /* it ended within a line */
    size_t used, lines;
    char buffer[BUFFER_SIZE];
};

/* Waits for events to come. Notices the end of the lifeline. */
static void wait_a_little(struct writer *writer, int timeout_ms)
{
    struct pollfd lifeline = {.fd = writer->of->lifeline};

    if (poll(&lifeline, 1, timeout_ms) == 1)
        writer->is_leaving = true;
}

/* ---- to the target ------------------------------------------------------------------------------------------------ */

static bool send_to_syslog(const char *text, size_t size)
{
    if (!logsink_has_syslog()) {
        errno = ENOTCONN;
        return false;
    }
    while (size > 0) {
        size_t length = (size_t)((const char *)memchr(text, '\n', size) - text);

        syslog(LOG_INFO, "%.*s", (int)length, text);
        text += length + 1;
        size -= length + 1;
    }
    return true;
}

/* Pieces that a pipe takes whole, so that lines of others do not come between. Waits for a reader that is slow, but not
 * beyond the end of the lifeline. */
static bool send_to_descriptor(struct writer *writer, const char *text, size_t size)
{
    if (writer->is_torn && write(STDERR_FILENO, "\n", 1) != 1)
        return false;
    while (size > 0) {
        size_t piece = logsink_piece(text, size, writer->of->target == SETTINGS_LOG_FILE ? size : PIPE_BUF);
        struct pollfd waited[] = {{.fd = STDERR_FILENO, .events = POLLOUT}, {.fd = writer->of->lifeline}};
        ssize_t sent;

        if (poll(waited, writer->is_leaving ? 1 : 2, writer->is_leaving ? 0 : -1) < 1 && errno != EINTR)
            return false;
        if (waited[1].revents)
            writer->is_leaving = true;
        if (!waited[0].revents)
            continue;
        sent = write(STDERR_FILENO, text, piece);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        writer->is_torn = text[sent - 1] != '\n';
        text += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* What cannot be written (a full disk) is counted, not kept: the ring would be written over meanwhile. */
static void flush(struct writer *writer)
{
    bool is_sent = true;

    if (writer->used == 0)
        return;
    if (writer->of->target == SETTINGS_LOG_SYSLOG)
        is_sent = send_to_syslog(writer->buffer, writer->used);
    else
        is_sent = send_to_descriptor(writer, writer->buffer, writer->used);
    atomic_fetch_add(is_sent ? &writer->head->log_written : &writer->head->log_failed, writer->lines);
    if (!is_sent && !writer->is_failing)
        log_errno(LOG_LEVEL_ERROR, "the decision log could not be written; decisions go on, metrics count what is missing");
    writer->is_failing = !is_sent;
    writer->used = 0;
    writer->lines = 0;
}

static void note_place(struct writer *writer)
{
    flush(writer);
    atomic_store(&writer->head->log_position, writer->place.position);
}

/* ---- lines -------------------------------------------------------------------------------------------------------- */

static char *room(struct writer *writer)
{
    if (BUFFER_SIZE - writer->used < EVENT_PRINT_SIZE)
        flush(writer);
    return writer->buffer + writer->used;
}

/* {"time":...,"action":"lost","count":7}: so many events have no line. */
static void tell_gap(struct writer *writer, const char *action, uint64_t count)
{
    char time[EVENT_PRINT_TIME_SIZE], *out = room(writer);

    event_print_time(moment_now().wall_ns, time);
    writer->used += (size_t)snprintf(out, EVENT_PRINT_SIZE, "{\"time\":\"%s\",\"action\":\"%s\",\"count\":%" PRIu64 "}\n",
                                     time, action, count);
    writer->lines++;
}

static void tell_lost(struct writer *writer)
{
    uint64_t lost = writer->place.lost - writer->told_lost;

    if (lost == 0)
        return;
    writer->told_lost = writer->place.lost;
    atomic_fetch_add(&writer->head->log_lost, lost);
    tell_gap(writer, "lost", lost);
}

static bool is_wanted(const struct writer *writer, const struct event *event)
{
    switch (event->action) {
    case EVENT_REJECT:
    case EVENT_WOULD_REJECT:
    case EVENT_AUDIT:
        return true;
    case EVENT_ALLOW:
        return writer->of->what == SETTINGS_DECISION_LOG_ALL || event->warnings != 0;
    default:
        return false;
    }
}

/* Begins a new second when it is time; says how many lines the last one withheld. */
static void count_seconds(struct writer *writer, int64_t now_ns)
{
    int64_t second = now_ns / NANOSECONDS_PER_SECOND;

    if (second == writer->second)
        return;
    writer->second = second;
    writer->written = 0;
    if (writer->withheld > 0)
        tell_gap(writer, "withheld", writer->withheld);
    writer->withheld = 0;
}

static void take(struct writer *writer, const struct event *event, int64_t now_ns)
{
    if (!is_wanted(writer, event))
        return;
    count_seconds(writer, now_ns);
    if (writer->of->rate > 0 && writer->written >= writer->of->rate && event->action != EVENT_AUDIT) {
        writer->withheld++;
        atomic_fetch_add(&writer->head->log_withheld, 1);
        return;
    }
    writer->written++;
    writer->used += event_print_json(event, room(writer));
    writer->lines++;
}

/* All that is there now; false when there was nothing. */
static bool read_all(struct writer *writer)
{
    uint64_t end = events_count(writer->of->arena);
    static struct event event;
    bool is_any = false;

    while (writer->place.position < end) {
        int64_t now_ns = moment_now().boot_ns;

        if (!events_read(&writer->place, &event, now_ns))
            break;
        tell_lost(writer);
        take(writer, &event, now_ns);
        is_any = true;
    }
    tell_lost(writer);
    count_seconds(writer, moment_now().boot_ns);
    note_place(writer);
    return is_any;
}

/* ---- the reader's life -------------------------------------------------------------------------------------------- */

/* One reader at a time writes: the one before may have lines to write still. */
static bool take_turn(struct writer *writer)
{
    while (flock(writer->of->lock, LOCK_EX | LOCK_NB) != 0) {
        if (writer->is_leaving)
            return false;
        wait_a_little(writer, LOCK_WAIT_MS);
    }
    return true;
}

/* Where the last reader stopped; when there was none lately, with what happens from now on. */
static void begin(struct writer *writer)
{
    uint64_t position = atomic_load(&writer->head->log_position);

    if (position == EVENTS_LOG_OFF)
        events_begin_newest(&writer->place, writer->of->arena);
    else
        events_begin_at(&writer->place, writer->of->arena, position);
}

void decisions_reader_run(const struct decisions_reader *reader)
{
    static struct writer writer;

    writer = (struct writer){.of = reader, .head = reader->arena->events_head, .is_torn = reader->is_torn};
    if (reader->target == SETTINGS_LOG_SYSLOG)
        openlog("fairvisord", LOG_PID, LOG_DAEMON);
    if (!take_turn(&writer))
        return;
    begin(&writer);
    do
        wait_a_little(&writer, read_all(&writer) ? BUSY_WAIT_MS : IDLE_WAIT_MS);
    while (!writer.is_leaving);
    /* Workers wrote their last before the master let go: once more. */
    read_all(&writer);
}
