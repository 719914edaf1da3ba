/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to worker/upstream*.c: one connection to the upstream. upstream_connect.c makes it, upstream.c reads, writes
 * and closes it, upstream_pool.c keeps it between requests.
 *
 * The user is told of an end by on_end, from which it closes: UPSTREAM is gone after any call that may end it.
 */
#ifndef FAIRVISOR_WORKER_UPSTREAM_PRIVATE_H
#define FAIRVISOR_WORKER_UPSTREAM_PRIVATE_H

#include "worker/outbox.h"
#include "worker/unsent.h"
#include "worker/upstream.h"
#include "worker/worker.h"

enum upstream_state { RESOLVING, CONNECTING, GREETING, OPEN, IDLE };

struct upstream_socket {
    union {
        uv_handle_t handle;
        uv_poll_t poll;
    };
    struct upstream *upstream; /* NULL: given up */
    int fd;
    uint8_t watched; /* what the loop watches for: UV_READABLE, UV_WRITABLE */
};

struct upstream {
    struct worker *worker;
    const struct upstream_user *user;
    void *context;
    struct upstream_socket *socket; /* NULL while resolving */
    struct tls *tls;                /* NULL: plain */
    struct timeout timeout;
    struct resolve_waiter waiter;
    struct resolve_addresses addresses; /* to try */
    unsigned address;   /* that is tried, or was reached */
    uint32_t refused;   /* a bit for each of them: it cannot be reached; */
    uint32_t late;      /* or did not answer so far */
    unsigned parts;     /* of backend_connect_timeout that are over */
    struct outbox early; /* sent before it was open */
    struct unsent *unsent; /* what the socket did not take yet, or NULL */
    uint64_t idle_since_ms, idle_ms; /* when it was given back; how long it was idle before it was taken again */
    uint64_t most_idle_ms; /* idle for longer: it is not used again, for the upstream is about to close it */
    uint8_t state; /* enum upstream_state */
    bool is_reused, has_sent, is_reading;
    bool ends_sent; /* our side ends when all is sent */
    bool has_ended; /* it will say nothing more */
    bool is_deaf;   /* it takes nothing more: what is sent is dropped */
    bool was_reset; /* no end of it is an orderly one */
};

/* ---- upstream.c -------------------------------------------------------------------------------------------------- */

/* Tells the user, or closes an idle one. */
void upstream_tell_end(struct upstream *upstream, enum upstream_end why);

/* Has the loop watch for what the connection waits for: to be made, bytes, or room for them. */
void upstream_watch(struct upstream *upstream);

/* Gives the socket and its TLS up, and what it did not take; its memory is freed when the loop next turns. */
void upstream_drop_socket(struct upstream *upstream);

/* One more (CHANGE 1) or less (-1) is in use. */
void upstream_count_busy(struct worker *worker, int change);

/* Sends what TLS has to say. false: the connection is broken. */
bool upstream_flush_tls(struct upstream *upstream);

struct upstream *upstream_of_timeout(struct timeout *timeout);

/* ---- upstream_connect.c ------------------------------------------------------------------------------------------ */

/* Begins: resolves, connects, shakes hands; upstream_connect_done is next, or the user's on_end. false: *WHY. */
bool upstream_connect_start(struct upstream *upstream, enum upstream_end *why);

/* The socket is connected, or it is clear that it will not be. */
void upstream_connect_ready(struct upstream *upstream);

/* A part of backend_connect_timeout is over. */
void upstream_connect_late(struct upstream *upstream);

/* It is open: sends what waited for that. */
void upstream_connect_done(struct upstream *upstream);

#endif
