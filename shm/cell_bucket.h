/* SPDX-License-Identifier: MPL-2.0
 *
 * What others may ask about token buckets in general.
 */
#ifndef FAIRVISOR_SHM_CELL_BUCKET_H
#define FAIRVISOR_SHM_CELL_BUCKET_H

#include "shm/cell.h"

/* Time in which a bucket brings back AMOUNT millionths, in nanoseconds, rounded up; 0 for none. */
int64_t cell_bucket_time(const struct cell_limit *limit, int64_t amount);

#endif
