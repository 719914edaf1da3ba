/* SPDX-License-Identifier: MPL-2.0
 *
 * Connections to the upstream of the reverse proxy. One serves one request at a time; between requests it is idle, kept
 * by the worker, at most backend_keepalive of them. An idle one that is closed by the upstream, that says something
 * nobody asked for, or that nobody needs for backend_keepalive_timeout, is closed.
 */
#ifndef FAIRVISOR_WORKER_UPSTREAM_H
#define FAIRVISOR_WORKER_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/backend.h"
#include "shm/failure.h"
#include "shm/slice.h"
#include "worker/resolve.h"
#include "worker/timeouts.h"

/* An address that has not answered in one of so many parts of backend_connect_timeout makes way for the next one. */
#define UPSTREAM_CONNECT_PARTS 4

struct worker;
struct upstream;

/* What all upstream connections of a worker share. */
struct upstreams {
    struct backend backend;
    struct resolve resolve;
    uint64_t busy_count, idle_count;
};

/* Why a connection is of no use any more. */
enum upstream_end {
#define END(symbol, status, how, sentence) UPSTREAM_END_##symbol,
#include "worker/upstream_ends.def"
#undef END
    UPSTREAM_ENDS
};

/* Who uses a connection. None is called from inside of a function of upstream.h. */
struct upstream_user {
    void (*on_bytes)(void *context, char *data, size_t size); /* DATA may be changed; it is gone afterwards */
    void (*on_drained)(void *context);                        /* all that was sent has been taken */
    void (*on_end)(void *context, enum upstream_end why);     /* the user must call upstream_close */
};

bool upstream_init(struct worker *worker, struct failure *failure);

/* Closes the idle connections: for a drain, and before upstream_fini. */
void upstream_pool_close(struct worker *worker);
void upstream_fini(struct worker *worker);

/* An idle connection, or a new one that is being made: what is sent meanwhile waits. NULL: *WHY. */
struct upstream *upstream_pool_take(struct worker *worker, const struct upstream_user *user, void *context,
                               enum upstream_end *why);

/* A new one. */
struct upstream *upstream_open(struct worker *worker, const struct upstream_user *user, void *context,
                               enum upstream_end *why);

/* Whether it served another request before. */
bool upstream_is_reused(const struct upstream *upstream);

/* How many milliseconds it was idle before this request; 0 for a new one. */
uint64_t upstream_idle_ms(const struct upstream *upstream);

/* Sends COUNT pieces in their order; what is not taken at once is copied. false: the connection is broken, and says nothing
 * that could be heard; otherwise the user is told of the end when it has heard all. */
bool upstream_send(struct upstream *upstream, const struct slice *pieces, size_t count);

/* Nothing more will be sent: the upstream sees the end of our side behind all that was. false: the connection is
 * broken. */
bool upstream_end_sending(struct upstream *upstream);

/* Bytes that were sent and are not taken yet. */
size_t upstream_queued(const struct upstream *upstream);

/* Whether any byte of the present request has left. */
bool upstream_has_sent(const struct upstream *upstream);

/* Reads, or does not for now. */
void upstream_set_reading(struct upstream *upstream, bool is_wanted);

/* Starts the clock of backend_timeout anew (IS_WAITING), or stops it. Not before it is connected. */
void upstream_set_waiting(struct upstream *upstream, bool is_waiting);

/* The request and its response are over, nothing is left over: another may use it that comes within MOST_IDLE_MS; with 0 it is closed. */
void upstream_pool_give_back(struct upstream *upstream, uint32_t most_idle_ms);

/* Closes and frees. */
void upstream_close(struct upstream *upstream);

/* Told by the coarse timer, and for leaving. */
void upstream_on_timeout(struct timeout *timeout);
void upstream_abort(struct timeout *timeout);

#endif
