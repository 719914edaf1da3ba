/* SPDX-License-Identifier: MPL-2.0
 *
 * Memory that is taken piece by piece and freed at once.
 */
#ifndef FAIRVISOR_POLICY_REGION_H
#define FAIRVISOR_POLICY_REGION_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slice.h"

struct region;

/* An empty region, owned by the caller; NULL when memory is out. */
struct region *region_new(void);

/* Frees the region and all that was taken from it. NULL is fine. */
void region_free(struct region *region);

/* COUNT times SIZE zeroed bytes, aligned for any type, alive until region_free. NULL when memory is out or the product
 * overflows; never NULL for a count of 0. */
void *region_take(struct region *region, size_t count, size_t size);

/* Copies TEXT into the region. false when memory is out. */
bool region_copy(struct region *region, struct slice text, struct slice *copy);

#endif
