/* SPDX-License-Identifier: MPL-2.0
 *
 * How long a dead worker's place stays empty: the first time not at all, then 100 ms doubling up to 10 s for as long as
 * each one dies within 10 s of its start.
 */
#ifndef FAIRVISOR_MASTER_RESPAWN_H
#define FAIRVISOR_MASTER_RESPAWN_H

#include <stdint.h>

struct respawn {
    uint32_t quick_deaths; /* in a row */
};

/* Notes that a worker lived for LIVED_NS and returns how many nanoseconds to wait before the next is started. */
int64_t respawn_delay(struct respawn *respawn, int64_t lived_ns);

#endif
