/* SPDX-License-Identifier: MPL-2.0
 *
 * The life of a connection:
 *
 *   READING_HEAD <-> READING_BODY -> ENDING (the last answer is on its way) -> LINGERING -> CLOSED
 *
 * Lingering: our side is shut down and what still comes is discarded for a while, so that no reset overtakes the
 * answer. All answers to one read are sent with one write. Parsing is request.c's, accepting listener.c's.
 */
#include "worker/conn.h"

#include <stdlib.h>
#include <string.h>

#include "worker/reply.h"
#include "worker/request.h"

#define FLUSH_SIZE       32768               /* answers to pipelined requests are sent when they are this many bytes */
#define LINGER_MAX_BYTES (UINT32_C(4) << 20) /* discarded at most while lingering */

enum conn_state { READING_HEAD, READING_BODY, ENDING, LINGERING, CLOSED };

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    struct worker *worker;
    struct timeout timeout;
    struct http http;
    struct request_origin origin;
    char *kept; /* READING_HEAD: bytes not yet consumed; READING_BODY: the head */
    uint32_t kept_size;
    uint32_t kept_room;
    uint32_t lingered; /* bytes discarded */
    uint8_t state;     /* enum conn_state */
    bool is_reading;
    bool is_writing; /* an answer is queued: nothing is read */
    bool has_ended;  /* the client has closed its side */
};

/* An answer that the socket did not take at once. */
struct rest {
    uv_write_t write;
    char data[];
};

_Static_assert(sizeof(struct conn) <= 500, "an idle connection is to cost 500 bytes at most");

static void finish(struct conn *conn);
static void resume(struct conn *conn);

/* ---- closing ---------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void forget_kept(struct conn *conn)
{
    free(conn->kept);
    conn->kept = NULL;
    conn->kept_size = conn->kept_room = 0;
}

static void close_conn(struct conn *conn)
{
    if (conn->state == CLOSED)
        return;
    conn->state = CLOSED;
    timeouts_stop(&conn->timeout);
    forget_kept(conn);
    uv_close(&conn->handle, on_closed);
    worker_count_connection(conn->worker, -1);
}

/* ---- keeping ---------------------------------------------------------------------------------------------------- */

/* Appends to the kept bytes. Their number is bounded: a head's limit, and what one read brought on top. */
static bool keep(struct conn *conn, const char *data, size_t size)
{
    size_t needed = conn->kept_size + size;

    if (needed > conn->kept_room) {
        size_t room = needed < 1024 ? 1024 : needed;
        char *grown = realloc(conn->kept, room);

        if (!grown)
            return false;
        conn->kept = grown;
        conn->kept_room = (uint32_t)room;
    }
    memcpy(conn->kept + conn->kept_size, data, size);
    conn->kept_size = (uint32_t)needed;
    return true;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = write->handle->data;

    free(write->data);
    conn->is_writing = false;
    if (conn->state == CLOSED)
        return;
    if (status < 0)
        close_conn(conn);
    else
        resume(conn);
}

/* Copies what the socket did not take; the client has to take it before anything more is read. */
static bool write_rest(struct conn *conn, const char *data, size_t size)
{
    struct rest *rest = malloc(sizeof(*rest) + size);
    uv_buf_t buffer;

    if (!rest)
        return false;
    memcpy(rest->data, data, size);
    rest->write.data = rest;
    buffer = uv_buf_init(rest->data, (unsigned)size);
    if (uv_write(&rest->write, &conn->stream, &buffer, 1, on_written) != 0) {
        free(rest);
        return false;
    }
    conn->is_writing = true;
    timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_WRITE);
    return true;
}

/* Sends and empties the worker's outbox. The connection may be writing afterwards, or closed if that cannot be done. */
static void flush(struct conn *conn)
{
    struct outbox *out = &conn->worker->out;
    uv_buf_t buffer = uv_buf_init(out->data, (unsigned)out->used);
    int written = 0;

    if (conn->state != CLOSED && out->used > 0 && !out->is_short)
        written = uv_try_write(&conn->stream, &buffer, 1);
    if (written == UV_EAGAIN)
        written = 0;
    if (written < 0 || out->is_short || conn->state == CLOSED)
        close_conn(conn);
    else if ((size_t)written < out->used && !write_rest(conn, out->data + written, out->used - (size_t)written))
        close_conn(conn);
    outbox_clear(out);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    const struct conn *conn = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(conn->worker->read_buffer, WORKER_READ_SIZE);
}

static void set_reading(struct conn *conn, bool is_wanted)
{
    if (conn->is_reading == is_wanted || conn->state == CLOSED)
        return;
    conn->is_reading = is_wanted;
    if (!is_wanted)
        uv_read_stop(&conn->stream);
    else if (uv_read_start(&conn->stream, on_alloc, on_read) != 0)
        close_conn(conn);
}

/* Says what the connection waits for now. HAS_ANSWERED: the wait began just now, whatever it was before. */
static void wait_on(struct conn *conn, bool has_answered)
{
    enum timeout_kind kind = TIMEOUT_IDLE;

    if (conn->state == READING_BODY)
        kind = TIMEOUT_BODY;
    else if (conn->kept_size > 0)
        kind = TIMEOUT_HEAD;
    if (has_answered || conn->timeout.kind != kind)
        timeouts_start(&conn->worker->timeouts, &conn->timeout, kind);
}

/* Takes one step of one request. Returns how many of the bytes it consumed; *IS_STARVED: it needs more than there are.
 */
static size_t step(struct conn *conn, const char *data, size_t size, bool *is_starved)
{
    struct slice head = {conn->kept, conn->kept_size};
    size_t used = 0, head_size = 0;
    enum request_progress progress;

    if (conn->state == READING_BODY)
        progress = request_continue(conn->worker, &conn->origin, &conn->http, head, data, size, &used);
    else
        progress = request_begin(conn->worker, &conn->origin, &conn->http, data, size, &used, &head_size);
    switch (progress) {
    case REQUEST_NEEDS_HEAD:
        *is_starved = true;
        return 0;
    case REQUEST_NEEDS_BODY:
        *is_starved = true;
        if (conn->state == READING_HEAD && !keep(conn, data, head_size))
            close_conn(conn);
        else
            conn->state = READING_BODY;
        return used;
    case REQUEST_ANSWERED:
        conn->state = READING_HEAD;
        break;
    case REQUEST_LAST:
        conn->state = ENDING;
        break;
    }
    forget_kept(conn);
    return used;
}

/* Goes through DATA request by request, then sends the answers and says what to wait for. DATA is not the kept buffer.
 */
static void consume(struct conn *conn, const char *data, size_t size)
{
    bool has_answered = false, is_starved = false;
    size_t at = 0;

    while (at < size && conn->state <= READING_BODY && !conn->is_writing && !is_starved) {
        at += step(conn, data + at, size - at, &is_starved);
        has_answered |= !is_starved;
        if (conn->worker->out.used >= FLUSH_SIZE)
            flush(conn);
    }
    if (conn->state == READING_HEAD && at < size && !keep(conn, data + at, size - at))
        close_conn(conn);
    flush(conn);
    if (conn->is_writing)
        set_reading(conn, false);
    else if (conn->state == ENDING)
        finish(conn);
    else if (conn->state != CLOSED)
        wait_on(conn, has_answered);
}

static void consume_kept(struct conn *conn)
{
    char *data = conn->kept;
    size_t size = conn->kept_size;

    conn->kept = NULL;
    conn->kept_size = conn->kept_room = 0;
    consume(conn, data, size);
    free(data);
}

/* A head that lacked its end cannot be complete before another line feed has come; not looking at it until then keeps
 * the work linear for a client that sends byte by byte. */
static void on_bytes(struct conn *conn, const char *data, size_t size)
{
    if (conn->state != READING_HEAD || conn->kept_size == 0) {
        consume(conn, data, size);
        return;
    }
    if (!keep(conn, data, size)) {
        close_conn(conn);
        return;
    }
    if (memchr(data, '\n', size) || conn->kept_size >= conn->worker->head_limits.bytes)
        consume_kept(conn);
}

/* Answers a request that will not come to its end. */
static void give_up(struct conn *conn, unsigned status)
{
    request_give_up(conn->worker, status);
    forget_kept(conn);
    conn->state = ENDING;
    flush(conn);
    if (conn->is_writing)
        set_reading(conn, false);
    else if (conn->state == ENDING)
        finish(conn);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct conn *conn = stream->data;

    if (count == 0)
        return;
    if (count < 0) {
        conn->has_ended = true;
        if (count == UV_EOF && (conn->state == READING_BODY || (conn->state == READING_HEAD && conn->kept_size > 0)))
            give_up(conn, 400);
        else
            close_conn(conn);
    } else if (conn->state == LINGERING) {
        conn->lingered += (uint32_t)count;
        if (conn->lingered > LINGER_MAX_BYTES)
            close_conn(conn);
    } else {
        on_bytes(conn, buffer->base, (size_t)count);
    }
}

/* ---- ending ----------------------------------------------------------------------------------------------------- */

/* The last answer is sent. A client that asked for the close itself expects nothing more: no need to linger. */
static void finish(struct conn *conn)
{
    bool was_wished = conn->http.is_complete && !conn->http.keeps_alive;
    uv_os_fd_t fd;

    if (conn->has_ended || was_wished || uv_fileno(&conn->handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        close_conn(conn);
        return;
    }
    conn->state = LINGERING;
    timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_LINGER);
    set_reading(conn, true);
}

/* The client took what was queued. */
static void resume(struct conn *conn)
{
    if (conn->state == ENDING) {
        finish(conn);
        return;
    }
    if (conn->state == READING_HEAD && conn->kept_size > 0)
        consume_kept(conn);
    else
        wait_on(conn, true);
    if (!conn->is_writing)
        set_reading(conn, true);
}

void conn_on_timeout(struct timeout *timeout)
{
    struct conn *conn = (struct conn *)((char *)timeout - offsetof(struct conn, timeout));

    if (timeout->kind == TIMEOUT_BODY || (timeout->kind == TIMEOUT_HEAD && conn->kept_size > 0))
        give_up(conn, 408);
    else
        close_conn(conn);
}

void conn_abort(struct timeout *timeout)
{
    close_conn((struct conn *)((char *)timeout - offsetof(struct conn, timeout)));
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static int open_handle(struct conn *conn, int fd)
{
    int error;

    if (conn->origin.peer.is_unix)
        error = uv_pipe_init(&conn->worker->loop, &conn->pipe, 0);
    else
        error = uv_tcp_init(&conn->worker->loop, &conn->tcp);
    if (error != 0)
        return error;
    conn->handle.data = conn;
    return conn->origin.peer.is_unix ? uv_pipe_open(&conn->pipe, fd) : uv_tcp_open(&conn->tcp, fd);
}

static void refuse(struct conn *conn)
{
    outbox_add(&conn->worker->out, reply_overloaded());
    counters_add(conn->worker->slot, COUNTER_http_503, 1);
    conn->state = ENDING;
    flush(conn);
    if (conn->state == ENDING && !conn->is_writing)
        finish(conn);
}

void conn_open(struct worker *worker, int fd, const struct sockaddr *peer, bool is_unix, bool is_ops, bool is_refused)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        close(fd);
        counters_add(worker->slot, COUNTER_connections_refused, 1);
        return;
    }
    conn->worker = worker;
    conn->timeout.kind = TIMEOUT_NONE;
    conn->origin = (struct request_origin){.peer = {.is_unix = is_unix}, .is_ops = is_ops};
    if (!is_unix)
        address_from_sockaddr(peer, &conn->origin.peer.address);
    http_init(&conn->http);
    worker_count_connection(worker, 1);
    if (open_handle(conn, fd) != 0) {
        close(fd);
        close_conn(conn);
        return;
    }
    if (is_refused) {
        refuse(conn);
        return;
    }
    timeouts_start(&worker->timeouts, &conn->timeout, TIMEOUT_HEAD);
    set_reading(conn, true);
}
