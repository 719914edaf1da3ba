/* SPDX-License-Identifier: MPL-2.0
 *
 * Labelled counters: see series.h. Lock-free: a slot is claimed by one compare-and-swap of its key, so there is no state that a
 * killed process could leave half made.
 */
#include "shm/series.h"

#include "shm/siphash.h"

#define OVERFLOW_KEY UINT64_C(1)

static uint64_t key_of(const struct arena *arena, struct slice metric, const struct slice *labels, size_t count)
{
    struct siphash hash;
    uint64_t out[2];

    siphash_init(&hash, arena_hash_key(arena));
    siphash_update_value(&hash, metric);
    for (size_t i = 0; i < count; i++)
        siphash_update_value(&hash, labels[i]);
    siphash_final(&hash, out);
    return out[0] <= OVERFLOW_KEY ? OVERFLOW_KEY + 1 : out[0];
}

/* The slot that holds KEY or, when CLAIM, has just been given to it; NULL when there is none. */
static struct series *find(const struct arena *arena, uint64_t key, bool claim)
{
    uint32_t mask = arena->series_count - 1;

    /* Slot 0 is the overflow series. */
    for (uint32_t i = 0; i < arena->series_count; i++) {
        uint32_t index = (uint32_t)(key + i) & mask;
        struct series *series = &arena->series[index];
        uint64_t found = atomic_load_explicit(&series->key, memory_order_relaxed);

        if (index == 0)
            continue;
        if (found == key)
            return series;
        if (found != 0)
            continue;
        if (!claim)
            return NULL;
        if (atomic_compare_exchange_strong(&series->key, &found, key) || found == key)
            return series;
    }
    return NULL;
}

struct series *series_take(const struct arena *arena, struct slice metric, const struct slice *labels, size_t count)
{
    struct series *series = find(arena, key_of(arena, metric, labels, count), true);

    return series ? series : &arena->series[0];
}

uint64_t series_read(const struct arena *arena, struct slice metric, const struct slice *labels, size_t count)
{
    const struct series *series = find(arena, key_of(arena, metric, labels, count), false);

    return series ? atomic_load_explicit(&series->value, memory_order_relaxed) : 0;
}

uint64_t series_overflow(const struct arena *arena)
{
    return atomic_load_explicit(&arena->series[0].value, memory_order_relaxed);
}
