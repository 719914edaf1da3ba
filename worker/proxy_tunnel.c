/* SPDX-License-Identifier: MPL-2.0
 *
 * After a 101 bytes go through as they are, both ways. The one upgrade that is let through is to websocket.
 */
#include "worker/proxy_private.h"

void proxy_tunnel_open(struct proxy *proxy, const struct response *response, struct slice rest)
{
    struct forward_response forward = {.response = response,
                                       .verdict = {proxy->text, proxy->verdict_size},
                                       .framing = FORWARD_BODYLESS};

    if (!proxy->conn || !proxy->is_upgrade || !response->is_upgrade) {
        proxy_fail(proxy, UPSTREAM_END_invalid);
        return;
    }
    proxy_response_count(proxy->worker, response->status);
    proxy->state = TUNNEL;
    proxy->keeps_alive = false;
    proxy->has_answered = true;
    if (proxy->exchange) {
        struct exchange_wishes wishes = {.changes_body = false};

        exchange_head(proxy->exchange, response, &proxy->worker->body, &wishes);
        outbox_clear(&proxy->worker->body);
    }
    forward_write_response(&forward, &proxy->worker->out);
    if (proxy_body_deliver(proxy, rest, false))
        proxy_update_upstream(proxy);
    else
        proxy_lose_client(proxy);
}

bool proxy_tunnel_is_open(const struct proxy *proxy)
{
    return proxy->state == TUNNEL;
}

void proxy_tunnel_send(struct proxy *proxy, struct slice bytes)
{
    if (upstream_send(proxy->upstream, &bytes, 1))
        proxy_update_upstream(proxy);
    else
        proxy_fail(proxy, UPSTREAM_END_reset);
}
