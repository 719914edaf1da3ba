/* SPDX-License-Identifier: MPL-2.0
 *
 * Who has waited too long: one list per kind of waiting, in the order in which the waiting began, so that one coarse
 * timer serves all connections and a request costs at most one move to a list's end. Time is the tick's, in
 * milliseconds: nothing ends early, and at most two ticks late. A tick that is itself late, because the worker was stopped
 * or had no processor, ends nothing, but the next one does: in between is read what has come meanwhile.
 */
#ifndef FAIRVISOR_WORKER_TIMEOUTS_H
#define FAIRVISOR_WORKER_TIMEOUTS_H

#include <stdbool.h>
#include <stdint.h>

enum timeout_kind {
    TIMEOUT_HEAD,   /* for the rest of a head, or the first one of a connection */
    TIMEOUT_BODY,   /* for the rest of a body */
    TIMEOUT_IDLE,   /* for the next request */
    TIMEOUT_WRITE,  /* for the client to take an answer */
    TIMEOUT_LINGER, /* for the client to close after our last answer */
    TIMEOUT_HELD,   /* for something that has a timer of its own: a throttle's delay, an upstream */
    TIMEOUT_UPSTREAM_CONNECT,
    TIMEOUT_UPSTREAM_SILENT, /* for the upstream to say or to take something */
    TIMEOUT_UPSTREAM_BUSY,   /* for the client of its request, which has timers of its own */
    TIMEOUT_UPSTREAM_IDLE,   /* for another request */
    TIMEOUT_KINDS,
    TIMEOUT_NONE = TIMEOUT_KINDS,
};

#define TIMEOUTS_NEVER (UINT64_MAX / 2) /* the limit of a kind that ends by other means */

/* Embedded in whatever waits. */
struct timeout {
    struct timeout *previous, *next;
    uint64_t since_ms;
    uint8_t kind; /* TIMEOUT_NONE: in no list */
};

struct timeouts {
    struct timeout heads[TIMEOUT_KINDS]; /* of the rings */
    uint64_t limit_ms[TIMEOUT_KINDS];
    uint64_t now_ms; /* of the last tick */
    uint64_t tick_ms;
    bool is_passed_over; /* the last tick was late */
};

/* Called for one that waited too long; it must leave its list or change its kind. */
typedef void timeouts_expired(struct timeout *timeout);

void timeouts_init(struct timeouts *timeouts, const uint64_t limit_ms[TIMEOUT_KINDS], uint64_t now_ms);

/* Starts waiting as KIND; starts anew when it waited as KIND already. */
void timeouts_start(struct timeouts *timeouts, struct timeout *timeout, enum timeout_kind kind);

/* Leaves its list. */
void timeouts_stop(struct timeout *timeout);

/* From now on KIND waits at most LIMIT_MS more, even if it began long ago. */
void timeouts_shorten(struct timeouts *timeouts, enum timeout_kind kind, uint64_t limit_ms);

/* Moves the clock and reports all that waited too long, unless this tick is late and the one before was not. */
void timeouts_tick(struct timeouts *timeouts, uint64_t now_ms, timeouts_expired *expired);

/* Reports everything that waits, whatever its age. */
void timeouts_expire_all(struct timeouts *timeouts, timeouts_expired *expired);

#endif
