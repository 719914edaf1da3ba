/* SPDX-License-Identifier: MPL-2.0
 *
 * What the proxy may ask of its client's connection: to take a piece of the response, to bring more of the request, to
 * go on, to be cut. See conn_proxy.h.
 */
#include "worker/conn_private.h"

bool conn_proxy_send(struct conn *conn, const struct slice *pieces, size_t count)
{
    return conn_write_pieces(conn, pieces, count);
}

bool conn_proxy_end_sending(struct conn *conn)
{
    return conn_write_end(conn);
}

bool conn_proxy_is_full(const struct conn *conn)
{
    return conn->unsent != NULL;
}

void conn_proxy_want_body(struct conn *conn)
{
    if (conn->is_consuming || conn->state != PROXYING)
        return;
    if (conn->kept_size > 0 && conn_read_is_ready(conn)) {
        conn_step_through_kept(conn);
        return;
    }
    proxy_request_flush(conn->proxy);
    if (conn->state == PROXYING)
        conn_step_rest(conn, false);
}

/* Inside of conn_step_through, its loop goes on; otherwise what has come meanwhile is next. */
static void go_on(struct conn *conn)
{
    if (conn->is_consuming)
        return;
    if (conn->state == READING_HEAD && conn->kept_size > 0 && !conn->unsent) {
        conn_write_answers(conn);
        if (conn->state == READING_HEAD && !conn->unsent) {
            conn_step_through_kept(conn);
            return;
        }
    }
    conn_step_rest(conn, true);
}

void conn_proxy_over(struct conn *conn, bool keeps_alive)
{
    conn->proxy = NULL;
    conn->counted = 0;
    conn->state = keeps_alive ? READING_HEAD : ENDING;
    if (!keeps_alive)
        conn_forget_kept(conn);
    go_on(conn);
}

void conn_proxy_cut(struct conn *conn, bool is_unframed)
{
    conn->proxy = NULL;
    if (is_unframed && !conn->origin.peer.is_unix) {
        conn_reset(conn);
        return;
    }
    conn->counted = 0;
    conn->state = ENDING;
    conn->request.http.is_complete = false;
    conn_forget_kept(conn);
    go_on(conn);
}

void conn_proxy_gone(struct conn *conn)
{
    conn->proxy = NULL;
    conn_close(conn);
}
