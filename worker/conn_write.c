/* SPDX-License-Identifier: MPL-2.0
 *
 * Answers out: at once as far as the socket takes them; the rest is copied and taken later, while nothing is read from
 * the client. Takes pieces or the worker's outbox, wraps them into TLS where the client speaks it.
 */
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "worker/conn_private.h"
#include "worker/pieces.h"

/* An answer that the socket did not take at once. */
struct rest {
    uv_write_t write;
    char data[];
};

uint32_t conn_write_left(struct conn *conn)
{
    uint32_t left = (uint32_t)uv_stream_get_write_queue_size(&conn->stream);
    uv_os_fd_t fd;
    int unsent;

    if (uv_fileno(&conn->handle, &fd) == 0 && ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent > 0)
        left += (uint32_t)unsent;
    return left;
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = write->handle->data;

    free(write->data);
    conn->is_writing = uv_stream_get_write_queue_size(&conn->stream) > 0;
    if (conn->state == CLOSED)
        return;
    if (status < 0)
        conn_close(conn);
    else if (!conn->is_writing)
        conn_step_resume(conn);
}

/* Copies the pieces but for their first TAKEN bytes, which the socket took, of TOTAL. */
static bool write_rest(struct conn *conn, const uv_buf_t *pieces, size_t count, size_t taken, size_t total)
{
    struct rest *rest = malloc(sizeof(*rest) + total - taken);
    uv_buf_t buffer;

    if (!rest)
        return false;
    rest->write.data = rest;
    buffer = uv_buf_init(rest->data, (unsigned)pieces_copy_rest(pieces, count, taken, rest->data));
    if (uv_write(&rest->write, &conn->stream, &buffer, 1, on_written) != 0) {
        free(rest);
        return false;
    }
    conn->is_writing = true;
    conn->lingered = conn_write_left(conn);
    timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_WRITE);
    return true;
}

/* What the socket does not take at once has to be taken before anything more is read. */
static bool write_raw(struct conn *conn, const uv_buf_t *pieces, size_t count, size_t total)
{
    int taken = pieces_offer(&conn->stream, pieces, count);

    return taken >= 0 && ((size_t)taken == total || write_rest(conn, pieces, count, (size_t)taken, total));
}

bool conn_write_tls(struct conn *conn)
{
    struct slice pending = tls_pending(conn->tls);
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)pending.data, (unsigned)pending.size);
    bool is_sent = pending.size == 0 || write_raw(conn, &buffer, 1, pending.size);

    tls_sent(conn->tls);
    return is_sent;
}

/* A client that has not shaken hands yet cannot be told anything. */
bool conn_write_pieces(struct conn *conn, const struct slice *pieces, size_t count)
{
    uv_buf_t buffers[PIECES_MOST];
    size_t total, used;

    if (conn->tls)
        return tls_is_open(conn->tls) && tls_write(conn->tls, pieces, count) && conn_write_tls(conn);
    used = pieces_gather(pieces, count, buffers, &total);
    return total == 0 || write_raw(conn, buffers, used, total);
}

/* Sends and empties the worker's outbox. The connection may be writing afterwards, or closed if that cannot be done. */
void conn_write_answers(struct conn *conn)
{
    struct outbox *out = &conn->worker->out;
    const struct slice answers = {out->data, out->used};
    bool is_broken = out->is_short || conn->state == CLOSED;

    if (!is_broken && out->used > 0)
        is_broken = !conn_write_pieces(conn, &answers, 1);
    outbox_clear(out);
    if (is_broken)
        conn_close(conn);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    (void)status; /* a connection that broke is found out by reading or waiting */
    free(request);
}

bool conn_write_end(struct conn *conn)
{
    uv_shutdown_t *request = malloc(sizeof(*request));

    if (conn->tls)
        tls_end(conn->tls);
    if (request && (!conn->tls || conn_write_tls(conn)) && uv_shutdown(request, &conn->stream, on_shut) == 0)
        return true;
    free(request);
    return false;
}
