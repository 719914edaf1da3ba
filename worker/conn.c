/* SPDX-License-Identifier: MPL-2.0
 *
 * The life of a connection:
 *
 *   READING_HEAD <-> READING_BODY -> ENDING (the last answer is on its way) -> LINGERING -> CLOSED
 *        ^ \--> PROXYING --^
 *
 * Lingering: our side is shut down and what still comes is discarded for a while, so that no reset overtakes the
 * answer. Accepting is listener.c's; bytes, requests and answers are conn_read.c's, conn_step.c's and conn_write.c's.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/conn_private.h"
#include "worker/reply.h"

#define KEEP_STEP 1024

_Static_assert(sizeof(struct conn) <= 500, "an idle connection is to cost 500 bytes at most");

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void conn_leave_proxy(struct conn *conn, enum proxy_leave why)
{
    struct proxy *proxy = conn->proxy;

    conn->proxy = NULL;
    if (proxy)
        proxy_leave(proxy, conn->worker->is_leaving ? PROXY_WORKER_LEAVES : why);
}

void conn_close(struct conn *conn)
{
    if (conn->state == CLOSED)
        return;
    conn_leave_proxy(conn, PROXY_CLIENT_LEFT);
    conn->state = CLOSED;
    timeouts_stop(&conn->timeout);
    conn_forget_kept(conn);
    request_fini(&conn->request);
    hold_free(conn->held);
    conn->held = NULL;
    tls_free(conn->tls);
    conn->tls = NULL;
    unsent_free(conn->unsent);
    conn->unsent = NULL;
    uv_close(&conn->handle, on_closed);
    close(conn->fd);
    worker_count_connection(conn->worker, -1);
}

void conn_reset(struct conn *conn)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (conn->state != CLOSED)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    conn_close(conn);
}

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

bool conn_keep(struct conn *conn, const char *data, size_t size)
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

void conn_forget_kept(struct conn *conn)
{
    free(conn->kept);
    conn->kept = NULL;
    conn->kept_size = conn->kept_room = 0;
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

/* A client that asked for the close itself expects nothing more: no need to linger. */
void conn_finish(struct conn *conn)
{
    bool was_wished = conn->request.http.is_complete && !conn->request.http.keeps_alive;

    if (conn->tls && tls_is_open(conn->tls)) {
        tls_end(conn->tls);
        conn_write_tls(conn);
    }
    if (conn->has_ended || was_wished || shutdown(conn->fd, SHUT_WR) != 0) {
        conn_close(conn);
        return;
    }
    conn->state = LINGERING;
    conn->counted = 0;
    timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_LINGER);
    conn_read_set(conn, true);
}

/* ---- timeouts ---------------------------------------------------------------------------------------------------- */

static void give_up(struct conn *conn, enum counter counter)
{
    counters_add(conn->worker->slot, counter, 1);
    if (counter == COUNTER_slow_answer)
        conn_reset(conn);
    else
        conn_step_give_up(conn, REQUEST_TOO_SLOW);
}

/* A client that takes an answer slowly may go on, as long as it is at min_rate. Any other is reset: after an orderly close the kernel
 * would keep what is left for minutes, and offer it again and again. */
static void on_answer_timeout(struct conn *conn)
{
    uint32_t left = conn->held ? 0 : conn_write_left(conn), before = conn->counted;
    bool is_first_look = conn->timeout.kind == TIMEOUT_IDLE && left != before;

    conn->counted = left;
    if (left == 0)
        conn_close(conn);
    else if (is_first_look || (before > left && before - left >= conn->worker->least_bytes))
        timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_WRITE);
    else
        give_up(conn, COUNTER_slow_answer);
}

/* A body that is gathered has to be there by now; one that is passed on has to go on at min_rate. */
static void on_body_timeout(struct conn *conn)
{
    bool goes_on = conn->state == PROXYING && conn->counted >= conn->worker->least_bytes;

    conn->counted = 0;
    if (goes_on)
        timeouts_start(&conn->worker->timeouts, &conn->timeout, TIMEOUT_BODY);
    else
        give_up(conn, COUNTER_slow_body);
}

void conn_on_timeout(struct timeout *timeout)
{
    struct conn *conn = (struct conn *)((char *)timeout - offsetof(struct conn, timeout));

    if (timeout->kind == TIMEOUT_WRITE || timeout->kind == TIMEOUT_IDLE)
        on_answer_timeout(conn);
    else if (timeout->kind == TIMEOUT_BODY)
        on_body_timeout(conn);
    else if (timeout->kind == TIMEOUT_HEAD && conn->kept_size > 0)
        give_up(conn, COUNTER_slow_head);
    else
        conn_close(conn);
}

void conn_abort(struct timeout *timeout)
{
    conn_close((struct conn *)((char *)timeout - offsetof(struct conn, timeout)));
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void refuse(struct conn *conn)
{
    outbox_add(&conn->worker->out, reply_overloaded());
    counters_add(conn->worker->slot, COUNTER_http_503, 1);
    conn->state = ENDING;
    conn_step_rest(conn, true);
}

void conn_open(struct worker *worker, int fd, const struct sockaddr *peer, bool is_unix, bool is_ops, bool is_refused)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn || uv_poll_init_socket(&worker->loop, &conn->poll, fd) != 0) {
        free(conn);
        close(fd);
        counters_add(worker->slot, COUNTER_connections_refused, 1);
        return;
    }
    conn->handle.data = conn;
    conn->fd = fd;
    conn->worker = worker;
    conn->timeout.kind = TIMEOUT_NONE;
    conn->origin = (struct request_origin){.peer = {.is_unix = is_unix}, .is_ops = is_ops};
    if (!is_unix)
        address_from_sockaddr(peer, &conn->origin.peer.address);
    request_init(&conn->request);
    worker_count_connection(worker, 1);
    if (worker->client_tls && !is_unix && !is_ops) {
        conn->tls = tls_new(worker->client_tls, NULL);
        if (!conn->tls) {
            conn_close(conn);
            return;
        }
        conn->origin.is_secure = true;
    }
    if (is_refused) {
        refuse(conn);
        return;
    }
    timeouts_start(&worker->timeouts, &conn->timeout, TIMEOUT_HEAD);
    conn_read_set(conn, true);
}
