/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to worker/proxy*.c: one exchange on its way, and what its parts do for each other.
 *
 *   WAITING (a throttle's delay) -> ASKING (no final response yet) -> ANSWERING (its body) -> over
 *                                                                 \-> TUNNEL -> over
 *
 * proxy.c makes it and ends it; the request leaves by proxy_request.c while heads (proxy_response.c) and a body
 * (proxy_body.c), or a tunnel's bytes (proxy_tunnel.c), come back. Every end goes through proxy_finish, which is where
 * the exchange ends once. A function that says "false: PROXY is gone" has freed it.
 */
#ifndef FAIRVISOR_WORKER_PROXY_PRIVATE_H
#define FAIRVISOR_WORKER_PROXY_PRIVATE_H

#include "worker/conn_proxy.h"
#include "worker/exchange.h"
#include "worker/forward.h"
#include "worker/http.h"
#include "worker/proxy.h"
#include "worker/upstream.h"
#include "worker/worker.h"

enum proxy_state { WAITING, ASKING, ANSWERING, TUNNEL };

struct proxy {
    struct worker *worker;
    struct conn *conn; /* NULL: it left, and the response is read on */
    struct upstream *upstream;
    struct exchange *exchange;
    struct hold *delay;
    uint64_t delay_ms;
    struct body body; /* gathered: until it is sent, or cannot be sent again */
    struct http http; /* of the response's body */
    char *kept;       /* of an incomplete response head */
    size_t kept_size;
    uint64_t reads_on_ms;         /* when the client leaves */
    uint64_t left_ms, left_bytes; /* since it left */
    enum forward_framing to_upstream, to_client;
    uint32_t verdict_size, head_size;
    uint32_t idle_ms; /* how long the upstream's connection may be idle afterwards */
    uint8_t state; /* enum proxy_state */
    uint8_t minor; /* of the client's HTTP */
    bool is_head_request, is_upgrade, keeps_alive;
    bool is_harmless; /* to do twice */
    bool changes_body;
    bool has_sent_head, has_sent_all; /* to the upstream */
    bool was_sent;                    /* to an upstream's connection that was given up */
    bool has_heard;                   /* any byte of the upstream's */
    bool has_answered;                /* to the client */
    bool reuses;                      /* the upstream's connection, when all is well */
    bool client_ended, upstream_ended; /* TUNNEL: the side that will say nothing more */
    char text[];                      /* our fields for the client; the request's head */
};

/* ---- proxy.c ----------------------------------------------------------------------------------------------------- */

/* Ends the exchange and frees the proxy. The upstream must be given back or closed before. */
void proxy_finish(struct proxy *proxy, enum exchange_end how);

/* Ends it because of the upstream: with an answer of ours, or by cutting the one that was begun. */
void proxy_fail(struct proxy *proxy, enum upstream_end why);

/* The response is complete. LEFT_OVER: the upstream has said more than that. */
void proxy_complete(struct proxy *proxy, bool is_left_over);

/* The client's connection is of no use any more. true: the exchange goes on without it; false: PROXY is gone. */
bool proxy_lose_client(struct proxy *proxy);

void proxy_drop_upstream(struct proxy *proxy);

/* Reads of the upstream rest while the client has something to take. */
void proxy_update_upstream(struct proxy *proxy);

/* ---- proxy_request.c --------------------------------------------------------------------------------------------- */

/* Takes a connection and sends what is there. false: PROXY is gone. */
bool proxy_request_begin(struct proxy *proxy);

/* Sends the whole request on a new connection. PROXY may be gone afterwards. */
void proxy_request_again(struct proxy *proxy);

/* ---- proxy_repeat.c ---------------------------------------------------------------------------------------------- */

/* Whether doing what REQUEST asks for twice does no more than doing it once. */
bool proxy_repeat_is_harmless(const struct forward_request *request);

/* The whole request has been sent: keeps its body, which is gathered or WHOLE (empty: it went in pieces), if it may have to be sent
 * again. */
void proxy_repeat_keep(struct proxy *proxy, struct slice whole);

/* The upstream's connection ended. true: it was an idle one before, and the request is on its way again, or has failed for good:
 * PROXY may be gone. */
bool proxy_repeat(struct proxy *proxy, enum upstream_end why);

/* ---- proxy_response.c -------------------------------------------------------------------------------------------- */

/* The upstream's bytes (DATA may be changed), and its end. */
void proxy_response_on_bytes(void *context, char *data, size_t size);
void proxy_response_on_end(void *context, enum upstream_end why);

void proxy_response_count(struct worker *worker, unsigned status);

/* Fails PROXY, for what the upstream said is not valid HTTP: WHAT has a CAUSE, for the log. */
void proxy_response_refuse(struct proxy *proxy, const char *what, const char *cause);

/* ---- proxy_body.c ------------------------------------------------------------------------------------------------ */

/* Sends what is in the outbox (a head), then PIECE, then the end of the body. false: the client is gone. */
bool proxy_body_deliver(struct proxy *proxy, struct slice piece, bool is_last);

/* What there is of a body. */
struct proxy_part {
    struct slice piece;
    bool is_last;
    bool is_left_over; /* the upstream has said more than the body */
};

/* Reads SIZE bytes of DATA into PART. false: they do not keep to the body's framing, and PROXY is gone. */
bool proxy_body_read(struct proxy *proxy, char *data, size_t size, struct proxy_part *part);

/* Takes bytes behind the response's head. */
void proxy_body_take(struct proxy *proxy, char *data, size_t size);

/* Passes PART on, and reads what follows. PROXY is gone when it was the last, or when there is nobody to send to any more. */
void proxy_body_pass(struct proxy *proxy, const struct proxy_part *part);

/* ---- proxy_tunnel.c ---------------------------------------------------------------------------------------------- */

/* RESPONSE is a 101; REST came behind it. */
void proxy_tunnel_open(struct proxy *proxy, const struct response *response, struct slice rest);

/* The upstream's bytes, and that it will say nothing more. */
void proxy_tunnel_on_bytes(struct proxy *proxy, struct slice bytes);
void proxy_tunnel_on_end(struct proxy *proxy);

#endif
