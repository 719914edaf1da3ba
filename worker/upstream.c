/* SPDX-License-Identifier: MPL-2.0
 *
 * The life of an upstream connection:
 *
 *   RESOLVING -> CONNECTING -> GREETING (TLS) -> OPEN <-> IDLE -> closed
 *   \------- upstream_connect.c --------/          upstream_pool.c
 *
 * This file: bytes both ways while it is open, and its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/log.h"
#include "shm/must.h"
#include "worker/upstream_private.h"

#define TLS_LOG_MS    1000
#define READS_AT_ONCE 32 /* then others have their turn */

static void on_ready(uv_poll_t *poll, int status, int events);

void upstream_watch(struct upstream *upstream)
{
    struct upstream_socket *socket = upstream->socket;
    bool waits_for_room = upstream->state == CONNECTING || upstream->unsent;
    int events = (upstream->is_reading ? UV_READABLE : 0) | (waits_for_room ? UV_WRITABLE : 0);

    if (events == socket->watched)
        return;
    socket->watched = (uint8_t)events;
    MUST(uv_poll_start(&socket->poll, events, on_ready) == 0);
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void upstream_drop_socket(struct upstream *upstream)
{
    tls_free(upstream->tls);
    upstream->tls = NULL;
    unsent_free(upstream->unsent);
    upstream->unsent = NULL;
    if (!upstream->socket)
        return;
    upstream->socket->upstream = NULL;
    uv_close(&upstream->socket->handle, on_closed);
    close(upstream->socket->fd);
    upstream->socket = NULL;
    counters_add(upstream->worker->slot, COUNTER_upstream_connections, -1);
}

void upstream_count_busy(struct worker *worker, int change)
{
    worker->upstreams.busy_count += (uint64_t)(int64_t)change;
    if (change > 0)
        worker_start_tick(worker);
    else
        worker_leave_when_empty(worker);
}

void upstream_close(struct upstream *upstream)
{
    struct worker *worker = upstream->worker;
    bool was_idle = upstream->state == IDLE;

    timeouts_stop(&upstream->timeout);
    resolve_give_up(&upstream->waiter);
    upstream_drop_socket(upstream);
    outbox_fini(&upstream->early);
    free(upstream);
    if (was_idle)
        worker->upstreams.idle_count--;
    else
        upstream_count_busy(worker, -1);
}

void upstream_tell_end(struct upstream *upstream, enum upstream_end why)
{
    if (upstream->state == IDLE)
        upstream_close(upstream);
    else
        upstream->user->on_end(upstream->context, why);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool end_sending(const struct upstream *upstream)
{
    return shutdown(upstream->socket->fd, SHUT_WR) == 0;
}

/* The upstream takes nothing more (errno). What it said before that is heard still, the refusal of a request that it did not
 * want to read maybe: from now on all that is sent is dropped, and reading finds the end. false: there is nothing to hear,
 * or what is sent can be sent to another. */
static bool stop_sending(struct upstream *upstream)
{
    upstream->is_deaf = true;
    upstream->was_reset = errno != EPIPE;
    unsent_free(upstream->unsent);
    upstream->unsent = NULL;
    return upstream->state == OPEN && !upstream->has_ended && (upstream->has_sent || !upstream->is_reused);
}

/* A handshake's bytes are none of the request. */
static void note_sent(struct upstream *upstream, bool has_sent)
{
    upstream->has_sent |= has_sent && upstream->state == OPEN;
}

static bool write_now(struct upstream *upstream, const uv_buf_t *pieces, size_t count, size_t total)
{
    int taken;

    if (upstream->is_deaf)
        return true;
    taken = upstream->unsent ? 0 : pieces_offer(upstream->socket->fd, pieces, count);
    if (taken < 0)
        return stop_sending(upstream);
    note_sent(upstream, taken > 0);
    if ((size_t)taken == total)
        return true;
    if (!unsent_keep(&upstream->unsent, pieces, count, (size_t)taken, total))
        return false;
    upstream_watch(upstream);
    return true;
}

/* The socket has room. */
static void write_more(struct upstream *upstream)
{
    size_t before = unsent_size(upstream->unsent);

    if (unsent_offer(&upstream->unsent, upstream->socket->fd)) {
        note_sent(upstream, unsent_size(upstream->unsent) < before);
        if (upstream->unsent)
            return;
        if (upstream->ends_sent)
            (void)end_sending(upstream); /* a connection that broke is found out by reading or waiting */
    } else if (!stop_sending(upstream)) {
        upstream_tell_end(upstream, UPSTREAM_END_reset);
        return;
    }
    if (upstream->state == OPEN)
        upstream->user->on_drained(upstream->context);
}

static bool write_wrapped(void *to, char *data, size_t size)
{
    uv_buf_t buffer = uv_buf_init(data, (unsigned)size);

    return write_now(to, &buffer, 1, size);
}

bool upstream_flush_tls(struct upstream *upstream)
{
    return tls_flush(upstream->tls, write_wrapped, upstream);
}

bool upstream_send(struct upstream *upstream, const struct slice *pieces, size_t count)
{
    uv_buf_t buffers[PIECES_MOST];
    size_t total, used = pieces_gather(pieces, count, buffers, &total);

    if (total == 0)
        return true;
    if (upstream->state == OPEN && upstream->tls)
        return tls_write(upstream->tls, pieces, count) && upstream_flush_tls(upstream);
    if (upstream->state == OPEN)
        return write_now(upstream, buffers, used, total);
    for (size_t i = 0; i < used; i++)
        outbox_add(&upstream->early, (struct slice){buffers[i].base, buffers[i].len});
    return !upstream->early.is_short;
}

bool upstream_end_sending(struct upstream *upstream)
{
    if (upstream->tls)
        tls_end(upstream->tls);
    if (upstream->tls && !upstream_flush_tls(upstream))
        return false;
    upstream->ends_sent = true;
    return upstream->unsent || upstream->is_deaf || end_sending(upstream);
}

size_t upstream_queued(const struct upstream *upstream)
{
    return unsent_size(upstream->unsent) + upstream->early.used;
}

bool upstream_has_sent(const struct upstream *upstream)
{
    return upstream->has_sent;
}

bool upstream_is_reused(const struct upstream *upstream)
{
    return upstream->is_reused;
}

uint64_t upstream_idle_ms(const struct upstream *upstream)
{
    return upstream->idle_ms;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void give_bytes(struct upstream *upstream, char *data, size_t size)
{
    if (upstream->state == IDLE)
        upstream_close(upstream); /* nobody asked */
    else
        upstream->user->on_bytes(upstream->context, data, size);
}

/* A line a second at most: a wrong certificate meets every request. */
static void log_tls(const struct upstream *upstream)
{
    struct worker *worker = upstream->worker;

    if (log_is_due(&worker->tls_log_ms, (int64_t)uv_now(&worker->loop), TLS_LOG_MS))
        log_line(LOG_LEVEL_ERROR, "no secure connection to the upstream %s: %s", worker->upstreams.backend.host,
                 tls_cause(upstream->tls));
}

/* DATA is the buffer that the bytes lay in, and has room again once they are fed. The user may close UPSTREAM
 * meanwhile, which SOCKET knows. */
static void read_tls(struct upstream_socket *socket, char *data, size_t fed)
{
    struct upstream *upstream = socket->upstream;
    enum tls_result result = tls_feed(upstream->tls, data, fed);
    size_t size;

    if (!upstream_flush_tls(upstream))
        result = TLS_BROKEN;
    if (result == TLS_BROKEN && upstream->state == GREETING)
        log_tls(upstream);
    if (upstream->state == GREETING && result == TLS_GOOD && tls_is_open(upstream->tls))
        upstream_connect_done(upstream);
    while (result == TLS_GOOD && socket->upstream && upstream->state >= OPEN) {
        result = tls_read(upstream->tls, data, WORKER_UPSTREAM_READ_SIZE, &size);
        if (result == TLS_GOOD && size == 0)
            return;
        if (result == TLS_GOOD)
            give_bytes(upstream, data, size);
    }
    if (!socket->upstream || result == TLS_GOOD)
        return;
    upstream->has_ended = true;
    upstream_tell_end(upstream, result == TLS_ENDED ? UPSTREAM_END_closed
                                      : (upstream->state == GREETING ? UPSTREAM_END_tls : UPSTREAM_END_reset));
}

/* The end of a socket that TLS has not announced might be anybody's doing: it completes nothing. */
static enum upstream_end end_of(const struct upstream *upstream, bool is_orderly)
{
    if (upstream->state == GREETING)
        return UPSTREAM_END_tls;
    return is_orderly && !upstream->tls && !upstream->was_reset ? UPSTREAM_END_closed : UPSTREAM_END_reset;
}

/* Whether there may be more: the buffer was filled. */
static bool read_some(struct upstream_socket *socket)
{
    struct upstream *upstream = socket->upstream;
    char *data = upstream->worker->read_buffer;
    ssize_t count;

    do {
        count = recv(socket->fd, data, WORKER_UPSTREAM_READ_SIZE, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0) {
        upstream->is_reading = false;
        upstream->has_ended = true;
        upstream_tell_end(upstream, end_of(upstream, count == 0));
    } else if (upstream->tls) {
        read_tls(socket, data, (size_t)count);
    } else {
        give_bytes(upstream, data, (size_t)count);
    }
    return count == WORKER_UPSTREAM_READ_SIZE;
}

static void read_all(struct upstream_socket *socket)
{
    for (int reads = 0; reads < READS_AT_ONCE && socket->upstream && socket->upstream->is_reading; reads++)
        if (!read_some(socket))
            break;
}

/* What came before an error is taken as if there were none: reading or writing finds out what is wrong. libuv has
 * stopped watching then. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct upstream_socket *socket = poll->data;

    if (status < 0) {
        socket->watched = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if (socket->upstream->state == CONNECTING) {
        upstream_connect_ready(socket->upstream);
        return;
    }
    if ((events & UV_READABLE) != 0)
        read_all(socket);
    if ((events & UV_WRITABLE) != 0 && socket->upstream && socket->upstream->unsent)
        write_more(socket->upstream);
    if (socket->upstream)
        upstream_watch(socket->upstream);
}

void upstream_set_reading(struct upstream *upstream, bool is_wanted)
{
    if (upstream->state < GREETING || upstream->is_reading == is_wanted)
        return;
    upstream->is_reading = is_wanted;
    upstream_watch(upstream);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

struct upstream *upstream_of_timeout(struct timeout *timeout)
{
    return (struct upstream *)((char *)timeout - offsetof(struct upstream, timeout));
}

void upstream_set_waiting(struct upstream *upstream, bool is_waiting)
{
    if (upstream->state == OPEN)
        timeouts_start(&upstream->worker->timeouts, &upstream->timeout,
                       is_waiting ? TIMEOUT_UPSTREAM_SILENT : TIMEOUT_UPSTREAM_BUSY);
}

void upstream_on_timeout(struct timeout *timeout)
{
    struct upstream *upstream = upstream_of_timeout(timeout);

    if (timeout->kind == TIMEOUT_UPSTREAM_CONNECT)
        upstream_connect_late(upstream);
    else
        upstream_tell_end(upstream, UPSTREAM_END_silent);
}

void upstream_abort(struct timeout *timeout)
{
    upstream_tell_end(upstream_of_timeout(timeout), UPSTREAM_END_leaving);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

struct upstream *upstream_open(struct worker *worker, const struct upstream_user *user, void *context,
                               enum upstream_end *why)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));

    *why = UPSTREAM_END_memory;
    if (!upstream)
        return NULL;
    upstream->worker = worker;
    upstream->user = user;
    upstream->context = context;
    upstream->timeout.kind = TIMEOUT_NONE;
    upstream_count_busy(worker, 1);
    if (upstream_connect_start(upstream, why))
        return upstream;
    upstream_close(upstream);
    return NULL;
}

bool upstream_init(struct worker *worker, struct failure *failure)
{
    const struct settings *settings = &worker->handoff.settings;
    struct upstreams *upstreams = &worker->upstreams;
    const char *why = "";

    if (settings->mode != SETTINGS_MODE_REVERSE_PROXY)
        return true;
    if (!backend_parse(slice_of(settings->backend_url), &upstreams->backend, &why))
        return failure_set(failure, EXIT_CODE_OUR_BUG, "backend_url cannot be read: %s", why);
    resolve_init(&upstreams->resolve, &worker->loop, upstreams->backend.host, upstreams->backend.port);
    return true;
}

void upstream_fini(struct worker *worker)
{
    upstream_pool_close(worker);
    resolve_fini(&worker->upstreams.resolve);
}
