/* SPDX-License-Identifier: MPL-2.0
 *
 * The life of an upstream connection:
 *
 *   RESOLVING -> CONNECTING -> GREETING (TLS) -> OPEN <-> IDLE -> closed
 *
 * The socket is memory of its own, for libuv closes it later than we do, and an address that refuses needs a new one.
 * Idle connections are found through the ring of those that wait as TIMEOUT_UPSTREAM_IDLE: its last one is the warmest.
 */
#include "worker/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shm/log.h"
#include "worker/outbox.h"
#include "worker/worker.h"

#define MAX_PIECES    6
#define TLS_LOG_MS    1000
#define SUSPICIOUS_MS 1000 /* idle for so long: it is looked at before it is used */

enum upstream_state { RESOLVING, CONNECTING, GREETING, OPEN, IDLE };

struct upstream_socket {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
    };
    struct upstream *upstream; /* NULL: given up */
    uv_connect_t connect;
};

struct upstream {
    struct worker *worker;
    const struct upstream_user *user;
    void *context;
    struct upstream_socket *socket; /* NULL while resolving */
    struct tls *tls;                /* NULL: plain */
    struct timeout timeout;
    struct resolve_waiter waiter;
    struct resolve_addresses addresses; /* to try */
    unsigned next_address;
    struct outbox early; /* sent before it was open */
    size_t queued;
    uint64_t idle_since_ms;
    uint8_t state; /* enum upstream_state */
    bool is_reused, has_sent, is_reading;
};

struct upstream_write {
    uv_write_t write;
    size_t size;
    char data[];
};

/* ---- closing ---------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop_socket(struct upstream *upstream)
{
    tls_free(upstream->tls);
    upstream->tls = NULL;
    if (!upstream->socket)
        return;
    upstream->socket->upstream = NULL;
    uv_close(&upstream->socket->handle, on_closed);
    upstream->socket = NULL;
    counters_add(upstream->worker->slot, COUNTER_upstream_connections, -1);
}

static void count_busy(struct worker *worker, int change)
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
    drop_socket(upstream);
    outbox_fini(&upstream->early);
    free(upstream);
    if (was_idle)
        worker->upstreams.idle_count--;
    else
        count_busy(worker, -1);
}

static void end(struct upstream *upstream, enum upstream_end why)
{
    if (upstream->state == IDLE)
        upstream_close(upstream);
    else
        upstream->user->on_end(upstream->context, why);
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status)
{
    struct upstream_write *own = write->data;
    struct upstream *upstream = ((struct upstream_socket *)write->handle->data)->upstream;

    if (upstream) {
        upstream->queued -= own->size;
        upstream->has_sent = true;
    }
    free(own);
    if (!upstream)
        return;
    if (status < 0)
        end(upstream, UPSTREAM_END_reset);
    else if (upstream->queued == 0 && upstream->state == OPEN)
        upstream->user->on_drained(upstream->context);
}

/* Copies the pieces but for their first TAKEN bytes. */
static bool queue(struct upstream *upstream, const uv_buf_t *pieces, size_t count, size_t taken, size_t total)
{
    struct upstream_write *own = malloc(sizeof(*own) + total - taken);
    uv_buf_t buffer;

    if (!own)
        return false;
    own->size = 0;
    for (size_t i = 0; i < count; i++) {
        size_t skipped = taken < pieces[i].len ? taken : pieces[i].len;

        taken -= skipped;
        memcpy(own->data + own->size, pieces[i].base + skipped, pieces[i].len - skipped);
        own->size += pieces[i].len - skipped;
    }
    own->write.data = own;
    buffer = uv_buf_init(own->data, (unsigned)own->size);
    if (uv_write(&own->write, &upstream->socket->stream, &buffer, 1, on_written) != 0) {
        free(own);
        return false;
    }
    upstream->queued += own->size;
    return true;
}

static bool write_now(struct upstream *upstream, const uv_buf_t *pieces, size_t count, size_t total)
{
    int taken = uv_try_write(&upstream->socket->stream, pieces, (unsigned)count);

    if (taken == UV_EAGAIN)
        taken = 0;
    if (taken < 0)
        return false;
    upstream->has_sent |= taken > 0;
    return (size_t)taken == total || queue(upstream, pieces, count, (size_t)taken, total);
}

static bool flush_tls(struct upstream *upstream)
{
    struct slice pending = tls_pending(upstream->tls);
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)pending.data, (unsigned)pending.size);
    bool is_sent = pending.size == 0 || write_now(upstream, &buffer, 1, pending.size);

    tls_sent(upstream->tls);
    return is_sent;
}

bool upstream_send(struct upstream *upstream, const struct slice *pieces, size_t count)
{
    uv_buf_t buffers[MAX_PIECES];
    size_t total = 0, used = 0;

    for (size_t i = 0; i < count && used < MAX_PIECES; i++) {
        if (pieces[i].size == 0)
            continue;
        buffers[used].base = (char *)(uintptr_t)pieces[i].data;
        buffers[used++].len = pieces[i].size;
        total += pieces[i].size;
    }
    if (total == 0)
        return true;
    if (upstream->state == OPEN && upstream->tls)
        return tls_write(upstream->tls, pieces, count) && flush_tls(upstream);
    if (upstream->state == OPEN)
        return write_now(upstream, buffers, used, total);
    for (size_t i = 0; i < used; i++)
        outbox_add(&upstream->early, (struct slice){buffers[i].base, buffers[i].len});
    return !upstream->early.is_short;
}

size_t upstream_queued(const struct upstream *upstream)
{
    return upstream->queued + upstream->early.used;
}

bool upstream_has_sent(const struct upstream *upstream)
{
    return upstream->has_sent;
}

bool upstream_is_reused(const struct upstream *upstream)
{
    return upstream->is_reused;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    const struct upstream_socket *socket = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(socket->upstream->worker->read_buffer, WORKER_UPSTREAM_READ_SIZE);
}

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
    uint64_t now = uv_now(&worker->loop);

    if (worker->tls_log_ms != 0 && now - worker->tls_log_ms < TLS_LOG_MS)
        return;
    worker->tls_log_ms = now;
    log_line(LOG_LEVEL_ERROR, "no secure connection to the upstream %s: %s", worker->upstreams.backend.host,
             tls_cause(upstream->tls));
}

static void open_now(struct upstream *upstream);

/* DATA is the buffer that the bytes lay in, and has room again once they are fed. The user may close UPSTREAM meanwhile,
 * which SOCKET knows. */
static void read_tls(struct upstream_socket *socket, char *data, size_t fed)
{
    struct upstream *upstream = socket->upstream;
    enum tls_result result = tls_feed(upstream->tls, data, fed);
    size_t size;

    if (!flush_tls(upstream))
        result = TLS_BROKEN;
    if (result == TLS_BROKEN && upstream->state == GREETING)
        log_tls(upstream);
    if (upstream->state == GREETING && result == TLS_GOOD && tls_is_open(upstream->tls))
        open_now(upstream);
    while (result == TLS_GOOD && socket->upstream && upstream->state >= OPEN) {
        result = tls_read(upstream->tls, data, WORKER_UPSTREAM_READ_SIZE, &size);
        if (result == TLS_GOOD && size == 0)
            return;
        if (result == TLS_GOOD)
            give_bytes(upstream, data, size);
    }
    if (socket->upstream && result != TLS_GOOD)
        end(upstream, result == TLS_ENDED ? UPSTREAM_END_closed
                                          : (upstream->state == GREETING ? UPSTREAM_END_tls : UPSTREAM_END_reset));
}

/* The end of a socket that TLS has not announced might be anybody's doing: it completes nothing. */
static enum upstream_end end_of(const struct upstream *upstream, ssize_t error)
{
    if (upstream->state == GREETING)
        return UPSTREAM_END_tls;
    return error == UV_EOF && !upstream->tls ? UPSTREAM_END_closed : UPSTREAM_END_reset;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct upstream_socket *socket = stream->data;
    struct upstream *upstream = socket->upstream;

    if (count == 0)
        return;
    if (count < 0)
        end(upstream, end_of(upstream, count));
    else if (upstream->tls)
        read_tls(socket, buffer->base, (size_t)count);
    else
        give_bytes(upstream, buffer->base, (size_t)count);
}

void upstream_set_reading(struct upstream *upstream, bool is_wanted)
{
    if (upstream->state < GREETING || upstream->is_reading == is_wanted)
        return;
    upstream->is_reading = is_wanted;
    if (is_wanted)
        uv_read_start(&upstream->socket->stream, on_alloc, on_read);
    else
        uv_read_stop(&upstream->socket->stream);
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

static void open_now(struct upstream *upstream)
{
    struct slice early = {upstream->early.data, upstream->early.used};
    bool is_sent;

    upstream->state = OPEN;
    upstream_set_reading(upstream, true);
    upstream_set_waiting(upstream, true);
    is_sent = upstream_send(upstream, &early, 1);
    outbox_fini(&upstream->early);
    if (!is_sent)
        end(upstream, UPSTREAM_END_reset);
    else if (upstream->queued == 0)
        upstream->user->on_drained(upstream->context);
}

static void greet(struct upstream *upstream)
{
    struct worker *worker = upstream->worker;

    upstream->tls = tls_new(worker->upstream_tls, worker->upstreams.backend.host);
    upstream->state = GREETING;
    if (!upstream->tls) {
        end(upstream, UPSTREAM_END_memory);
        return;
    }
    upstream_set_reading(upstream, true);
    if (tls_feed(upstream->tls, NULL, 0) == TLS_BROKEN || !flush_tls(upstream))
        end(upstream, UPSTREAM_END_tls);
}

static bool try_next(struct upstream *upstream, enum upstream_end *why);

static void on_connected(uv_connect_t *connect, int status)
{
    struct upstream *upstream = ((struct upstream_socket *)connect->handle->data)->upstream;
    enum upstream_end why;

    if (!upstream)
        return;
    if (status == 0) {
        uv_tcp_nodelay(&upstream->socket->tcp, 1);
        if (upstream->worker->upstream_tls)
            greet(upstream);
        else
            open_now(upstream);
        return;
    }
    drop_socket(upstream);
    if (!try_next(upstream, &why))
        end(upstream, why);
}

static struct upstream_socket *make_socket(struct upstream *upstream)
{
    struct upstream_socket *socket = malloc(sizeof(*socket));

    if (!socket)
        return NULL;
    if (uv_tcp_init(&upstream->worker->loop, &socket->tcp) != 0) {
        free(socket);
        return NULL;
    }
    socket->handle.data = socket;
    socket->upstream = upstream;
    counters_add(upstream->worker->slot, COUNTER_upstream_connections, 1);
    counters_add(upstream->worker->slot, COUNTER_upstream_opened, 1);
    return socket;
}

/* Begins to connect to the next address. false: there is none left. */
static bool try_next(struct upstream *upstream, enum upstream_end *why)
{
    *why = UPSTREAM_END_refused;
    upstream->state = CONNECTING;
    while (upstream->next_address < upstream->addresses.count) {
        const struct sockaddr_storage *address = &upstream->addresses.items[upstream->next_address++];
        int error;

        upstream->socket = make_socket(upstream);
        if (!upstream->socket) {
            *why = UPSTREAM_END_memory;
            return false;
        }
        error = uv_tcp_connect(&upstream->socket->connect, &upstream->socket->tcp, (const struct sockaddr *)address,
                               on_connected);
        if (error == 0)
            return true;
        if (error == UV_EMFILE || error == UV_ENFILE || error == UV_ENOMEM)
            *why = UPSTREAM_END_memory;
        drop_socket(upstream);
    }
    return false;
}

static void on_resolved(struct resolve_waiter *waiter, bool is_found)
{
    struct upstream *upstream = (struct upstream *)((char *)waiter - offsetof(struct upstream, waiter));
    enum upstream_end why = UPSTREAM_END_unresolved;

    if (is_found)
        upstream->addresses = upstream->worker->upstreams.resolve.addresses;
    if (!is_found || !try_next(upstream, &why))
        end(upstream, why);
}

static bool begin(struct upstream *upstream, enum upstream_end *why)
{
    struct resolve *resolve = &upstream->worker->upstreams.resolve;
    const struct resolve_addresses *addresses = resolve_get(resolve);

    timeouts_start(&upstream->worker->timeouts, &upstream->timeout, TIMEOUT_UPSTREAM_CONNECT);
    if (addresses) {
        upstream->addresses = *addresses;
        return try_next(upstream, why);
    }
    upstream->waiter.on_done = on_resolved;
    *why = UPSTREAM_END_memory;
    return resolve_wait(resolve, &upstream->waiter);
}

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
    count_busy(worker, 1);
    if (begin(upstream, why))
        return upstream;
    upstream_close(upstream);
    return NULL;
}

/* ---- keeping ---------------------------------------------------------------------------------------------------- */

static struct upstream *of_timeout(struct timeout *timeout)
{
    return (struct upstream *)((char *)timeout - offsetof(struct upstream, timeout));
}

/* One that was idle for long may have been closed by the upstream a moment ago, which the loop has not seen yet. */
static bool is_alive(const struct upstream *upstream)
{
    char byte;
    uv_os_fd_t fd;

    if (uv_now(&upstream->worker->loop) - upstream->idle_since_ms < SUSPICIOUS_MS)
        return true;
    return uv_fileno(&upstream->socket->handle, &fd) == 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

static struct upstream *take_idle(struct worker *worker)
{
    struct timeout *ring = &worker->timeouts.heads[TIMEOUT_UPSTREAM_IDLE];

    while (ring->previous != ring) {
        struct upstream *upstream = of_timeout(ring->previous);

        if (is_alive(upstream)) {
            worker->upstreams.idle_count--;
            return upstream;
        }
        upstream_close(upstream);
    }
    return NULL;
}

struct upstream *upstream_take(struct worker *worker, const struct upstream_user *user, void *context,
                               enum upstream_end *why)
{
    struct upstream *upstream = take_idle(worker);

    if (!upstream)
        return upstream_open(worker, user, context, why);
    upstream->state = OPEN;
    upstream->user = user;
    upstream->context = context;
    upstream->is_reused = true;
    upstream->has_sent = false;
    count_busy(worker, 1);
    counters_add(worker->slot, COUNTER_upstream_reused, 1);
    upstream_set_waiting(upstream, true);
    return upstream;
}

void upstream_give_back(struct upstream *upstream)
{
    struct worker *worker = upstream->worker;
    const struct timeout *ring = &worker->timeouts.heads[TIMEOUT_UPSTREAM_IDLE];

    if (worker->is_draining || worker->handoff.settings.backend_keepalive == 0) {
        upstream_close(upstream);
        return;
    }
    upstream->state = IDLE;
    upstream->idle_since_ms = uv_now(&worker->loop);
    worker->upstreams.idle_count++;
    timeouts_start(&worker->timeouts, &upstream->timeout, TIMEOUT_UPSTREAM_IDLE);
    upstream_set_reading(upstream, true);
    if (worker->upstreams.idle_count > worker->handoff.settings.backend_keepalive)
        upstream_close(of_timeout(ring->next));
    count_busy(worker, -1);
}

void upstream_set_waiting(struct upstream *upstream, bool is_waiting)
{
    if (upstream->state == OPEN)
        timeouts_start(&upstream->worker->timeouts, &upstream->timeout,
                       is_waiting ? TIMEOUT_UPSTREAM_SILENT : TIMEOUT_UPSTREAM_BUSY);
}

void upstream_on_timeout(struct timeout *timeout)
{
    end(of_timeout(timeout),
        timeout->kind == TIMEOUT_UPSTREAM_CONNECT ? UPSTREAM_END_connect_timeout : UPSTREAM_END_silent);
}

void upstream_abort(struct timeout *timeout)
{
    end(of_timeout(timeout), UPSTREAM_END_leaving);
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

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

void upstream_close_idle(struct worker *worker)
{
    struct timeout *ring = &worker->timeouts.heads[TIMEOUT_UPSTREAM_IDLE];

    while (ring->next != ring)
        upstream_close(of_timeout(ring->next));
}

void upstream_fini(struct worker *worker)
{
    upstream_close_idle(worker);
    resolve_fini(&worker->upstreams.resolve);
}
