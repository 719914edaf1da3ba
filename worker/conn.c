/* SPDX-License-Identifier: MPL-2.0
 *
 * The life of a connection:
 *
 *   READING_HEAD <-> READING_BODY -> ENDING (the last answer is on its way) -> LINGERING -> CLOSED
 *        ^ \--> PROXYING --^
 *
 * Lingering: our side is shut down and what still comes is discarded for a while, so that no reset overtakes the
 * answer. All answers to one read are sent with one write. Parsing is request.c's, accepting listener.c's.
 *
 * A throttled answer is held back (hold.c) in READING_HEAD or ENDING: requests behind it wait, kept in their order. The
 * client is read from meanwhile, as far as there is room, so that one that leaves is noticed.
 */
#include "worker/conn.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "worker/hold.h"
#include "worker/proxy.h"
#include "worker/reply.h"
#include "worker/request.h"

#define FLUSH_SIZE       32768               /* answers to pipelined requests are sent when they are this many bytes */
#define LINGER_MAX_BYTES (UINT32_C(4) << 20) /* discarded at most while lingering */
#define KEEP_STEP        1024
#define MAX_PIECES       6
#define HELD_MAX_BYTES   WORKER_READ_SIZE /* behind a held answer nothing more is read when so many bytes wait */

enum conn_state { READING_HEAD, READING_BODY, PROXYING, ENDING, LINGERING, CLOSED };

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    struct worker *worker;
    struct timeout timeout;
    struct request_state request;
    struct request_origin origin;
    struct hold *held; /* the answer that is held back, or NULL */
    struct proxy *proxy; /* PROXYING: of the request that is on its way */
    struct tls *tls;     /* NULL: plain */
    char *kept;        /* READING_HEAD, PROXYING: bytes not yet consumed; READING_BODY: the head */
    uint32_t kept_size;
    uint32_t kept_room;
    uint32_t lingered; /* bytes discarded; while an answer is queued: how many were left at the last look */
    uint8_t state;     /* enum conn_state */
    bool is_reading;
    bool is_writing; /* an answer is queued: nothing is read */
    bool has_ended : 1;    /* the client has closed its side */
    bool is_consuming : 1; /* in consume, whose loop goes on by itself */
};

/* An answer that the socket did not take at once. */
struct rest {
    uv_write_t write;
    char data[];
};

_Static_assert(sizeof(struct conn) <= 500, "an idle connection is to cost 500 bytes at most");

static void finish(struct conn *conn);
static void resume(struct conn *conn);
static void consume_kept(struct conn *conn);

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

/* The proxy of a request that cannot go on. */
static void leave_proxy(struct conn *conn, enum proxy_leave why)
{
    struct proxy *proxy = conn->proxy;

    conn->proxy = NULL;
    if (proxy)
        proxy_leave(proxy, conn->worker->is_leaving ? PROXY_WORKER_LEAVES : why);
}

static void close_conn(struct conn *conn)
{
    if (conn->state == CLOSED)
        return;
    leave_proxy(conn, PROXY_CLIENT_LEFT);
    conn->state = CLOSED;
    timeouts_stop(&conn->timeout);
    forget_kept(conn);
    request_fini(&conn->request);
    hold_free(conn->held);
    conn->held = NULL;
    tls_free(conn->tls);
    conn->tls = NULL;
    uv_close(&conn->handle, on_closed);
    worker_count_connection(conn->worker, -1);
}

/* The same with a reset, which no client can take for the end of a message. */
static void reset(struct conn *conn)
{
    uv_os_fd_t fd;
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (uv_fileno(&conn->handle, &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close_conn(conn);
}

/* ---- keeping ---------------------------------------------------------------------------------------------------- */

/* Appends to the kept bytes. Their number is bounded: a head's limit, or HELD_MAX_BYTES, and what one read brought on
 * top. */
static bool keep(struct conn *conn, const char *data, size_t size)
{
    size_t needed = conn->kept_size + size;

    if (needed > conn->kept_room) {
        size_t room = (needed + KEEP_STEP - 1) / KEEP_STEP * KEEP_STEP;
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
    conn->is_writing = uv_stream_get_write_queue_size(&conn->stream) > 0;
    if (conn->state == CLOSED)
        return;
    if (status < 0)
        close_conn(conn);
    else if (!conn->is_writing)
        resume(conn);
}

/* Copies the pieces but for their first TAKEN bytes, which the socket took, of TOTAL. */
static bool write_rest(struct conn *conn, const uv_buf_t *pieces, size_t count, size_t taken, size_t total)
{
    struct rest *rest = malloc(sizeof(*rest) + total - taken);
    size_t size = 0;
    uv_buf_t buffer;

    if (!rest)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t skipped = taken < pieces[i].len ? taken : pieces[i].len;

        taken -= skipped;
        memcpy(rest->data + size, pieces[i].base + skipped, pieces[i].len - skipped);
        size += pieces[i].len - skipped;
    }
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

/* What the socket does not take at once has to be taken before anything more is read. */
static bool write_raw(struct conn *conn, const uv_buf_t *pieces, size_t count, size_t total)
{
    int taken = uv_try_write(&conn->stream, pieces, (unsigned)count);

    if (taken == UV_EAGAIN)
        taken = 0;
    return taken >= 0 && ((size_t)taken == total || write_rest(conn, pieces, count, (size_t)taken, total));
}

static bool flush_tls(struct conn *conn)
{
    struct slice pending = tls_pending(conn->tls);
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)pending.data, (unsigned)pending.size);
    bool is_sent = pending.size == 0 || write_raw(conn, &buffer, 1, pending.size);

    tls_sent(conn->tls);
    return is_sent;
}

/* A client that has not shaken hands yet cannot be told anything. */
static bool write_now(struct conn *conn, const struct slice *pieces, size_t count)
{
    uv_buf_t buffers[MAX_PIECES];
    size_t total = 0, used = 0;

    if (conn->tls)
        return tls_is_open(conn->tls) && tls_write(conn->tls, pieces, count) && flush_tls(conn);
    for (size_t i = 0; i < count && used < MAX_PIECES; i++) {
        if (pieces[i].size == 0)
            continue;
        buffers[used].base = (char *)(uintptr_t)pieces[i].data;
        buffers[used++].len = pieces[i].size;
        total += pieces[i].size;
    }
    return total == 0 || write_raw(conn, buffers, used, total);
}

/* Sends and empties the worker's outbox. The connection may be writing afterwards, or closed if that cannot be done. */
static void flush(struct conn *conn)
{
    struct outbox *out = &conn->worker->out;
    const struct slice answers = {out->data, out->used};
    bool is_broken = out->is_short || conn->state == CLOSED;

    if (!is_broken && out->used > 0)
        is_broken = !write_now(conn, &answers, 1);
    outbox_clear(out);
    if (is_broken)
        close_conn(conn);
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

/* Whether the body of the proxied request is still on its way. */
static bool has_body_to_come(const struct conn *conn)
{
    return conn->state == PROXYING && !conn->request.http.is_complete && !proxy_is_tunnel(conn->proxy);
}

/* Whether bytes of the client can be used now, not only kept. */
static bool is_ready(const struct conn *conn)
{
    if (conn->state == PROXYING)
        return (has_body_to_come(conn) || proxy_is_tunnel(conn->proxy)) && proxy_wants_body(conn->proxy);
    return conn->state <= READING_BODY && !conn->is_writing && !conn->held;
}

/* Nothing is read from a client that has to take an answer first, that has sent enough behind a held or proxied one, or
 * whose body the upstream does not take. */
static void update_reading(struct conn *conn)
{
    bool is_behind = conn->held || (conn->state == PROXYING && !is_ready(conn));
    size_t most = has_body_to_come(conn) ? 1 : HELD_MAX_BYTES;

    if (conn->state == CLOSED)
        return;
    if (conn->state == PROXYING)
        set_reading(conn, !is_behind || conn->kept_size < most);
    else
        set_reading(conn, !conn->is_writing && !(is_behind && conn->kept_size + conn->lingered >= most));
}

/* Says what the connection waits for now. HAS_ANSWERED: the wait began just now, whatever it was before. */
static void wait_on(struct conn *conn, bool has_answered)
{
    enum timeout_kind kind = TIMEOUT_IDLE;

    if (conn->held || (conn->state == PROXYING && !(has_body_to_come(conn) && proxy_wants_body(conn->proxy))))
        kind = TIMEOUT_HELD;
    else if (conn->state == READING_BODY || conn->state == PROXYING)
        kind = TIMEOUT_BODY;
    else if (conn->kept_size > 0)
        kind = TIMEOUT_HEAD;
    if (has_answered || conn->timeout.kind != kind)
        timeouts_start(&conn->worker->timeouts, &conn->timeout, kind);
}

/* ---- answering -------------------------------------------------------------------------------------------------- */

static void on_hold_over(void *context)
{
    struct conn *conn = context;

    if (!conn->is_writing)
        resume(conn);
}

/* Takes the answer behind the first ANSWERED bytes out of the outbox, for later. */
static void hold_back(struct conn *conn, size_t answered, uint64_t delay_ms)
{
    struct outbox *out = &conn->worker->out;
    struct slice answer = {out->data + answered, out->used - answered};

    if (out->is_short) /* nothing of it may be sent: flush closes */
        return;
    conn->held = hold_new(&conn->worker->loop, answer, delay_ms, on_hold_over, conn);
    if (conn->held)
        out->used = answered;
    else
        out->is_short = true;
}

/* The answers before it go out first: the outbox is the proxy's then. */
static void start_proxy(struct conn *conn, struct proxy *proxy)
{
    conn->proxy = proxy;
    conn->state = PROXYING;
    flush(conn);
    if (conn->state == PROXYING)
        proxy_start(proxy, conn);
}

/* Ends a proxied request with STATUS, or, when an answer was begun, with the connection. */
static void give_up_proxy(struct conn *conn, unsigned status)
{
    bool was_answered = proxy_has_answered(conn->proxy);

    leave_proxy(conn, PROXY_CLIENT_SLOW);
    if (was_answered) {
        close_conn(conn);
        return;
    }
    request_give_up(conn->worker, status);
    forget_kept(conn);
    conn->state = ENDING;
}

/* Gives DATA to the proxy, as far as it is the request's body. Returns how many bytes that were. */
static size_t step_proxy(struct conn *conn, char *data, size_t size)
{
    struct http *http = &conn->request.http;
    struct slice piece = {data, size};
    size_t used = size;

    if (proxy_is_tunnel(conn->proxy)) {
        proxy_tunnel(conn->proxy, piece);
        return used;
    }
    switch (http_piece(http, data, size, conn->worker->handoff.settings.max_body_bytes, &piece, &used)) {
    case HTTP_MORE:
    case HTTP_DONE:
        timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_BODY);
        proxy_body(conn->proxy, piece, http->is_complete);
        return used;
    case HTTP_TOO_LARGE:
        give_up_proxy(conn, 413);
        return size;
    case HTTP_BAD:
        break;
    }
    give_up_proxy(conn, 400);
    return size;
}

/* Takes one step of one request. Returns how many of the bytes it consumed; *IS_STARVED: it needs more than there are.
 */
static size_t step(struct conn *conn, struct slice data, bool *is_starved)
{
    struct slice head = {conn->kept, conn->kept_size};
    size_t answered = conn->worker->out.used;
    struct request_outcome outcome;

    if (conn->state == READING_BODY)
        outcome = request_continue(conn->worker, &conn->origin, &conn->request, head, data);
    else
        outcome = request_begin(conn->worker, &conn->origin, &conn->request, data);
    switch (outcome.progress) {
    case REQUEST_NEEDS_HEAD:
        *is_starved = true;
        return 0;
    case REQUEST_NEEDS_BODY:
        *is_starved = true;
        if (conn->state == READING_HEAD && !keep(conn, data.data, outcome.head_size))
            close_conn(conn);
        else
            conn->state = READING_BODY;
        return outcome.used;
    case REQUEST_PROXIED:
        forget_kept(conn);
        start_proxy(conn, outcome.proxy);
        return outcome.used;
    case REQUEST_ANSWERED:
        conn->state = READING_HEAD;
        break;
    case REQUEST_LAST:
        conn->state = ENDING;
        break;
    }
    if (outcome.delay_ms > 0)
        hold_back(conn, answered, outcome.delay_ms);
    forget_kept(conn);
    return outcome.used;
}

/* Sends what is in the outbox and says what to wait for. */
static void settle_down(struct conn *conn, bool has_answered)
{
    flush(conn);
    if (conn->state == CLOSED)
        return;
    if (!conn->is_writing && !conn->held && conn->state == ENDING) {
        finish(conn);
        return;
    }
    if (!conn->is_writing)
        wait_on(conn, has_answered);
    update_reading(conn);
}

/* Goes through DATA request by request, then sends the answers. DATA is not the kept buffer, and may be changed. */
static void consume(struct conn *conn, char *data, size_t size)
{
    bool has_answered = false, is_starved = false;
    size_t at = 0;

    conn->is_consuming = true;
    while (at < size && is_ready(conn) && !is_starved) {
        if (conn->state == PROXYING)
            at += step_proxy(conn, data + at, size - at);
        else
            at += step(conn, (struct slice){data + at, size - at}, &is_starved);
        has_answered |= !is_starved;
        if (conn->worker->out.used >= FLUSH_SIZE)
            flush(conn);
    }
    if (conn->state == PROXYING)
        proxy_flush(conn->proxy);
    conn->is_consuming = false;
    if ((conn->state == READING_HEAD || conn->state == PROXYING) && at < size && !keep(conn, data + at, size - at))
        close_conn(conn);
    settle_down(conn, has_answered);
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

/* Bytes that come while an answer is held back: requests to be answered after it, or, when it is the last, nothing. */
static void keep_behind_held(struct conn *conn, const char *data, size_t size)
{
    if (conn->state == ENDING)
        conn->lingered += (uint32_t)size;
    else if (!keep(conn, data, size))
        close_conn(conn);
    update_reading(conn);
}

/* A head that lacked its end cannot be complete before another line feed has come; not looking at it until then keeps
 * the work linear for a client that sends byte by byte. */
static void on_bytes(struct conn *conn, char *data, size_t size)
{
    if (conn->held || (conn->state == PROXYING && !is_ready(conn))) {
        keep_behind_held(conn, data, size);
        return;
    }
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
    if (conn->state == PROXYING) {
        give_up_proxy(conn, status);
        settle_down(conn, true);
        return;
    }
    request_give_up(conn->worker, status);
    forget_kept(conn);
    request_fini(&conn->request);
    conn->state = ENDING;
    settle_down(conn, true);
}

/* The client's side is at its end. Whoever waits for an answer that is held back is taken to have left. */
static void on_end(struct conn *conn, bool is_orderly)
{
    bool is_cut_off = conn->state == READING_BODY || (conn->state == READING_HEAD && conn->kept_size > 0) ||
                      has_body_to_come(conn);

    conn->has_ended = true;
    if (is_orderly && is_cut_off && !conn->held)
        give_up(conn, 400);
    else
        close_conn(conn);
}

/* DATA is the worker's buffer, which has room again once its bytes are fed. */
static void read_tls(struct conn *conn, char *data, size_t fed)
{
    enum tls_result result = tls_feed(conn->tls, data, fed);
    size_t size;

    if (!flush_tls(conn) || result == TLS_BROKEN) {
        counters_add(conn->worker->slot, COUNTER_tls_failures, 1);
        close_conn(conn);
        return;
    }
    while (result == TLS_GOOD && conn->tls && tls_is_open(conn->tls) && conn->state < LINGERING) {
        result = tls_read(conn->tls, data, WORKER_READ_SIZE, &size);
        if (result == TLS_GOOD && size == 0)
            return;
        if (result == TLS_GOOD)
            on_bytes(conn, data, size);
    }
    if (result != TLS_GOOD)
        on_end(conn, result == TLS_ENDED);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct conn *conn = stream->data;

    if (count == 0)
        return;
    if (count < 0) {
        on_end(conn, count == UV_EOF);
    } else if (conn->state == LINGERING) {
        conn->lingered += (uint32_t)count;
        if (conn->lingered > LINGER_MAX_BYTES)
            close_conn(conn);
    } else if (conn->tls) {
        read_tls(conn, buffer->base, (size_t)count);
    } else {
        on_bytes(conn, buffer->base, (size_t)count);
    }
}

/* ---- ending ----------------------------------------------------------------------------------------------------- */

/* The last answer is sent. A client that asked for the close itself expects nothing more: no need to linger. */
static void finish(struct conn *conn)
{
    bool was_wished = conn->request.http.is_complete && !conn->request.http.keeps_alive;
    uv_os_fd_t fd;

    if (conn->tls && tls_is_open(conn->tls)) {
        tls_end(conn->tls);
        flush_tls(conn);
    }
    if (conn->has_ended || was_wished || uv_fileno(&conn->handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        close_conn(conn);
        return;
    }
    conn->state = LINGERING;
    conn->lingered = 0;
    timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_LINGER);
    set_reading(conn, true);
}

/* Puts the held answer, whose time is over, into the outbox. */
static void release(struct conn *conn)
{
    outbox_add(&conn->worker->out, hold_answer(conn->held));
    hold_free(conn->held);
    conn->held = NULL;
}

/* The client took what was queued, or the time of a held answer is over. */
static void resume(struct conn *conn)
{
    if (conn->held && hold_is_over(conn->held))
        release(conn);
    if (conn->state == PROXYING)
        proxy_on_client_drained(conn->proxy);
    if (conn->state != CLOSED && conn->state != ENDING && conn->kept_size > 0 && is_ready(conn))
        consume_kept(conn);
    else
        settle_down(conn, true);
}

/* A client that takes an answer slowly may go on, as long as it takes something: also of what the kernel has, which may
 * be megabytes. */
static bool is_progressing(struct conn *conn)
{
    uint32_t left = (uint32_t)uv_stream_get_write_queue_size(&conn->stream), before = conn->lingered;
    uv_os_fd_t fd;
    int unsent;

    if (conn->held)
        return false;
    if (uv_fileno(&conn->handle, &fd) == 0 && ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent > 0)
        left += (uint32_t)unsent;
    conn->lingered = left;
    return left != before;
}

void conn_on_timeout(struct timeout *timeout)
{
    struct conn *conn = (struct conn *)((char *)timeout - offsetof(struct conn, timeout));

    if (timeout->kind == TIMEOUT_WRITE && is_progressing(conn))
        timeouts_start(&conn->worker->timeouts, timeout, TIMEOUT_WRITE);
    else if (timeout->kind == TIMEOUT_BODY || (timeout->kind == TIMEOUT_HEAD && conn->kept_size > 0))
        give_up(conn, 408);
    else
        close_conn(conn);
}

void conn_abort(struct timeout *timeout)
{
    close_conn((struct conn *)((char *)timeout - offsetof(struct conn, timeout)));
}

/* ---- proxying --------------------------------------------------------------------------------------------------- */

bool conn_send(struct conn *conn, const struct slice *pieces, size_t count)
{
    return write_now(conn, pieces, count);
}

bool conn_is_full(const struct conn *conn)
{
    return conn->is_writing;
}

void conn_want_body(struct conn *conn)
{
    if (conn->is_consuming || conn->state != PROXYING)
        return;
    if (conn->kept_size > 0 && is_ready(conn)) {
        consume_kept(conn);
        return;
    }
    proxy_flush(conn->proxy);
    if (conn->state == PROXYING)
        settle_down(conn, false);
}

/* Inside of consume, its loop goes on; otherwise what has come meanwhile is next. */
static void go_on(struct conn *conn)
{
    if (conn->is_consuming)
        return;
    if (conn->state == READING_HEAD && conn->kept_size > 0 && !conn->is_writing) {
        flush(conn);
        if (conn->state == READING_HEAD && !conn->is_writing) {
            consume_kept(conn);
            return;
        }
    }
    settle_down(conn, true);
}

void conn_proxy_over(struct conn *conn, bool keeps_alive)
{
    conn->proxy = NULL;
    conn->lingered = 0;
    conn->state = keeps_alive ? READING_HEAD : ENDING;
    if (!keeps_alive)
        forget_kept(conn);
    go_on(conn);
}

void conn_proxy_cut(struct conn *conn, bool is_unframed)
{
    conn->proxy = NULL;
    if (is_unframed && !conn->origin.peer.is_unix) {
        reset(conn);
        return;
    }
    conn->lingered = 0;
    conn->state = ENDING;
    conn->request.http.is_complete = false;
    forget_kept(conn);
    go_on(conn);
}

void conn_proxy_gone(struct conn *conn)
{
    conn->proxy = NULL;
    close_conn(conn);
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
    settle_down(conn, true);
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
    request_init(&conn->request);
    worker_count_connection(worker, 1);
    if (open_handle(conn, fd) != 0) {
        close(fd);
        close_conn(conn);
        return;
    }
    if (worker->client_tls && !is_unix && !is_ops) {
        conn->tls = tls_new(worker->client_tls, NULL);
        if (!conn->tls) {
            close_conn(conn);
            return;
        }
        conn->origin.is_secure = true;
    }
    if (is_refused) {
        refuse(conn);
        return;
    }
    timeouts_start(&worker->timeouts, &conn->timeout, TIMEOUT_HEAD);
    set_reading(conn, true);
}
