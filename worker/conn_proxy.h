/* SPDX-License-Identifier: MPL-2.0
 *
 * The client of a proxied request, as the proxy sees it. The connection owns itself; it holds the proxy until one of
 * conn_proxy_over, _cut and _gone, or tells it to leave (proxy_leave).
 */
#ifndef FAIRVISOR_WORKER_CONN_PROXY_H
#define FAIRVISOR_WORKER_CONN_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slice.h"

struct conn;

/* Sends COUNT pieces in their order; what the socket does not take is copied. false: the connection is broken. */
bool conn_proxy_send(struct conn *conn, const struct slice *pieces, size_t count);

/* Nothing more will be sent: the client sees the end of our side behind all that was. false: the connection is broken. */
bool conn_proxy_end_sending(struct conn *conn);

/* Whether the client still has to take something: send no more for now. proxy_on_client_drained tells when it has. */
bool conn_proxy_is_full(const struct conn *conn);

/* More of the request's body may come: gives what is there, and reads on. The proxy may be gone afterwards. */
void conn_proxy_want_body(struct conn *conn);

/* The response is complete, by what was sent or is in the outbox. KEEPS_ALIVE: another request may follow. The proxy is
 * forgotten. */
void conn_proxy_over(struct conn *conn, bool keeps_alive);

/* The response ends before it is complete: the client must see that. IS_UNFRAMED: only a reset can tell it. */
void conn_proxy_cut(struct conn *conn, bool is_unframed);

/* conn_send failed: closes. */
void conn_proxy_gone(struct conn *conn);

#endif
