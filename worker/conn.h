/* SPDX-License-Identifier: MPL-2.0
 *
 * One client connection: bytes in, answers out, and how it ends. An idle connection is this struct and nothing else:
 * reads go to the worker's one buffer; only what a request still lacks is kept, in a buffer of its own, until it is
 * complete. What a slow client does not take is kept likewise, and nothing is read from it meanwhile.
 */
#ifndef FAIRVISOR_WORKER_CONN_H
#define FAIRVISOR_WORKER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "shm/slice.h"
#include "worker/worker.h"

struct conn;

/* Takes over FD, an accepted non-blocking socket from PEER. When memory is out, or REFUSED (max_connections), the
 * client gets a 503 and the connection is closed. */
void conn_open(struct worker *worker, int fd, const struct sockaddr *peer, bool is_unix, bool is_ops, bool is_refused);

/* Told by the coarse timer. */
void conn_on_timeout(struct timeout *timeout);

/* Closes at once; frees itself later. For leaving. */
void conn_abort(struct timeout *timeout);

/* ---- for proxy.c: the client of a proxied request ---------------------------------------------------------------- */

/* Sends COUNT pieces in their order; what the socket does not take is copied. false: the connection is broken. */
bool conn_send(struct conn *conn, const struct slice *pieces, size_t count);

/* Whether the client still has to take something: send no more for now. proxy_on_client_drained tells when it has. */
bool conn_is_full(const struct conn *conn);

/* More of the request's body may come: gives what is there, and reads on. The proxy may be gone afterwards. */
void conn_want_body(struct conn *conn);

/* The response is complete, by what was sent or is in the outbox. KEEPS_ALIVE: another request may follow. The proxy is
 * forgotten. */
void conn_proxy_over(struct conn *conn, bool keeps_alive);

/* The response ends before it is complete: the client must see that. IS_UNFRAMED: only a reset can tell it. */
void conn_proxy_cut(struct conn *conn, bool is_unframed);

/* conn_send failed: closes. */
void conn_proxy_gone(struct conn *conn);

#endif
