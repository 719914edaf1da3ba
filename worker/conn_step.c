/* SPDX-License-Identifier: MPL-2.0
 *
 * From bytes to answers: goes through what was read request by request (request.c parses, judges and words), gives the
 * body of a proxied one to the proxy, and sends all answers to one read with one write. An answer that is throttled is
 * held back (hold.c); requests behind it wait, kept in their order.
 */
#include <stdlib.h>

#include "worker/conn_batch.h"
#include "worker/conn_private.h"

#define FLUSH_SIZE 32768 /* answers to pipelined requests are sent when they are this many bytes */

/* ---- answers that are held back ---------------------------------------------------------------------------------- */

static void on_hold_over(void *context)
{
    struct conn *conn = context;

    if (!conn->unsent)
        conn_step_resume(conn);
}

/* Takes the answer behind the first ANSWERED bytes out of the outbox, for later. */
static void hold_back(struct conn *conn, size_t answered, uint64_t delay_ms)
{
    struct outbox *out = &conn->worker->out;
    struct slice answer = {out->data + answered, out->used - answered};

    if (out->is_short) /* nothing of it may be sent: conn_write_answers closes */
        return;
    conn->held = hold_new(&conn->worker->loop, answer, delay_ms, on_hold_over, conn);
    if (conn->held)
        out->used = answered;
    else
        out->is_short = true;
}

/* Puts the held answer, whose time is over, into the outbox. */
static void release(struct conn *conn)
{
    outbox_add(&conn->worker->out, hold_answer(conn->held));
    hold_free(conn->held);
    conn->held = NULL;
}

/* ---- proxied requests -------------------------------------------------------------------------------------------- */

/* The answers before it go out first: the outbox is the proxy's then, and what waits in the batch would close the connection,
 * and free the proxy, within a sending of the proxy's own. */
static void start_proxy(struct conn *conn, struct proxy *proxy)
{
    conn->proxy = proxy;
    conn->state = PROXYING;
    if (conn->is_batched)
        conn_batch_send(conn->worker->batch);
    conn_write_answers(conn);
    if (conn->state == PROXYING)
        proxy_start(proxy, conn);
}

/* Ends a proxied request by telling its FAULT, or, when an answer was begun, with the connection. */
static void give_up_proxy(struct conn *conn, enum request_fault fault)
{
    bool was_answered = proxy_has_answered(conn->proxy);

    conn_leave_proxy(conn, PROXY_CLIENT_SLOW);
    if (was_answered) {
        conn_close(conn);
        return;
    }
    request_give_up(conn->worker, fault);
    conn_forget_kept(conn);
    conn->state = ENDING;
}

/* Gives DATA to the proxy, as far as it is the request's body. Returns how many bytes that were. */
static size_t step_proxy(struct conn *conn, char *data, size_t size)
{
    struct http *http = &conn->request.http;
    struct slice piece = {data, size};
    size_t used = size;

    if (proxy_tunnel_is_open(conn->proxy)) {
        proxy_tunnel_send(conn->proxy, piece);
        return used;
    }
    switch (http_piece(http, data, size, conn->worker->handoff.settings.max_body_bytes, &piece, &used)) {
    case HTTP_MORE:
    case HTTP_DONE:
        conn->counted += (uint32_t)used;
        proxy_request_body(conn->proxy, piece, http->is_complete);
        return used;
    case HTTP_TOO_LARGE:
        give_up_proxy(conn, REQUEST_TOO_LARGE);
        return size;
    case HTTP_BAD:
        break;
    }
    give_up_proxy(conn, REQUEST_UNFRAMED);
    return size;
}

/* ---- step by step ------------------------------------------------------------------------------------------------ */

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
        if (conn->state == READING_HEAD && !conn_keep(conn, data.data, outcome.head_size))
            conn_close(conn);
        else
            conn->state = READING_BODY;
        return outcome.used;
    case REQUEST_PROXIED:
        conn_forget_kept(conn);
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
    conn_forget_kept(conn);
    return outcome.used;
}

/* Says what the connection waits for now. HAS_ANSWERED: the wait began just now, whatever it was before. */
static void wait_on(struct conn *conn, bool has_answered)
{
    enum timeout_kind kind = TIMEOUT_IDLE;

    if (conn->held || (conn->state == PROXYING &&
                       !(conn_read_has_body_to_come(conn) && proxy_request_wants_body(conn->proxy))))
        kind = TIMEOUT_HELD;
    else if (conn->state == READING_BODY || conn->state == PROXYING)
        kind = TIMEOUT_BODY;
    else if (conn->kept_size > 0)
        kind = TIMEOUT_HEAD;
    if (conn->timeout.kind == TIMEOUT_WRITE)
        conn->counted = 0; /* counts bytes behind a held answer from now on */
    if (has_answered || conn->timeout.kind != kind)
        timeouts_start(&conn->worker->timeouts, &conn->timeout, kind);
}

void conn_step_rest(struct conn *conn, bool has_answered)
{
    conn_write_answers(conn);
    if (conn->state == CLOSED)
        return;
    if (!conn->unsent && !conn->held && conn->state == ENDING) {
        conn_finish(conn);
        return;
    }
    if (!conn->unsent)
        wait_on(conn, has_answered);
    conn_read_update(conn);
}

void conn_step_through(struct conn *conn, char *data, size_t size)
{
    bool has_answered = false, is_starved = false;
    size_t at = 0;

    conn->is_consuming = true;
    while (at < size && conn_read_is_ready(conn) && !is_starved) {
        if (conn->state == PROXYING) {
            at += step_proxy(conn, data + at, size - at);
        } else {
            at += step(conn, (struct slice){data + at, size - at}, &is_starved);
            has_answered |= !is_starved;
        }
        if (conn->worker->out.used >= FLUSH_SIZE)
            conn_write_answers(conn);
    }
    if (conn->state == PROXYING)
        proxy_request_flush(conn->proxy);
    if (at == size)
        conn_read_end_tunnel(conn);
    conn->is_consuming = false;
    if ((conn->state == READING_HEAD || conn->state == PROXYING) && at < size && !conn_keep(conn, data + at, size - at))
        conn_close(conn);
    conn_step_rest(conn, has_answered);
}

void conn_step_through_kept(struct conn *conn)
{
    char *data = conn->kept;
    size_t size = conn->kept_size;

    conn->kept = NULL;
    conn->kept_size = conn->kept_room = 0;
    conn_step_through(conn, data, size);
    free(data);
}

void conn_step_resume(struct conn *conn)
{
    if (conn->held && hold_is_over(conn->held))
        release(conn);
    if (conn->state == PROXYING)
        proxy_on_client_drained(conn->proxy);
    if (conn->state != CLOSED && conn->state != ENDING && conn->kept_size > 0 && conn_read_is_ready(conn))
        conn_step_through_kept(conn);
    else
        conn_step_rest(conn, true);
}

void conn_step_give_up(struct conn *conn, enum request_fault fault)
{
    if (conn->state == PROXYING) {
        give_up_proxy(conn, fault);
        conn_step_rest(conn, true);
        return;
    }
    request_give_up(conn->worker, fault);
    conn_forget_kept(conn);
    request_fini(&conn->request);
    conn->state = ENDING;
    conn_step_rest(conn, true);
}
