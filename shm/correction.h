/* SPDX-License-Identifier: MPL-2.0
 *
 * What is done to one cell beside the requests: by an operator's hand, or for a worker that has died. Locks its stripe:
 * only for processes with no more rights than a worker, for what lies in a mutex was written by workers, and locking
 * follows it.
 */
#ifndef FAIRVISOR_SHM_CORRECTION_H
#define FAIRVISOR_SHM_CORRECTION_H

#include <stdint.h>

#include "shm/arena.h"
#include "shm/cell.h"

enum correction_result {
    CORRECTION_DONE,
    CORRECTION_NOTHING, /* the identity has no cell, or nothing is spent: there was nothing to change */
    CORRECTION_STUCK,   /* the stripe could not be locked; nothing was changed */
};

/* Makes the cell of KEY what a fresh one would be: nothing spent, nothing in flight, the breaker closed. Requests that
 * are in flight change nothing when they land, and what they give back then is not taken off what came later. */
enum correction_result correction_reset(const struct arena *arena, const uint64_t key[2],
                                        const struct cell_limit *limit, struct moment now);

/* Gives back AMOUNT millionths (> 0) of what the cell, a bucket or a window, has spent; never more than that. *GIVEN
 * is how much it was. */
enum correction_result correction_grant(const struct arena *arena, const uint64_t key[2],
                                        const struct cell_limit *limit, int64_t amount, struct moment now,
                                        int64_t *given);

/* Lands one request in flight of the FLIGHT cell of KEY whose process has died: see cell_land. The cell keeps its time to live
 * whatever LIMIT says. CORRECTION_NOTHING: it is not in flight any more, or has to come back by time. */
enum correction_result correction_land(const struct arena *arena, const uint64_t key[2],
                                       const struct cell_limit *limit, int64_t begun_ns, uint16_t layout,
                                       struct moment now);

#endif
