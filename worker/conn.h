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

#endif
