/* SPDX-License-Identifier: MPL-2.0
 *
 * How long a dead worker's place stays empty: the first time not at all, then 100 ms doubling for as long as each one
 * dies within 10 s of its start: up to 1 s for a worker that had served, up to 10 s for one that never got so far.
 */
#ifndef FAIRVISOR_MASTER_RESPAWN_H
#define FAIRVISOR_MASTER_RESPAWN_H

#include <stdbool.h>
#include <stdint.h>

struct respawn {
    uint32_t quick_deaths; /* in a row */
};

/* Notes that a worker lived for LIVED_NS and returns how many nanoseconds to wait before the next is started. HAS_SERVED: it
 * had said that it is ready. */
int64_t respawn_delay(struct respawn *respawn, int64_t lived_ns, bool has_served);

#endif
