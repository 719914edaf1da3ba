/* SPDX-License-Identifier: MPL-2.0
 *
 * After a 101 bytes go through as they are, both ways. The one upgrade that is let through is to websocket. Each side
 * may end what it says before the other has: that end is passed on behind all that came before it, and the tunnel is
 * over when both have ended, or when nothing has passed for backend_timeout.
 */
#include "worker/proxy_private.h"

void proxy_tunnel_open(struct proxy *proxy, const struct response *response, struct slice rest)
{
    struct forward_response forward = {.response = response,
                                       .verdict = {proxy->text, proxy->verdict_size},
                                       .framing = FORWARD_BODYLESS};

    if (!proxy->conn || !proxy->is_upgrade || !response->is_upgrade) {
        proxy_response_refuse(proxy, "head", "a switch (101) to a protocol that the client did not ask for");
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
    forward_response_write(&forward, &proxy->worker->out);
    if (proxy_body_deliver(proxy, rest, false))
        proxy_update_upstream(proxy);
    else
        proxy_lose_client(proxy);
}

bool proxy_tunnel_is_open(const struct proxy *proxy)
{
    return proxy->state == TUNNEL;
}

/* An upstream that has ended its side and takes nothing more either is done. */
static void break_off(struct proxy *proxy)
{
    if (proxy->upstream_ended)
        proxy_complete(proxy, true);
    else
        proxy_fail(proxy, UPSTREAM_END_reset);
}

void proxy_tunnel_send(struct proxy *proxy, struct slice bytes)
{
    if (upstream_send(proxy->upstream, &bytes, 1))
        proxy_update_upstream(proxy);
    else
        break_off(proxy);
}

void proxy_tunnel_end(struct proxy *proxy)
{
    if (proxy->client_ended)
        return;
    proxy->client_ended = true;
    if (proxy->upstream_ended)
        proxy_complete(proxy, true);
    else if (!upstream_end_sending(proxy->upstream))
        break_off(proxy);
}

void proxy_tunnel_on_bytes(struct proxy *proxy, struct slice bytes)
{
    if (proxy_body_deliver(proxy, bytes, false))
        proxy_update_upstream(proxy);
    else
        proxy_lose_client(proxy);
}

void proxy_tunnel_on_end(struct proxy *proxy)
{
    proxy->upstream_ended = true;
    if (proxy->client_ended)
        proxy_complete(proxy, true);
    else if (conn_proxy_end_sending(proxy->conn))
        proxy_update_upstream(proxy);
    else
        proxy_lose_client(proxy);
}
