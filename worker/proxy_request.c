/* SPDX-License-Identifier: MPL-2.0
 *
 * The way there: a connection to the upstream, the head with the first piece of the body or alone, then the body as it
 * comes. A request goes out a second time only as proxy_repeat.c says, or if not a byte of it could be sent the first time, on
 * an idle connection that had been closed.
 */
#include "worker/chunk.h"
#include "worker/proxy_private.h"

static void on_drained(void *context);

static const struct upstream_user user = {proxy_response_on_bytes, on_drained, proxy_response_on_end};

static bool send_pieces(struct proxy *proxy, const struct slice *pieces, size_t count, enum upstream_end *why)
{
    *why = UPSTREAM_END_reset;
    if (upstream_send(proxy->upstream, pieces, count))
        return true;
    if (!upstream_is_reused(proxy->upstream) || upstream_has_sent(proxy->upstream) || proxy->has_sent_head)
        return false;
    /* The idle connection had been closed, and not a byte went out: another one, which is new. */
    proxy_drop_upstream(proxy);
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
    bool is_whole = is_last && !proxy->has_sent_head;
    enum upstream_end why;

    if (!proxy->has_sent_head)
        pieces[0] = head;
    if (proxy->to_upstream == FORWARD_CHUNKED)
        chunk_frame(piece, is_last, prefix, &pieces[1], &pieces[3]);
    if (!send_pieces(proxy, pieces, 4, &why)) {
        proxy_fail(proxy, why);
        return false;
    }
    proxy->has_sent_head = true;
    proxy->has_sent_all = is_last;
    if (is_last)
        proxy_repeat_keep(proxy, is_whole ? piece : (struct slice){0});
    proxy_update_upstream(proxy);
    return true;
}

bool proxy_request_begin(struct proxy *proxy)
{
    enum upstream_end why;

    proxy->state = ASKING;
    proxy->upstream = upstream_pool_take(proxy->worker, &user, proxy, &why);
    if (!proxy->upstream) {
        proxy_fail(proxy, why);
        return false;
    }
    if (proxy->to_upstream == FORWARD_BODYLESS || proxy->body.bytes.size > 0)
        return send_request(proxy, proxy->body.bytes, true);
    return true;
}

void proxy_request_again(struct proxy *proxy)
{
    enum upstream_end why;

    proxy_drop_upstream(proxy);
    proxy->has_sent_head = false;
    proxy->upstream = upstream_open(proxy->worker, &user, proxy, &why);
    if (proxy->upstream)
        send_request(proxy, proxy->body.bytes, true);
    else
        proxy_fail(proxy, why);
}

bool proxy_request_wants_body(const struct proxy *proxy)
{
    return proxy->upstream && upstream_queued(proxy->upstream) == 0;
}

void proxy_request_body(struct proxy *proxy, struct slice piece, bool is_last)
{
    if (piece.size > 0 || is_last)
        send_request(proxy, piece, is_last);
}

void proxy_request_flush(struct proxy *proxy)
{
    if (proxy->upstream && !proxy->has_sent_head)
        send_request(proxy, (struct slice){0}, false);
}

static void on_drained(void *context)
{
    struct proxy *proxy = context;

    proxy_update_upstream(proxy);
    if (proxy->conn)
        conn_proxy_want_body(proxy->conn);
}
