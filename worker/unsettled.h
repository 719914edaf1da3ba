/* SPDX-License-Identifier: MPL-2.0
 *
 * Ends of proxied requests that could not be settled, because somebody held the lock of their counters for too long (see
 * shm/stripe.h): kept, and tried again until it is done. Nobody else would: what they used beyond their reservation would be free,
 * and what they did not use, or hold in flight, would be lost to their client.
 */
#ifndef FAIRVISOR_WORKER_UNSETTLED_H
#define FAIRVISOR_WORKER_UNSETTLED_H

#include <stdint.h>
#include <uv.h>

#include "policy/usage.h"
#include "shm/slice.h"

struct worker;
struct unsettled_end;

struct unsettled {
    uv_timer_t timer; /* runs while there are any */
    struct unsettled_end *first, *last;
    uint32_t count;
    int64_t lost_log_ms; /* uv_now() of the last line about lost ones, 0 before */
};

/* On WORKER's loop. */
void unsettled_open(struct worker *worker);

/* Settles a request's end as judge_finish does, now or as soon as that can be done. Everything is copied. What is beyond memory, or
 * beyond some thousands of them, is lost, counted and logged. */
void unsettled_finish(struct worker *worker, struct slice reservation, const struct usage *usage, struct slice model);

/* Tries those that are kept, each once, as long as that does not keep others waiting. */
void unsettled_try(struct worker *worker);

/* The worker leaves: tries for the last time, and frees what is left. */
void unsettled_close(struct worker *worker);

#endif
