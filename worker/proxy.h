/* SPDX-License-Identifier: MPL-2.0
 *
 * One proxied request and its response: from the verdict that allowed it until both are over, however that comes about.
 * Takes the client's body piece by piece from conn_step.c, gives the response to conn_proxy_send, meters through
 * exchange.h.
 *
 * Memory of one: this struct with two heads; the incomplete head of a response; what the client does not take, at most
 * one read of the upstream (WORKER_UPSTREAM_READ_SIZE and a head); what the upstream does not take, at most one read of
 * the client. While either is there, nothing more is read from the other side.
 */
#ifndef FAIRVISOR_WORKER_PROXY_H
#define FAIRVISOR_WORKER_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/facts.h"
#include "policy/verdict.h"
#include "worker/body.h"
#include "worker/client.h"
#include "worker/head.h"

struct worker;
struct conn;
struct proxy;

/* An allowed request. All of it is borrowed for the call of proxy_new. */
struct proxy_request {
    const struct head *head;
    const struct facts *facts;
    const struct client_peer *peer;
    const struct verdict *verdict;
    bool keeps_alive; /* the client's connection, after this */
    bool is_secure; /* the client speaks TLS */
    bool has_gathered; /* the body was read whole, into BODY of proxy_new, which takes it over; else it follows piece by
                          piece */
};

/* NULL: memory is out; what was reserved has been released. */
struct proxy *proxy_new(struct worker *worker, const struct proxy_request *request, struct body *body);

/* Begins: from now on CONN is sent the response and told of its end by conn_proxy_over or conn_proxy_cut, also from
 * inside of this call and of proxy_request_body. After the verdict's delay, if there is one. */
void proxy_start(struct proxy *proxy, struct conn *conn);

/* Whether more of the body may come now; conn_proxy_want_body is called when that changes to yes. */
bool proxy_request_wants_body(const struct proxy *proxy);

/* Takes a piece of the client's body; IS_LAST: with it the body is complete. Not for a tunnel. */
void proxy_request_body(struct proxy *proxy, struct slice piece, bool is_last);

/* All that was read of the client is with us: send what waits for more. */
void proxy_request_flush(struct proxy *proxy);

/* After a 101 bytes go through as they are. The client may end its side, and gets what the upstream still says. */
bool proxy_tunnel_is_open(const struct proxy *proxy);
void proxy_tunnel_send(struct proxy *proxy, struct slice bytes);
void proxy_tunnel_end(struct proxy *proxy);

/* Whether a byte of the response has been sent. */
bool proxy_has_answered(const struct proxy *proxy);

/* The client has taken what was queued. */
void proxy_on_client_drained(struct proxy *proxy);

enum proxy_leave {
    PROXY_CLIENT_LEFT,
    PROXY_CLIENT_SLOW, /* it sent or took nothing for too long, or what it sent cannot be read */
    PROXY_WORKER_LEAVES,
};

/* CONN is gone, or wants nothing more of it. PROXY must not be used afterwards. */
void proxy_leave(struct proxy *proxy, enum proxy_leave why);

#endif
