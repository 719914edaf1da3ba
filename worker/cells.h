/* SPDX-License-Identifier: MPL-2.0
 *
 * How many cells of shared memory are in use, for the metrics page. Of a large arena they are counted between requests, a part in each
 * turn of the loop, and the page tells what the last count came to.
 */
#ifndef FAIRVISOR_WORKER_CELLS_H
#define FAIRVISOR_WORKER_CELLS_H

#include "worker/worker.h"

/* Begins the first count of a large arena. */
void cells_open(struct worker *worker);

/* What was counted last; begins to count anew when that is old. */
const struct arena_usage *cells_look(struct worker *worker);

#endif
