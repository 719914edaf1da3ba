/* SPDX-License-Identifier: MPL-2.0
 *
 * Counters whose labels come from the bundle (policy id, rule name, reason): a fixed table of {key, value} in the arena, found
 * by the keyed hash of metric name and labels, shared by all workers (atomic adds), never removed, so that they survive
 * reloads. A reader who knows the bundle knows the labels and asks for each. When the table is full the addition goes
 * to the series of overflow, which the metrics page shows.
 */
#ifndef FAIRVISOR_SHM_SERIES_H
#define FAIRVISOR_SHM_SERIES_H

#include <stdatomic.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/slice.h"

struct series {
    _Atomic uint64_t key; /* 0 = free */
    _Atomic uint64_t value;
};

/* Finds or makes the series of METRIC and its label values. Never NULL (the overflow series when the table is full);
 * the pointer lives as long as the mapping. Needs a writable arena. */
struct series *series_take(const struct arena *arena, struct slice metric, const struct slice *labels, size_t count);

/* Value of a series; 0 when it was never made. Works on a read-only arena. */
uint64_t series_read(const struct arena *arena, struct slice metric, const struct slice *labels, size_t count);

/* What went to the overflow series. */
uint64_t series_overflow(const struct arena *arena);

static inline void series_add(struct series *series, uint64_t amount)
{
    atomic_fetch_add_explicit(&series->value, amount, memory_order_relaxed);
}

#endif
