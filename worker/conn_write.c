/* SPDX-License-Identifier: MPL-2.0
 *
 * Answers out: as far as the socket takes them; the rest is copied and taken later, while nothing is read from the
 * client. Takes pieces or the worker's outbox, wraps them into TLS where the client speaks it.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "worker/conn_batch.h"
#include "worker/conn_private.h"

uint32_t conn_write_left(struct conn *conn)
{
    uint32_t left = (uint32_t)unsent_size(conn->unsent);
    int in_kernel;

    if (conn->state != CLOSED && ioctl(conn->fd, SIOCOUTQ, &in_kernel) == 0 && in_kernel > 0)
        left += (uint32_t)in_kernel;
    return left;
}

/* Copies the pieces but for their first TAKEN bytes, which the socket took, of TOTAL, behind what is unsent already. */
static bool keep_unsent(struct conn *conn, const uv_buf_t *pieces, size_t count, size_t taken, size_t total)
{
    if (!unsent_keep(&conn->unsent, pieces, count, taken, total))
        return false;
    conn->counted = conn_write_left(conn);
    timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_WRITE);
    conn_read_watch(conn);
    return conn->state != CLOSED;
}

/* What the socket does not take at once has to be taken before anything more is read. */
static bool write_raw(struct conn *conn, const uv_buf_t *pieces, size_t count, size_t total)
{
    int taken = conn->unsent ? 0 : pieces_offer(conn->fd, pieces, count);

    return taken >= 0 && ((size_t)taken == total || keep_unsent(conn, pieces, count, (size_t)taken, total));
}

static bool end_sending(const struct conn *conn)
{
    return shutdown(conn->fd, SHUT_WR) == 0;
}

void conn_write_more(struct conn *conn)
{
    if (!unsent_offer(&conn->unsent, conn->fd)) {
        conn_close(conn);
        return;
    }
    if (conn->unsent)
        return;
    conn_read_watch(conn);
    if (conn->ends_sent && !end_sending(conn))
        conn_close(conn);
    if (conn->state != CLOSED)
        conn_step_resume(conn);
}

static bool write_wrapped(void *to, char *data, size_t size)
{
    uv_buf_t buffer = uv_buf_init(data, (unsigned)size);

    return write_raw(to, &buffer, 1, size);
}

bool conn_write_tls(struct conn *conn)
{
    return tls_flush(conn->tls, write_wrapped, conn);
}

/* A client that has not shaken hands yet cannot be told anything. */
bool conn_write_pieces(struct conn *conn, const struct slice *pieces, size_t count)
{
    uv_buf_t buffers[PIECES_MOST];
    size_t total, used;

    if (conn->is_batched)
        conn_batch_send(conn->worker->batch);
    if (conn->state == CLOSED)
        return false;
    if (conn->tls)
        return tls_is_open(conn->tls) && tls_write(conn->tls, pieces, count) && conn_write_tls(conn);
    used = pieces_gather(pieces, count, buffers, &total);
    return total == 0 || write_raw(conn, buffers, used, total);
}

/* Whether answers may leave when the loop ends its turn: nothing is to follow them before. */
static bool can_wait(const struct conn *conn)
{
    return conn->state == READING_HEAD && !conn->tls && !conn->unsent && !conn->is_batched;
}

void conn_write_answers(struct conn *conn)
{
    struct outbox *out = &conn->worker->out;
    const struct slice answers = {out->data, out->used};
    bool is_broken = out->is_short || conn->state == CLOSED;

    if (!is_broken && out->used > 0 && !(can_wait(conn) && conn_batch_add(conn->worker->batch, conn, answers)))
        is_broken = !conn_write_pieces(conn, &answers, 1);
    outbox_clear(out);
    if (is_broken)
        conn_close(conn);
}

bool conn_write_end(struct conn *conn)
{
    if (conn->tls)
        tls_end(conn->tls);
    if (conn->tls && !conn_write_tls(conn))
        return false;
    conn->ends_sent = true;
    return conn->unsent || end_sending(conn);
}
