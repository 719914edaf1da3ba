/* SPDX-License-Identifier: MPL-2.0
 *
 * Makes one exchange, begins it (after a throttle's delay, if there is one) and ends it, however that comes about. See
 * proxy_private.h for what lies between.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/debug.h"
#include "worker/hold.h"
#include "worker/judge.h"
#include "worker/proxy_private.h"
#include "worker/reply.h"

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

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void proxy_finish(struct proxy *proxy, enum exchange_end how)
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
    return proxy->was_sent || (proxy->upstream && upstream_has_sent(proxy->upstream)) ? how : EXCHANGE_UNSENT;
}

void proxy_drop_upstream(struct proxy *proxy)
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

void proxy_fail(struct proxy *proxy, enum upstream_end why)
{
    struct conn *conn = proxy->conn;
    bool was_answered = proxy->has_answered, is_closed = proxy->to_client == FORWARD_CLOSED;
    enum exchange_end how = end_of(proxy, ends[why].how);
    bool keeps_alive = false;

    counters_add(proxy->worker->slot, ends[why].counter, 1);
    proxy_drop_upstream(proxy);
    outbox_clear(&proxy->worker->out);
    if (conn && !was_answered)
        keeps_alive = answer_error(proxy, why);
    proxy_finish(proxy, how);
    if (conn && was_answered)
        conn_proxy_cut(conn, is_closed);
    else if (conn)
        conn_proxy_over(conn, keeps_alive);
}

void proxy_complete(struct proxy *proxy, bool is_left_over)
{
    bool is_reusable = proxy->reuses && !is_left_over && proxy->has_sent_all && upstream_queued(proxy->upstream) == 0;
    bool keeps_alive = proxy->keeps_alive && proxy->has_sent_all && proxy->to_client != FORWARD_CLOSED;
    struct conn *conn = proxy->conn;

    if (is_reusable)
        upstream_pool_give_back(proxy->upstream, proxy->idle_ms);
    else
        upstream_close(proxy->upstream);
    proxy_finish(proxy, EXCHANGE_COMPLETE);
    if (conn)
        conn_proxy_over(conn, keeps_alive);
}

/* true: the exchange goes on without its client, for the upstream works on it; a request that has not left yet never does. */
static bool leave(struct proxy *proxy, enum proxy_leave why)
{
    static const enum exchange_end hows[] = {[PROXY_CLIENT_LEFT] = EXCHANGE_CLIENT_LEFT,
                                             [PROXY_CLIENT_SLOW] = EXCHANGE_TIMED_OUT,
                                             [PROXY_WORKER_LEAVES] = EXCHANGE_DRAINED};
    enum exchange_end how;
    bool can_read_on = proxy->reads_on_ms > 0 && proxy->upstream && upstream_has_sent(proxy->upstream) &&
                       proxy->has_sent_all && proxy->state != TUNNEL;

    proxy->conn = NULL;
    if (why == PROXY_CLIENT_LEFT && can_read_on) {
        proxy->left_ms = uv_now(&proxy->worker->loop);
        upstream_set_reading(proxy->upstream, true);
        upstream_set_waiting(proxy->upstream, true);
        return true;
    }
    how = end_of(proxy, hows[why]);
    proxy_drop_upstream(proxy);
    proxy_finish(proxy, how);
    return false;
}

void proxy_leave(struct proxy *proxy, enum proxy_leave why)
{
    leave(proxy, why);
}

bool proxy_lose_client(struct proxy *proxy)
{
    conn_proxy_gone(proxy->conn);
    return leave(proxy, PROXY_CLIENT_LEFT);
}

/* ---- the beginning ----------------------------------------------------------------------------------------------- */

static void on_delay_over(void *context)
{
    struct proxy *proxy = context;
    struct conn *conn = proxy->conn;

    hold_free(proxy->delay);
    proxy->delay = NULL;
    if (proxy_request_begin(proxy))
        conn_proxy_want_body(conn);
}

void proxy_start(struct proxy *proxy, struct conn *conn)
{
    proxy->conn = conn;
    if (proxy->delay_ms == 0) {
        proxy_request_begin(proxy);
        return;
    }
    proxy->delay = hold_new(&proxy->worker->loop, (struct slice){0}, proxy->delay_ms, on_delay_over, proxy);
    proxy->delay_ms = 0;
    if (!proxy->delay)
        proxy_fail(proxy, UPSTREAM_END_memory);
}

/* ---- on its way -------------------------------------------------------------------------------------------------- */

void proxy_update_upstream(struct proxy *proxy)
{
    bool is_full = proxy->conn && conn_proxy_is_full(proxy->conn);
    bool is_upstreams_turn = proxy->has_sent_all || upstream_queued(proxy->upstream) > 0 || proxy->state == TUNNEL;

    upstream_set_reading(proxy->upstream, !is_full && !proxy->upstream_ended);
    upstream_set_waiting(proxy->upstream, !is_full && is_upstreams_turn);
}

bool proxy_has_answered(const struct proxy *proxy)
{
    return proxy->has_answered;
}

void proxy_on_client_drained(struct proxy *proxy)
{
    if (proxy->upstream && proxy->state != WAITING)
        proxy_update_upstream(proxy);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static enum forward_framing choose_request_framing(const struct proxy_request *request, const struct body *body)
{
    if (request->has_gathered)
        return body->bytes.size > 0 ? FORWARD_COUNTED : FORWARD_BODYLESS;
    if (request->head->is_chunked)
        return FORWARD_CHUNKED;
    return request->head->content_length > 0 ? FORWARD_COUNTED : FORWARD_BODYLESS;
}

/* Lets the exchange begin and takes over the gathered body, or what replaces it. */
static bool begin_exchange(struct worker *worker, const struct proxy_request *request, struct body *body,
                           struct exchange_wishes *wishes, struct exchange **exchange)
{
    const struct exchange_request about = {
        .facts = request->facts,
        .verdict = request->verdict,
        .has_body = request->has_gathered,
        .is_bodyless = choose_request_framing(request, body) == FORWARD_BODYLESS,
    };
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
    forward_request_write(forward, out);
}

/* What REQUEST, with BODY as it goes on, is to the upstream. */
static struct forward_request forward_of(const struct worker *worker, const struct proxy_request *request,
                                         const struct body *body)
{
    const struct head *head = request->head;
    enum forward_framing framing = choose_request_framing(request, body);
    const struct descriptor *hand_keys;
    uint32_t hand_key_count = judge_hand_keys(worker, &hand_keys);

    return (struct forward_request){
        .head = head,
        .facts = request->facts,
        .peer = request->peer,
        .bundle = worker->bundle,
        .hand_keys = hand_keys,
        .hand_key_count = hand_key_count,
        .authority = worker->upstreams.backend.authority,
        .peer_is_trusted = request->facts->peer_is_trusted,
        .is_secure = request->is_secure,
        .is_upgrade = forward_request_is_upgrade(head),
        .keeps_alive = worker->handoff.settings.backend_keepalive > 0,
        .framing = framing,
        .content_length = request->has_gathered ? body->bytes.size : head->content_length,
        .says_empty = framing == FORWARD_BODYLESS && (head->is_chunked || head->has_content_length),
    };
}

struct proxy *proxy_new(struct worker *worker, const struct proxy_request *request, struct body *body)
{
    struct exchange_wishes wishes = {.replaces_body = false};
    struct exchange *exchange = NULL;
    struct forward_request forward;
    struct proxy *proxy;
    size_t verdict_size;

    if (!begin_exchange(worker, request, body, &wishes, &exchange))
        return NULL;
    forward = forward_of(worker, request, body);
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
                            .minor = request->head->minor,
                            .is_head_request = slice_equal(request->head->method, SLICE("HEAD")),
                            .is_upgrade = forward.is_upgrade,
                            .is_harmless = proxy_repeat_is_harmless(&forward),
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
