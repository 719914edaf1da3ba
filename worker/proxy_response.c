/* SPDX-License-Identifier: MPL-2.0
 *
 * The way back, until the final head is read: interim heads are passed on, the final one is written anew for the
 * client, and goes out with what is there of its body. What the upstream says afterwards is proxy_body.c's or
 * proxy_tunnel.c's.
 * When the client has left, the response is read on for its usage, at most READ_ON_MAX_BYTES of it.
 */
#include <stdlib.h>
#include <string.h>

#include "shm/log.h"
#include "worker/proxy_private.h"
#include "worker/reply.h"

#define READ_ON_MAX_BYTES (UINT64_C(64) << 20)
#define LOG_INTERVAL_MS   1000

void proxy_response_count(struct worker *worker, unsigned status)
{
    counters_add(worker->slot, worker->upstream_counters[status], 1);
    counters_add(worker->slot, worker->code_counters[status], 1);
}

/* A line a second at most: whatever is wrong with an upstream meets many requests. */
void proxy_response_refuse(struct proxy *proxy, const char *what, const char *cause)
{
    struct worker *worker = proxy->worker;

    if (log_is_due(&worker->invalid_log_ms, (int64_t)uv_now(&worker->loop), LOG_INTERVAL_MS))
        log_line(LOG_LEVEL_ERROR, "the upstream %s gave an answer that is not valid HTTP, or that others could read otherwise: "
                                  "its %s has %s; the client gets no more of it",
                 worker->handoff.settings.backend_url, what, cause);
    proxy_fail(proxy, UPSTREAM_END_invalid);
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

/* Writes an interim response through, unless nobody waits for it. The client may be found to have left; what follows in
 * the same read is looked at all the same. false: PROXY is gone. */
static bool pass_interim(struct proxy *proxy, const struct response *response)
{
    struct forward_response forward = {.response = response, .framing = FORWARD_BODYLESS};

    if (response->status == 100 || proxy->minor == 0 || !proxy->conn)
        return true;
    forward_response_write(&forward, &proxy->worker->out);
    if (!proxy_body_deliver(proxy, (struct slice){0}, false))
        return proxy_lose_client(proxy);
    proxy_update_upstream(proxy);
    return true;
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

    proxy_response_count(worker, response->status);
    if (proxy->exchange) {
        struct exchange_wishes wishes = {.changes_body = false};

        outbox_add(&fields, forward.verdict);
        exchange_head(proxy->exchange, response, &fields, &wishes);
        proxy->changes_body = wishes.changes_body && response->framing != RESPONSE_BODYLESS;
        forward.verdict = (struct slice){fields.data, fields.used};
    }
    if (!response_value(response, RESPONSE_FIELD_date).data) {
        reply_refresh_date(worker);
        forward.date = reply_date(worker);
    }
    choose_framing(proxy, response, &forward);
    forward.keeps_alive = proxy->keeps_alive = proxy->keeps_alive && proxy->has_sent_all && !worker->is_draining &&
                                               forward.framing != FORWARD_CLOSED;
    proxy->state = ANSWERING;
    proxy->has_answered = true;
    proxy->reuses = response->keeps_alive;
    proxy->idle_ms = response->idle_ms;
    if (proxy->conn)
        forward_response_write(&forward, &worker->out);
    outbox_fini(&fields);
}

/* What came of the body with its head is read before that is passed on: if it is broken, the client can still be told so. */
static void take_final(struct proxy *proxy, const struct response *response, char *data, size_t size)
{
    struct proxy_part part = {.is_last = false};
    enum http_result result;

    if (response->status == 101) {
        proxy_tunnel_open(proxy, response, (struct slice){data + response->size, size - response->size});
        return;
    }
    result = http_begin_response(&proxy->http, response, data);
    if (result == HTTP_BAD) {
        proxy_response_refuse(proxy, "head", "a framing that cannot be understood");
        return;
    }
    if (result == HTTP_DONE)
        part = (struct proxy_part){.is_last = true, .is_left_over = size > response->size};
    else if (size > response->size && !proxy_body_read(proxy, data + response->size, size - response->size, &part))
        return;
    begin_answer(proxy, response);
    proxy_body_pass(proxy, &part);
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
        proxy_response_refuse(proxy, "head", response.cause);
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
        proxy_fail(proxy, UPSTREAM_END_memory);
}

static bool is_too_much(struct proxy *proxy, size_t size)
{
    proxy->left_bytes += size;
    return proxy->left_bytes > READ_ON_MAX_BYTES ||
           uv_now(&proxy->worker->loop) - proxy->left_ms > proxy->reads_on_ms;
}

void proxy_response_on_bytes(void *context, char *data, size_t size)
{
    struct proxy *proxy = context;
    char *kept = proxy->kept;

    if (!proxy->has_heard)
        body_end(&proxy->body);
    proxy->has_heard = true;
    if (!proxy->conn && is_too_much(proxy, size)) {
        proxy_drop_upstream(proxy);
        proxy_finish(proxy, EXCHANGE_CLIENT_LEFT);
    } else if (proxy->state == ANSWERING) {
        proxy_body_take(proxy, data, size);
    } else if (proxy->state == TUNNEL) {
        proxy_tunnel_on_bytes(proxy, (struct slice){data, size});
    } else if (!kept || proxy->kept_size == 0) {
        take_heads(proxy, data, size);
    } else if (!keep_head(proxy, data, size)) {
        proxy_fail(proxy, UPSTREAM_END_memory);
    } else {
        kept = proxy->kept;
        size = proxy->kept_size;
        proxy->kept = NULL;
        proxy->kept_size = 0;
        take_heads(proxy, kept, size);
        free(kept);
    }
}

void proxy_response_on_end(void *context, enum upstream_end why)
{
    struct proxy *proxy = context;

    if (proxy_repeat(proxy, why))
        return;
    if (why == UPSTREAM_END_closed && proxy->state == ANSWERING && http_ends_with_connection(&proxy->http)) {
        proxy_body_pass(proxy, &(struct proxy_part){.is_last = true, .is_left_over = true});
    } else if (proxy->upstream_ended && why == UPSTREAM_END_reset) {
        proxy_complete(proxy, true);
    } else if (why == UPSTREAM_END_closed && proxy->state == TUNNEL) {
        proxy_tunnel_on_end(proxy);
    } else {
        proxy_fail(proxy, why);
    }
}
