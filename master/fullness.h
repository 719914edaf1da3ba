/* SPDX-License-Identifier: MPL-2.0
 *
 * Says in the log that shared memory has no room for new identities: those whose limits let them through then are
 * counted nowhere, and an operator must hear of it without looking at metrics.
 */
#ifndef FAIRVISOR_MASTER_FULLNESS_H
#define FAIRVISOR_MASTER_FULLNESS_H

#include <stdint.h>

#include "master/loop.h"
#include "shm/arena.h"

struct fullness {
    const struct arena *arena;
    int64_t told;           /* limits without a cell that the log knows of */
    int64_t next_at_ns;     /* boot clock of the next look */
    int64_t told_at_ns;     /* of the last line; 0 = none yet */
};

/* Looks at the counters from now on, by a clock of LOOP. */
void fullness_init(struct fullness *fullness, struct loop *loop, const struct arena *arena);

/* One look at NOW_NS: a line when limits found no cell since the last one, at most once a minute. */
void fullness_look(struct fullness *fullness, int64_t now_ns);

#endif
