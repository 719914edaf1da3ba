/* SPDX-License-Identifier: MPL-2.0
 *
 * The response's body: from the upstream's framing, past the meter, into the client's framing. A stream that is cut ends
 * here in good order.
 */
#include "shm/must.h"
#include "worker/chunk.h"
#include "worker/proxy_private.h"

bool proxy_body_deliver(struct proxy *proxy, struct slice piece, bool is_last)
{
    struct outbox *out = &proxy->worker->out;
    char prefix[CHUNK_PREFIX_SIZE];
    struct slice pieces[4] = {{out->data, out->used}, {0}, piece, {0}};
    bool is_sent = true;

    if (proxy->to_client == FORWARD_CHUNKED && proxy->state == ANSWERING)
        chunk_frame(piece, is_last, prefix, &pieces[1], &pieces[3]);
    if (proxy->conn)
        is_sent = !out->is_short && conn_proxy_send(proxy->conn, pieces, 4);
    outbox_clear(out);
    return is_sent;
}

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
        if (piece->size > 0)
            outbox_add(out, *piece);
    }
    exchange_finish(proxy->exchange, out);
    *piece = (struct slice){out->data, out->used};
}

/* Sends PART. false: it was the last, or there is nobody to send to any more, and PROXY is gone. */
static bool send_part(struct proxy *proxy, const struct proxy_part *part)
{
    struct slice piece = part->piece;
    bool is_cut = meter(proxy, &piece);
    bool is_sent;

    if (part->is_last && !is_cut)
        meter_end(proxy, &piece);
    if (is_cut)
        proxy->reuses = false;
    is_sent = proxy_body_deliver(proxy, piece, part->is_last || is_cut);
    outbox_clear(&proxy->worker->body);
    if (!part->is_last && !is_cut) {
        if (!is_sent)
            proxy_lose_client(proxy);
        return is_sent;
    }
    if (!is_sent) {
        conn_proxy_gone(proxy->conn);
        proxy->conn = NULL;
    }
    proxy_complete(proxy, part->is_left_over);
    return false;
}

void proxy_body_pass(struct proxy *proxy, const struct proxy_part *part)
{
    if (send_part(proxy, part))
        proxy_update_upstream(proxy);
}

bool proxy_body_read(struct proxy *proxy, char *data, size_t size, struct proxy_part *part)
{
    size_t used = 0;
    enum http_result result = http_piece(&proxy->http, data, size, UINT64_MAX, &part->piece, &used);

    if (result == HTTP_BAD || result == HTTP_TOO_LARGE) {
        proxy_response_refuse(proxy, "body",
                              result == HTTP_BAD
                                  ? "chunks that are not strictly what RFC 9112 7.1 asks for, without extensions"
                                  : "trailers of more than 8192 bytes");
        return false;
    }
    part->is_last = result == HTTP_DONE;
    part->is_left_over = used < size;
    return true;
}

void proxy_body_take(struct proxy *proxy, char *data, size_t size)
{
    struct proxy_part part;

    if (proxy_body_read(proxy, data, size, &part))
        proxy_body_pass(proxy, &part);
}
