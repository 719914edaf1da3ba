/* SPDX-License-Identifier: MPL-2.0
 *
 * Bytes in: when the client is read from, and where its bytes go. All reads go to the worker's one buffer. Behind an
 * answer that is held back, or a proxied one, bytes are kept as far as there is room, so that a client that leaves is
 * noticed.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "worker/conn_batch.h"
#include "worker/conn_private.h"
#include "worker/reply.h"

#define LINGER_MAX_BYTES (UINT32_C(4) << 20) /* discarded at most while lingering */
#define HELD_MAX_BYTES   UINT32_C(65536)     /* behind a held answer nothing more is read when so many bytes wait */

/* ---- whether to read --------------------------------------------------------------------------------------------- */

static void on_ready(uv_poll_t *poll, int status, int events);

void conn_read_watch(struct conn *conn)
{
    int events = (conn->is_reading ? UV_READABLE : 0) | (conn->unsent ? UV_WRITABLE : 0);

    if (conn->state == CLOSED || events == conn->watched)
        return;
    conn->watched = (uint8_t)events;
    if (uv_poll_start(&conn->poll, events, on_ready) != 0)
        conn_close(conn);
}

void conn_read_set(struct conn *conn, bool is_wanted)
{
    conn->is_reading = is_wanted;
    conn_read_watch(conn);
}

bool conn_read_has_body_to_come(const struct conn *conn)
{
    return conn->state == PROXYING && !conn->request.http.is_complete && !proxy_tunnel_is_open(conn->proxy);
}

bool conn_read_is_ready(const struct conn *conn)
{
    if (conn->state == PROXYING)
        return (conn_read_has_body_to_come(conn) || proxy_tunnel_is_open(conn->proxy)) &&
               proxy_request_wants_body(conn->proxy);
    return conn->state <= READING_BODY && !conn->unsent && !conn->held;
}

/* Nothing is read from a client that has to take an answer first, that has sent enough behind a held or proxied one, or
 * whose body the upstream does not take. */
void conn_read_update(struct conn *conn)
{
    bool is_behind = conn->held || (conn->state == PROXYING && !conn_read_is_ready(conn));
    size_t most = conn_read_has_body_to_come(conn) ? 1 : HELD_MAX_BYTES;

    if (conn->state == CLOSED)
        return;
    if (conn->has_ended)
        conn_read_set(conn, false);
    else if (conn->state == PROXYING)
        conn_read_set(conn, !is_behind || conn->kept_size < most);
    else
        conn_read_set(conn, !conn->unsent && !(is_behind && conn->kept_size + conn->counted >= most));
}

/* ---- what was read ----------------------------------------------------------------------------------------------- */

/* Bytes that come while an answer is held back: requests to be answered after it, or, when it is the last, nothing. */
static void keep_behind_held(struct conn *conn, const char *data, size_t size)
{
    if (conn->state == ENDING)
        conn->counted += (uint32_t)size;
    else if (!conn_keep(conn, data, size))
        conn_close(conn);
    conn_read_update(conn);
}

/* A head that lacked its end cannot be complete before another line feed has come; not looking at it until then keeps
 * the work linear for a client that sends byte by byte. */
static void on_bytes(struct conn *conn, char *data, size_t size)
{
    if (conn->held || (conn->state == PROXYING && !conn_read_is_ready(conn))) {
        keep_behind_held(conn, data, size);
        return;
    }
    if (conn->state != READING_HEAD || conn->kept_size == 0) {
        conn_step_through(conn, data, size);
        return;
    }
    if (!conn_keep(conn, data, size)) {
        conn_close(conn);
        return;
    }
    if (memchr(data, '\n', size) || conn->kept_size >= conn->worker->head_limits.bytes)
        conn_step_through_kept(conn);
}

void conn_read_end_tunnel(struct conn *conn)
{
    if (conn->has_ended && conn->kept_size == 0 && conn->state == PROXYING && proxy_tunnel_is_open(conn->proxy))
        proxy_tunnel_end(conn->proxy);
}

/* The client's side is at its end, which is orderly when nobody else can have made it. Whoever waits for an answer that
 * is held back is taken to have left. */
static void on_end(struct conn *conn, bool is_orderly)
{
    bool is_cut_off = conn->state == READING_BODY || (conn->state == READING_HEAD && conn->kept_size > 0) ||
                      conn_read_has_body_to_come(conn);

    conn->has_ended = true;
    if (is_orderly && conn->state == PROXYING && proxy_tunnel_is_open(conn->proxy)) {
        conn_read_update(conn);
        conn_read_end_tunnel(conn);
    } else if (is_orderly && is_cut_off && !conn->held) {
        conn_step_give_up(conn, REQUEST_CUT_OFF);
    } else {
        conn_close(conn);
    }
}

/* In plain words, as the client speaks, and nothing of what it asks is looked at. */
static void refuse_plain_http(struct conn *conn)
{
    counters_add(conn->worker->slot, COUNTER_tls_failures, 1);
    counters_add(conn->worker->slot, COUNTER_http_400, 1);
    tls_free(conn->tls);
    conn->tls = NULL;
    outbox_add(&conn->worker->out, reply_plain_http());
    conn->state = ENDING;
    conn_step_rest(conn, true);
}

/* DATA is the worker's buffer, which has room again once its bytes are fed. */
static void read_tls(struct conn *conn, char *data, size_t fed)
{
    enum tls_result result;
    size_t size;

    if (tls_is_plain_http(conn->tls, data, fed)) {
        refuse_plain_http(conn);
        return;
    }
    result = tls_feed(conn->tls, data, fed);
    if (!conn_write_tls(conn) || result == TLS_BROKEN) {
        counters_add(conn->worker->slot, COUNTER_tls_failures, 1);
        conn_close(conn);
        return;
    }
    while (result == TLS_GOOD && conn->tls && tls_is_open(conn->tls) && conn->state < LINGERING) {
        result = tls_read(conn->tls, data, conn->worker->read_size, &size);
        if (result == TLS_GOOD && size == 0)
            return;
        if (result == TLS_GOOD)
            on_bytes(conn, data, size);
    }
    if (result != TLS_GOOD)
        on_end(conn, result == TLS_ENDED);
}

static void read_some(struct conn *conn)
{
    char *data = conn->worker->read_buffer;
    ssize_t count;

    do {
        count = recv(conn->fd, data, conn->worker->read_size, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        on_end(conn, count == 0 && !conn->tls);
    } else if (conn->state == LINGERING) {
        conn->counted += (uint32_t)count;
        if (conn->counted > LINGER_MAX_BYTES)
            conn_close(conn);
    } else if (conn->tls) {
        read_tls(conn, data, (size_t)count);
    } else {
        on_bytes(conn, data, (size_t)count);
    }
}

/* An answer of the same turn goes out first, whatever it is that happens. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;

    if (conn->is_batched)
        conn_batch_send(conn->worker->batch);
    if (status < 0) {
        conn_close(conn);
        return;
    }
    if ((events & UV_WRITABLE) != 0 && conn->unsent)
        conn_write_more(conn);
    if ((events & UV_READABLE) != 0 && conn->is_reading && conn->state != CLOSED)
        read_some(conn);
}
