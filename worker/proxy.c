/* SPDX-License-Identifier: MPL-2.0
 *
 * Drives one exchange:
 *
 *   WAITING (a throttle's delay) -> ASKING (no final response yet) -> ANSWERING (its body) -> over
 *                                                                 \-> TUNNEL -> over
 *
 * The request's side runs beside it: its head goes out with the first piece of the body, or alone. Every end goes
 * through finish(), which is where the exchange ends once.
 */
#include "worker/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "shm/must.h"
#include "worker/conn.h"
#include "worker/exchange.h"
#include "worker/debug.h"
#include "worker/forward.h"
#include "worker/hold.h"
#include "worker/http.h"
#include "worker/reply.h"
#include "worker/upstream.h"
#include "worker/worker.h"

#define CHUNK_PREFIX_SIZE 20
#define READ_ON_MAX_BYTES (UINT64_C(64) << 20) /* after the client has left */
#define KEPT_STEP         1024

enum proxy_state { WAITING, ASKING, ANSWERING, TUNNEL };

struct proxy {
    struct worker *worker;
    struct conn *conn; /* NULL: it left, and the response is read on */
    struct upstream *upstream;
    struct exchange *exchange;
    struct hold *delay;
    uint64_t delay_ms;
    struct body body; /* gathered: until it is sent */
    struct http http; /* of the response's body */
    char *kept;       /* of an incomplete response head */
    size_t kept_size;
    uint64_t reads_on_ms;         /* when the client leaves */
    uint64_t left_ms, left_bytes; /* since it left */
    enum forward_framing to_upstream, to_client;
    uint32_t verdict_size, head_size;
    uint8_t state; /* enum proxy_state */
    uint8_t minor; /* of the client's HTTP */
    bool is_head_request, is_upgrade, keeps_alive;
    bool changes_body;
    bool has_sent_head, has_sent_all; /* to the upstream */
    bool has_answered;                /* to the client */
    bool reuses;                      /* the upstream's connection, when all is well */
    char text[];                      /* our fields for the client; the request's head */
};

static void on_bytes(void *context, char *data, size_t size);
static void on_drained(void *context);
static void on_end(void *context, enum upstream_end why);

static const struct upstream_user user = {on_bytes, on_drained, on_end};

static const struct {
    unsigned status;
    enum exchange_end how;
    const char *cause, *sentence;
    enum counter counter;
} ends[UPSTREAM_ENDS] = {
#define END(symbol, status, how, sentence) {status, EXCHANGE_##how, #symbol, sentence, COUNTER_upstream_##symbol},
#include "worker/upstream_ends.def"
#undef END
};

/* ---- the end ---------------------------------------------------------------------------------------------------- */

/* Ends the exchange and frees the proxy. The upstream must be given back or closed before. */
static void finish(struct proxy *proxy, enum exchange_end how)
{
    if (proxy->exchange)
        exchange_end(proxy->exchange, how);
    hold_free(proxy->delay);
    body_end(&proxy->body);
    free(proxy->kept);
    free(proxy);
}

/* How the exchange ended, when HOW is right for a request that was sent. */
static enum exchange_end end_of(const struct proxy *proxy, enum exchange_end how)
{
    return proxy->upstream && upstream_has_sent(proxy->upstream) ? how : EXCHANGE_UNSENT;
}

static void drop_upstream(struct proxy *proxy)
{
    if (proxy->upstream)
        upstream_close(proxy->upstream);
    proxy->upstream = NULL;
}

static void write_error(struct worker *worker, enum upstream_end why)
{
    struct outbox *body = &worker->body;

    outbox_clear(body);
    outbox_add(body, SLICE("{\"error\":{\"message\":\""));
    outbox_add(body, slice_of(ends[why].sentence));
    outbox_add(body, SLICE("\",\"type\":\"upstream_error\",\"code\":\""));
    outbox_add(body, slice_of(ends[why].cause));
    outbox_add(body, SLICE("\"}}\n"));
}

/* Writes the answer for a client that has not got any; returns whether its connection goes on. */
static bool answer_error(const struct proxy *proxy, enum upstream_end why)
{
    struct worker *worker = proxy->worker;
    struct reply reply = {.worker = worker,
                          .is_bodyless = proxy->is_head_request,
                          .is_old = proxy->minor == 0,
                          .keeps_alive = proxy->keeps_alive && proxy->has_sent_all && !worker->is_draining};

    write_error(worker, why);
    reply_refresh_date(worker);
    reply_begin(&reply, ends[why].status);
    outbox_add(&worker->out, (struct slice){proxy->text, proxy->verdict_size});
    if (ends[why].status == 503)
        outbox_add(&worker->out, SLICE("Retry-After: 1\r\n"));
    reply_end(&reply, ends[why].status, SLICE("application/json"),
              (struct slice){worker->body.data, worker->body.used});
    outbox_clear(&worker->body);
    return reply.keeps_alive;
}

static void fail(struct proxy *proxy, enum upstream_end why)
{
    struct conn *conn = proxy->conn;
    bool was_answered = proxy->has_answered, is_closed = proxy->to_client == FORWARD_CLOSED;
    enum exchange_end how = end_of(proxy, ends[why].how);
    bool keeps_alive = false;

    counters_add(proxy->worker->slot, ends[why].counter, 1);
    drop_upstream(proxy);
    outbox_clear(&proxy->worker->out);
    if (conn && !was_answered)
        keeps_alive = answer_error(proxy, why);
    finish(proxy, how);
    if (conn && was_answered)
        conn_proxy_cut(conn, is_closed);
    else if (conn)
        conn_proxy_over(conn, keeps_alive);
}

void proxy_leave(struct proxy *proxy, enum proxy_leave why)
{
    static const enum exchange_end hows[] = {[PROXY_CLIENT_LEFT] = EXCHANGE_CLIENT_LEFT,
                                             [PROXY_CLIENT_SLOW] = EXCHANGE_TIMED_OUT,
                                             [PROXY_WORKER_LEAVES] = EXCHANGE_DRAINED};
    enum exchange_end how;
    bool can_read_on = proxy->reads_on_ms > 0 && proxy->upstream && proxy->has_sent_all && proxy->state != TUNNEL;

    proxy->conn = NULL;
    if (why == PROXY_CLIENT_LEFT && can_read_on) {
        proxy->left_ms = uv_now(&proxy->worker->loop);
        upstream_set_reading(proxy->upstream, true);
        upstream_set_waiting(proxy->upstream, true);
        return;
    }
    how = end_of(proxy, hows[why]);
    drop_upstream(proxy);
    finish(proxy, how);
}

/* ---- to the client ---------------------------------------------------------------------------------------------- */

/* Reads of the upstream rest while the client has something to take. */
static void update_upstream(struct proxy *proxy)
{
    bool is_full = proxy->conn && conn_is_full(proxy->conn);
    bool is_upstreams_turn = proxy->has_sent_all || upstream_queued(proxy->upstream) > 0 || proxy->state == TUNNEL;

    upstream_set_reading(proxy->upstream, !is_full);
    upstream_set_waiting(proxy->upstream, !is_full && is_upstreams_turn);
}

static struct slice chunk_prefix(char text[CHUNK_PREFIX_SIZE], size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = CHUNK_PREFIX_SIZE;

    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = digits[size & 15];
        size >>= 4;
    } while (size > 0);
    return (struct slice){text + at, CHUNK_PREFIX_SIZE - at};
}

/* Sends what is in the outbox (a head), then PIECE, then the end of the body. false: the client is gone. */
static bool deliver(struct proxy *proxy, struct slice piece, bool is_last)
{
    struct outbox *out = &proxy->worker->out;
    char prefix[CHUNK_PREFIX_SIZE];
    struct slice pieces[4] = {{out->data, out->used}, {0}, piece, {0}};
    bool is_sent = true;

    if (proxy->to_client == FORWARD_CHUNKED && proxy->state == ANSWERING) {
        if (piece.size > 0)
            pieces[1] = chunk_prefix(prefix, piece.size);
        pieces[3] = !is_last ? (piece.size > 0 ? SLICE("\r\n") : (struct slice){0})
                             : (piece.size > 0 ? SLICE("\r\n0\r\n\r\n") : SLICE("0\r\n\r\n"));
    }
    if (proxy->conn)
        is_sent = !out->is_short && conn_send(proxy->conn, pieces, 4);
    outbox_clear(out);
    return is_sent;
}

/* The client's connection is of no use any more. */
static void lose_client(struct proxy *proxy)
{
    struct conn *conn = proxy->conn;

    conn_proxy_gone(conn);
    proxy_leave(proxy, PROXY_CLIENT_LEFT);
}

/* The response is complete. LEFT_OVER: the upstream has said more than that. */
static void complete(struct proxy *proxy, bool is_left_over)
{
    bool is_reusable = proxy->reuses && !is_left_over && proxy->has_sent_all && upstream_queued(proxy->upstream) == 0;
    bool keeps_alive = proxy->keeps_alive && proxy->has_sent_all && proxy->to_client != FORWARD_CLOSED;
    struct conn *conn = proxy->conn;

    if (is_reusable)
        upstream_give_back(proxy->upstream);
    else
        upstream_close(proxy->upstream);
    finish(proxy, EXCHANGE_COMPLETE);
    if (conn)
        conn_proxy_over(conn, keeps_alive);
}

/* ---- the response's body ---------------------------------------------------------------------------------------- */

/* Lets the exchange see PIECE, and changes it to what the client shall get. true: end here. */
static bool meter(struct proxy *proxy, struct slice *piece)
{
    struct outbox *out = &proxy->worker->body;
    enum exchange_pass pass;

    if (!proxy->exchange || piece->size == 0)
        return false;
    outbox_clear(out);
    pass = exchange_body(proxy->exchange, *piece, out);
    MUST(pass == EXCHANGE_SAME || proxy->changes_body);
    if (pass != EXCHANGE_SAME)
        *piece = (struct slice){out->data, out->used};
    return pass == EXCHANGE_CUT;
}

/* Adds to PIECE what the exchange kept back. */
static void meter_end(struct proxy *proxy, struct slice *piece)
{
    struct outbox *out = &proxy->worker->body;

    if (!proxy->exchange || !proxy->changes_body)
        return;
    if (piece->data != out->data) {
        outbox_clear(out);
        outbox_add(out, *piece);
    }
    exchange_finish(proxy->exchange, out);
    *piece = (struct slice){out->data, out->used};
}

/* Sends a piece of the body. false: it was the last, or there is nobody to send to any more, and PROXY is gone. */
static bool pass_on(struct proxy *proxy, struct slice piece, bool is_last, bool is_left_over)
{
    bool is_cut = meter(proxy, &piece);
    bool is_sent;

    if (is_last && !is_cut)
        meter_end(proxy, &piece);
    if (is_cut)
        proxy->reuses = false;
    is_sent = deliver(proxy, piece, is_last || is_cut);
    outbox_clear(&proxy->worker->body);
    if (!is_last && !is_cut) {
        if (!is_sent)
            lose_client(proxy);
        return is_sent;
    }
    if (!is_sent) {
        conn_proxy_gone(proxy->conn);
        proxy->conn = NULL;
    }
    complete(proxy, is_left_over);
    return false;
}

static bool is_too_much(struct proxy *proxy, size_t size)
{
    proxy->left_bytes += size;
    return proxy->left_bytes > READ_ON_MAX_BYTES ||
           uv_now(&proxy->worker->loop) - proxy->left_ms > proxy->reads_on_ms;
}

/* Takes bytes behind the response's head. */
static void take_body(struct proxy *proxy, char *data, size_t size)
{
    struct slice piece;
    size_t used = 0;
    enum http_result result = http_piece(&proxy->http, data, size, UINT64_MAX, &piece, &used);

    if (result == HTTP_BAD || result == HTTP_TOO_LARGE) {
        fail(proxy, UPSTREAM_END_invalid);
        return;
    }
    if (!proxy->conn && is_too_much(proxy, size)) {
        drop_upstream(proxy);
        finish(proxy, EXCHANGE_CLIENT_LEFT);
        return;
    }
    if (pass_on(proxy, piece, result == HTTP_DONE, used < size))
        update_upstream(proxy);
}

/* ---- the response's head ---------------------------------------------------------------------------------------- */

static void count_response(struct worker *worker, unsigned status)
{
    counters_add(worker->slot, worker->upstream_counters[status], 1);
    counters_add(worker->slot, worker->code_counters[status], 1);
}

/* What the client's side of the body looks like. */
static void choose_framing(struct proxy *proxy, const struct response *response, struct forward_response *forward)
{
    bool is_old = proxy->minor == 0;

    forward->framing = FORWARD_CHUNKED;
    forward->content_length = response->content_length;
    if (response->framing == RESPONSE_BODYLESS)
        forward->framing = response->has_content_length && response->status >= 200 && response->status != 204
                               ? FORWARD_COUNTED
                               : FORWARD_BODYLESS;
    else if (response->framing == RESPONSE_COUNTED && !proxy->changes_body)
        forward->framing = FORWARD_COUNTED;
    else if (is_old)
        forward->framing = FORWARD_CLOSED;
    proxy->to_client = forward->framing;
}

/* Writes an interim response through, unless nobody waits for it. false: PROXY is gone. */
static bool pass_interim(struct proxy *proxy, const struct response *response)
{
    struct forward_response forward = {.response = response, .framing = FORWARD_BODYLESS};

    if (response->status == 100 || proxy->minor == 0 || !proxy->conn)
        return true;
    forward_write_response(&forward, &proxy->worker->out);
    if (deliver(proxy, (struct slice){0}, false)) {
        update_upstream(proxy);
        return true;
    }
    lose_client(proxy);
    return false;
}

static void open_tunnel(struct proxy *proxy, const struct response *response, struct slice rest)
{
    struct forward_response forward = {.response = response,
                                       .verdict = {proxy->text, proxy->verdict_size},
                                       .framing = FORWARD_BODYLESS};

    if (!proxy->conn || !proxy->is_upgrade || !response->is_upgrade) {
        fail(proxy, UPSTREAM_END_invalid);
        return;
    }
    count_response(proxy->worker, response->status);
    proxy->state = TUNNEL;
    proxy->keeps_alive = false;
    proxy->has_answered = true;
    if (proxy->exchange) {
        struct exchange_wishes wishes = {.changes_body = false};

        exchange_head(proxy->exchange, response, &proxy->worker->body, &wishes);
        outbox_clear(&proxy->worker->body);
    }
    forward_write_response(&forward, &proxy->worker->out);
    if (deliver(proxy, rest, false))
        update_upstream(proxy);
    else
        lose_client(proxy);
}

/* Writes the final head into the outbox, to be sent with what is there of the body. */
static void begin_answer(struct proxy *proxy, const struct response *response)
{
    struct worker *worker = proxy->worker;
    struct forward_response forward = {.response = response,
                                       .exchange = proxy->exchange,
                                       .verdict = {proxy->text, proxy->verdict_size},
                                       .is_old = proxy->minor == 0};
    struct outbox fields = {0};

    count_response(worker, response->status);
    if (proxy->exchange) {
        struct exchange_wishes wishes = {.changes_body = false};

        outbox_add(&fields, forward.verdict);
        exchange_head(proxy->exchange, response, &fields, &wishes);
        proxy->changes_body = wishes.changes_body && response->framing != RESPONSE_BODYLESS;
        forward.verdict = (struct slice){fields.data, fields.used};
    }
    choose_framing(proxy, response, &forward);
    forward.keeps_alive = proxy->keeps_alive = proxy->keeps_alive && proxy->has_sent_all && !worker->is_draining &&
                                               forward.framing != FORWARD_CLOSED;
    proxy->state = ANSWERING;
    proxy->has_answered = true;
    proxy->reuses = response->keeps_alive;
    if (proxy->conn)
        forward_write_response(&forward, &worker->out);
    outbox_fini(&fields);
}

static void take_final(struct proxy *proxy, const struct response *response, char *data, size_t size)
{
    enum http_result result;

    if (response->status == 101) {
        open_tunnel(proxy, response, (struct slice){data + response->size, size - response->size});
        return;
    }
    result = http_begin_response(&proxy->http, response, data);
    if (result == HTTP_BAD) {
        fail(proxy, UPSTREAM_END_invalid);
        return;
    }
    begin_answer(proxy, response);
    if (result == HTTP_DONE) {
        pass_on(proxy, (struct slice){0}, true, size > response->size);
    } else if (size > response->size) {
        take_body(proxy, data + response->size, size - response->size);
    } else if (deliver(proxy, (struct slice){0}, false)) {
        update_upstream(proxy);
    } else {
        lose_client(proxy);
    }
}

/* Appends to what is there of the head. Nothing is kept for nothing: realloc to no bytes at all frees. */
static bool keep_head(struct proxy *proxy, const char *data, size_t size)
{
    char *grown = size > 0 ? realloc(proxy->kept, proxy->kept_size + size) : NULL;

    if (size == 0)
        return true;
    if (!grown)
        return false;
    memcpy(grown + proxy->kept_size, data, size);
    proxy->kept = grown;
    proxy->kept_size += size;
    return true;
}

/* Takes one head at the start of DATA. Returns its size when it was an interim one and PROXY goes on with what is
 * behind it; 0 otherwise. */
static size_t take_head(struct proxy *proxy, char *data, size_t size, bool *is_incomplete)
{
    struct response response;

    switch (response_parse((struct slice){data, size}, proxy->is_head_request, proxy->worker->response_room,
                           &response)) {
    case RESPONSE_INCOMPLETE:
        *is_incomplete = true;
        return 0;
    case RESPONSE_REFUSED:
        fail(proxy, UPSTREAM_END_invalid);
        return 0;
    case RESPONSE_COMPLETE:
        break;
    }
    if (response.status < 200 && response.status != 101)
        return pass_interim(proxy, &response) ? response.size : 0;
    take_final(proxy, &response, data, size);
    return 0;
}

static void take_heads(struct proxy *proxy, char *data, size_t size)
{
    size_t at = 0, taken;
    bool is_incomplete = false;

    do {
        taken = at < size ? take_head(proxy, data + at, size - at, &is_incomplete) : 0;
        at += taken;
    } while (taken > 0);
    if ((is_incomplete || at == size) && !keep_head(proxy, data + at, size - at))
        fail(proxy, UPSTREAM_END_memory);
}

static void on_bytes(void *context, char *data, size_t size)
{
    struct proxy *proxy = context;
    char *kept = proxy->kept;

    if (proxy->state == ANSWERING) {
        take_body(proxy, data, size);
    } else if (proxy->state == TUNNEL) {
        if (deliver(proxy, (struct slice){data, size}, false))
            update_upstream(proxy);
        else
            lose_client(proxy);
    } else if (!kept || proxy->kept_size == 0) {
        take_heads(proxy, data, size);
    } else if (!keep_head(proxy, data, size)) {
        fail(proxy, UPSTREAM_END_memory);
    } else {
        kept = proxy->kept;
        size = proxy->kept_size;
        proxy->kept = NULL;
        proxy->kept_size = 0;
        take_heads(proxy, kept, size);
        free(kept);
    }
}

/* ---- the request ------------------------------------------------------------------------------------------------ */

static bool send_pieces(struct proxy *proxy, const struct slice *pieces, size_t count, enum upstream_end *why)
{
    *why = UPSTREAM_END_reset;
    if (upstream_send(proxy->upstream, pieces, count))
        return true;
    if (!upstream_is_reused(proxy->upstream) || upstream_has_sent(proxy->upstream) || proxy->has_sent_head)
        return false;
    /* The idle connection had been closed, and not a byte went out: another one, which is new. */
    drop_upstream(proxy);
    counters_add(proxy->worker->slot, COUNTER_upstream_retries, 1);
    proxy->upstream = upstream_open(proxy->worker, &user, proxy, why);
    return proxy->upstream && upstream_send(proxy->upstream, pieces, count);
}

/* false: PROXY is gone. */
static bool send_request(struct proxy *proxy, struct slice piece, bool is_last)
{
    char prefix[CHUNK_PREFIX_SIZE];
    struct slice head = {proxy->text + proxy->verdict_size, proxy->head_size};
    struct slice pieces[4] = {{0}, {0}, piece, {0}};
    enum upstream_end why;

    if (!proxy->has_sent_head)
        pieces[0] = head;
    if (proxy->to_upstream == FORWARD_CHUNKED) {
        if (piece.size > 0)
            pieces[1] = chunk_prefix(prefix, piece.size);
        pieces[3] = !is_last ? (piece.size > 0 ? SLICE("\r\n") : (struct slice){0})
                             : (piece.size > 0 ? SLICE("\r\n0\r\n\r\n") : SLICE("0\r\n\r\n"));
    }
    if (!send_pieces(proxy, pieces, 4, &why)) {
        fail(proxy, why);
        return false;
    }
    proxy->has_sent_head = true;
    proxy->has_sent_all = is_last;
    if (is_last)
        body_end(&proxy->body);
    update_upstream(proxy);
    return true;
}

/* false: PROXY is gone. */
static bool ask(struct proxy *proxy)
{
    enum upstream_end why;

    proxy->state = ASKING;
    proxy->upstream = upstream_take(proxy->worker, &user, proxy, &why);
    if (!proxy->upstream) {
        fail(proxy, why);
        return false;
    }
    if (proxy->to_upstream == FORWARD_BODYLESS || proxy->body.bytes.size > 0)
        return send_request(proxy, proxy->body.bytes, true);
    return true;
}

static void on_delay_over(void *context)
{
    struct proxy *proxy = context;
    struct conn *conn = proxy->conn;

    hold_free(proxy->delay);
    proxy->delay = NULL;
    if (ask(proxy))
        conn_want_body(conn);
}

void proxy_start(struct proxy *proxy, struct conn *conn)
{
    proxy->conn = conn;
    if (proxy->delay_ms == 0) {
        ask(proxy);
        return;
    }
    proxy->delay = hold_new(&proxy->worker->loop, (struct slice){0}, proxy->delay_ms, on_delay_over, proxy);
    proxy->delay_ms = 0;
    if (!proxy->delay)
        fail(proxy, UPSTREAM_END_memory);
}

bool proxy_wants_body(const struct proxy *proxy)
{
    return proxy->upstream && upstream_queued(proxy->upstream) == 0;
}

void proxy_body(struct proxy *proxy, struct slice piece, bool is_last)
{
    if (piece.size > 0 || is_last)
        send_request(proxy, piece, is_last);
}

void proxy_flush(struct proxy *proxy)
{
    if (proxy->upstream && !proxy->has_sent_head)
        send_request(proxy, (struct slice){0}, false);
}

static void on_drained(void *context)
{
    struct proxy *proxy = context;

    update_upstream(proxy);
    if (proxy->conn)
        conn_want_body(proxy->conn);
}

static void on_end(void *context, enum upstream_end why)
{
    struct proxy *proxy = context;

    if (why == UPSTREAM_END_closed && proxy->state == ANSWERING && http_ends_with_connection(&proxy->http)) {
        pass_on(proxy, (struct slice){0}, true, true);
    } else if (why == UPSTREAM_END_closed && proxy->state == TUNNEL) {
        proxy->reuses = false;
        complete(proxy, true);
    } else {
        fail(proxy, why);
    }
}

/* ---- the tunnel ------------------------------------------------------------------------------------------------- */

bool proxy_is_tunnel(const struct proxy *proxy)
{
    return proxy->state == TUNNEL;
}

void proxy_tunnel(struct proxy *proxy, struct slice bytes)
{
    if (upstream_send(proxy->upstream, &bytes, 1))
        update_upstream(proxy);
    else
        fail(proxy, UPSTREAM_END_reset);
}

bool proxy_has_answered(const struct proxy *proxy)
{
    return proxy->has_answered;
}

void proxy_on_client_drained(struct proxy *proxy)
{
    if (proxy->upstream && proxy->state != WAITING)
        update_upstream(proxy);
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

/* Lets the exchange begin and takes over the gathered body, or what replaces it. */
static bool begin_exchange(struct worker *worker, const struct proxy_request *request, struct body *body,
                           struct exchange_wishes *wishes, struct exchange **exchange)
{
    const struct exchange_request about = {
        .facts = request->facts, .verdict = request->verdict, .has_body = request->has_gathered};
    struct outbox *replacement = &worker->body;

    outbox_clear(replacement);
    if (!exchange_begin(worker, &about, replacement, wishes, exchange))
        return false;
    if (!request->has_gathered)
        return true;
    if (wishes->replaces_body) {
        body_end(body);
        body_begin(body, &worker->bodies);
        body_add(body, replacement->data, replacement->used);
    }
    if (!replacement->is_short && body_keep(body))
        return true;
    if (*exchange)
        exchange_end(*exchange, EXCHANGE_UNSENT);
    return false;
}

static void write_texts(struct worker *worker, const struct proxy_request *request, struct forward_request *forward,
                        size_t *verdict_size)
{
    struct outbox *out = &worker->body;

    outbox_clear(out);
    headers_write_passed(&worker->headers, request->verdict, out);
    if (debug_is_open(&worker->handoff.settings, request->head, worker->date_second))
        debug_write(worker, request->verdict, out);
    *verdict_size = out->used;
    forward_write_request(forward, out);
}

static enum forward_framing choose_request_framing(const struct proxy_request *request, const struct body *body)
{
    if (request->has_gathered)
        return body->bytes.size > 0 ? FORWARD_COUNTED : FORWARD_BODYLESS;
    if (request->head->is_chunked)
        return FORWARD_CHUNKED;
    return request->head->content_length > 0 ? FORWARD_COUNTED : FORWARD_BODYLESS;
}

struct proxy *proxy_new(struct worker *worker, const struct proxy_request *request, struct body *body)
{
    const struct head *head = request->head;
    struct exchange_wishes wishes = {.replaces_body = false};
    struct exchange *exchange = NULL;
    struct forward_request forward = {.head = head,
                                      .facts = request->facts,
                                      .peer = request->peer,
                                      .authority = worker->upstreams.backend.authority,
                                      .peer_is_trusted = request->facts->peer_is_trusted,
                                      .is_secure = request->is_secure,
                                      .is_upgrade = forward_is_upgrade(head),
                                      .keeps_alive = worker->handoff.settings.backend_keepalive > 0};
    struct proxy *proxy;
    size_t verdict_size;

    if (!begin_exchange(worker, request, body, &wishes, &exchange))
        return NULL;
    forward.framing = choose_request_framing(request, body);
    forward.content_length = request->has_gathered ? body->bytes.size : head->content_length;
    forward.says_empty = forward.framing == FORWARD_BODYLESS && (head->is_chunked || head->has_content_length);
    forward.wants_identity = wishes.wants_identity;
    write_texts(worker, request, &forward, &verdict_size);
    proxy = worker->body.is_short ? NULL : malloc(sizeof(*proxy) + worker->body.used);
    if (!proxy) {
        if (exchange)
            exchange_end(exchange, EXCHANGE_UNSENT);
        outbox_clear(&worker->body);
        return NULL;
    }
    *proxy = (struct proxy){.worker = worker,
                            .exchange = exchange,
                            .delay_ms = (uint64_t)request->verdict->delay_ms,
                            .to_upstream = forward.framing,
                            .verdict_size = (uint32_t)verdict_size,
                            .head_size = (uint32_t)(worker->body.used - verdict_size),
                            .minor = head->minor,
                            .is_head_request = slice_equal(head->method, SLICE("HEAD")),
                            .is_upgrade = forward.is_upgrade,
                            .keeps_alive = request->keeps_alive,
                            .reads_on_ms = wishes.reads_on_ms};
    memcpy(proxy->text, worker->body.data, worker->body.used);
    outbox_clear(&worker->body);
    if (request->has_gathered) {
        proxy->body = *body;
        *body = (struct body){0};
    }
    return proxy;
}
