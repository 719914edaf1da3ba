/* SPDX-License-Identifier: MPL-2.0
 *
 * All that one worker process has, in one struct made by main. Rooms of the worker take it, or the part they need.
 */
#ifndef FAIRVISOR_WORKER_WORKER_H
#define FAIRVISOR_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "policy/bundle.h"
#include "policy/decide.h"
#include "shm/arena.h"
#include "shm/counters.h"
#include "shm/flights.h"
#include "shm/handoff.h"
#include "shm/sealed.h"
#include "shm/survey.h"
#include "worker/body.h"
#include "worker/head.h"
#include "worker/headers.h"
#include "worker/outbox.h"
#include "worker/timeouts.h"
#include "worker/tls.h"
#include "worker/tokens.h"
#include "worker/unsettled.h"
#include "worker/upstream.h"

#define WORKER_UPSTREAM_READ_SIZE 32768
#define WORKER_CODES     600   /* HTTP status codes below this are counted by number */
#define WORKER_DATE_SIZE 64

struct conn_batch;
struct listener;
struct response_room;

struct worker {
    /* who we are: from the master, constant */
    struct handoff handoff;
    struct arena arena;
    struct sealed sealed;
    struct bundle *bundle;
    struct references references;
    bool has_ops_listener;

    /* deciding */
    struct decider *decider;
    struct counter_slot *slot;
    struct tokens tokens;
    struct headers headers;

    /* one request at a time */
    struct head_limits head_limits;
    struct fact_field *fields;   /* of the head being read */
    char *read_buffer;           /* of read_size bytes */
    size_t read_size;            /* what one read takes at most */
    char *path_buffer;           /* room for one normalized path */
    char *host_buffer;           /* room for one canonical host */
    struct outbox out;           /* answers on their way to one connection */
    struct outbox body;          /* of the answer being made */
    struct conn_batch *batch;    /* answers that leave together when the loop ends its turn */
    struct body_store bodies;    /* of requests on their way */
    char date[WORKER_DATE_SIZE]; /* the Server and Date fields, made once a second */
    size_t date_size;
    int64_t date_second;
    uint16_t code_counters[WORKER_CODES]; /* enum counter of each status code */
    uint16_t upstream_counters[WORKER_CODES]; /* the same for the upstream's */

    /* proxying */
    bool counts_flights;    /* some limit does */
    struct flights flights; /* of the exchanges under way */
    struct unsettled unsettled; /* exchanges that are over, and not settled yet */
    struct upstreams upstreams;
    struct response_room *response_room; /* NULL in decision service mode */
    SSL_CTX *client_tls;                 /* for connections of clients; NULL: plain */
    SSL_CTX *upstream_tls;               /* NULL: plain */
    int64_t tls_log_ms;                  /* uv_now() of the last line about TLS with the upstream */

    /* metrics */
    struct survey survey;     /* under way, of the cells in use */
    uv_idle_t counting;       /* carries it on */
    struct arena_usage usage; /* as counted at usage_at_ns (boot time) */
    int64_t usage_at_ns;

    /* sockets */
    uv_loop_t loop;
    struct listener *listeners;
    uint32_t listener_count;
    struct timeouts timeouts;
    uint32_t least_bytes; /* min_rate: of a client in each body_timeout */
    uv_timer_t tick;
    uv_timer_t beat;  /* for the master to see */
    uv_timer_t alone; /* from the master's end to the drain */
    uv_check_t turn_end; /* sends the batch */
    uv_poll_t lifeline;
    uv_signal_t quit, term;
    uint64_t connection_count;
    uint64_t drain_since_ms; /* uv_now() at the start of the drain */
    int64_t refused_log_ms;  /* uv_now() of the last line about refused connections, 0 before; see log_is_due */
    int64_t debug_log_ms;    /* the same about a wrong debug_session_secret */
    int64_t stale_log_ms;    /* the same about idle connections that the upstream closed when a request came, which failed */
    int64_t repeat_log_ms;   /* the same about such a request that was sent again */
    int64_t invalid_log_ms;  /* the same about answers of the upstream that are not valid HTTP */
    int64_t address_log_ms;  /* the same about addresses of the upstream that cannot be reached */
    int64_t untold_log_ms;   /* the same about proxies that tell no client */
    int64_t ignored_log_ms;  /* the same about gateways that trusted_proxies does not name */
    bool is_ticking;
    uint64_t log_lines_dropped; /* counted so far */
    bool is_accepting;
    bool is_draining;
    bool is_leaving; /* at once, whoever is still connected */
};

/* Maps the arena and the bundle, claims the slot, makes everything but sockets. HANDOFF has been read. */
bool worker_make(struct worker *worker, struct failure *failure);

/* Listens, watches signals and the lifeline, and tells the master that it is ready. */
bool worker_open(struct worker *worker, struct failure *failure);

/* Serves until it is told to leave. */
void worker_run(struct worker *worker);

/* Closes and frees everything. The arena stays mapped. */
void worker_fini(struct worker *worker);

/* A connection came (CHANGE 1) or went (-1). */
void worker_count_connection(struct worker *worker, int change);

/* Leaves if it is draining and nothing is on its way any more. */
void worker_leave_when_empty(struct worker *worker);

/* Makes sure that the coarse timer runs. */
void worker_start_tick(struct worker *worker);

#endif
