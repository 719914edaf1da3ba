/* SPDX-License-Identifier: MPL-2.0
 *
 * Counters with one writer: each worker slot of the arena holds one of every counter in counters.def and the histogram of
 * decision times. A slot is inherited by the worker that takes the place of a dead one, so that no sum ever falls; gauges are
 * set back by the master when a worker is gone. Nothing here locks: relaxed loads and stores.
 */
#ifndef FAIRVISOR_SHM_COUNTERS_H
#define FAIRVISOR_SHM_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "shm/arena.h"

enum counter {
#define COUNTER(symbol, name, labels, type, help) COUNTER_##symbol,
#include "shm/counters.def"
#undef COUNTER
    COUNTER_COUNT
};

struct counter_row {
    const char *name;   /* Prometheus name */
    const char *labels; /* without braces; empty for none */
    const char *type;   /* "counter" or "gauge" */
    const char *help;
};

/* One row for each enum counter, in order. */
extern const struct counter_row counters_table[COUNTER_COUNT];

/* Upper bounds of the decision time histogram, in nanoseconds; the last bucket is +Inf. */
#define COUNTERS_DURATION_BUCKETS 12
extern const int64_t counters_duration_bounds[COUNTERS_DURATION_BUCKETS - 1];

struct counter_slot {
    _Atomic int64_t value[COUNTER_COUNT];
    _Atomic uint64_t duration_bucket[COUNTERS_DURATION_BUCKETS]; /* not cumulative */
    _Atomic uint64_t duration_sum_ns;
    _Atomic int32_t pid; /* of the worker in this slot; 0 = empty */
    _Atomic uint32_t generation;
    _Atomic uint32_t beats; /* grows as long as the worker's loop turns: HANDOFF_BEATS times in worker_hang_timeout */
} __attribute__((aligned(128)));

/* Adds to a counter of the caller's own slot (the only writer of it). */
static inline void counters_add(struct counter_slot *slot, enum counter counter, int64_t amount)
{
    int64_t old = atomic_load_explicit(&slot->value[counter], memory_order_relaxed);

    atomic_store_explicit(&slot->value[counter], old + amount, memory_order_relaxed);
}

/* Says that the worker of the caller's own slot is alive. */
static inline void counters_beat(struct counter_slot *slot)
{
    uint32_t old = atomic_load_explicit(&slot->beats, memory_order_relaxed);

    atomic_store_explicit(&slot->beats, old + 1, memory_order_relaxed);
}

/* Records the time one decision took. */
void counters_duration(struct counter_slot *slot, int64_t ns);

/* Sum of a counter over all slots. */
int64_t counters_sum(const struct arena *arena, enum counter counter);

/* Sets a dead worker's gauges back to zero and empties its slot. Master only. */
void counters_forget_worker(struct counter_slot *slot);

#endif
