/* SPDX-License-Identifier: MPL-2.0
 *
 * Counters with one writer: see counters.h.
 */
#include "shm/counters.h"

#include <string.h>

const struct counter_row counters_table[COUNTER_COUNT] = {
#define COUNTER(symbol, name, labels, type, help) {name, labels, type, help},
#include "shm/counters.def"
#undef COUNTER
};

const int64_t counters_duration_bounds[COUNTERS_DURATION_BUCKETS - 1] = {
    500, 1000, 2000, 5000, 10000, 25000, 50000, 100000, 1000000, 10000000, 100000000,
};

void counters_duration(struct counter_slot *slot, int64_t ns)
{
    unsigned bucket = 0;
    uint64_t old;

    while (bucket < COUNTERS_DURATION_BUCKETS - 1 && ns > counters_duration_bounds[bucket])
        bucket++;
    old = atomic_load_explicit(&slot->duration_bucket[bucket], memory_order_relaxed);
    atomic_store_explicit(&slot->duration_bucket[bucket], old + 1, memory_order_relaxed);
    old = atomic_load_explicit(&slot->duration_sum_ns, memory_order_relaxed);
    atomic_store_explicit(&slot->duration_sum_ns, old + (uint64_t)(ns > 0 ? ns : 0), memory_order_relaxed);
}

int64_t counters_sum(const struct arena *arena, enum counter counter)
{
    uint64_t sum = 0; /* without a sign: a worker gone mad may have written anything */

    for (unsigned i = 0; i < ARENA_WORKER_SLOTS; i++)
        sum += (uint64_t)atomic_load_explicit(&arena->slots[i].value[counter], memory_order_relaxed);
    return (int64_t)sum;
}

void counters_forget_worker(struct counter_slot *slot)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (!strcmp(counters_table[i].type, "gauge"))
            atomic_store_explicit(&slot->value[i], 0, memory_order_relaxed);
    atomic_store_explicit(&slot->pid, 0, memory_order_release);
}
