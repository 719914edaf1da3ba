/* SPDX-License-Identifier: MPL-2.0
 *
 * One thread of load: its connections, its share of the requests, its tally.
 */
#ifndef FAIRVISOR_E2E_LOAD_RUNNER_H
#define FAIRVISOR_E2E_LOAD_RUNNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "e2e/load/request.h"
#include "e2e/load/tally.h"

/* What all threads share. Constant while they run, but for the atomics. */
struct runner_plan {
    struct sockaddr_storage target;
    socklen_t target_size;
    struct request request;
    bool is_fresh;                          /* a connection for each request */
    bool is_expected[TALLY_STATUS_LIMIT];   /* statuses that are no failure */
    const char *counted;                    /* header whose values are counted, or NULL */
    uint64_t total;                         /* requests; UINT64_MAX: until `stop_ns` */
    int64_t start_ns, stop_ns;              /* CLOCK_MONOTONIC */
    int64_t timeout_ns;
    int64_t interval_ns_e3; /* thousandths of a nanosecond between intended sends of one thread; 0: closed loop */
    _Atomic uint64_t taken; /* requests begun so far, over all threads */
    _Atomic bool is_stopped;
};

struct runner {
    struct runner_plan *plan;
    unsigned number, thread_count;
    unsigned connection_count;
    struct tally tally;
    pthread_t thread;
    bool has_failed; /* the thread could not work at all */
};

int64_t runner_now(void);

/* Thread body; ARGUMENT is a struct runner. */
void *runner_run(void *argument);

#endif
