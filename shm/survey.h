/* SPDX-License-Identifier: MPL-2.0
 *
 * Counting the cells in use a part at a time: a walk through gigabytes at once would hold up all that waits for the process.
 */
#ifndef FAIRVISOR_SHM_SURVEY_H
#define FAIRVISOR_SHM_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/arena.h"

/* How far it has come; {0} begins. */
struct survey {
    uint32_t next; /* stripe */
    uint64_t used; /* cells, of those before it */
};

/* Looks at the next STRIPES stripes, without locks. true: that was the last one, USAGE is what all of it came to, and the next step
 * begins anew. */
bool survey_step(struct survey *survey, const struct arena *arena, struct moment now, uint32_t stripes,
                 struct arena_usage *usage);

#endif
