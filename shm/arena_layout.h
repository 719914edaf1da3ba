/* SPDX-License-Identifier: MPL-2.0
 *
 * The bytes of the arena's header and where its parts lie: for those that walk through its cells.
 */
#ifndef FAIRVISOR_SHM_ARENA_LAYOUT_H
#define FAIRVISOR_SHM_ARENA_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/counters.h"
#include "shm/events.h"
#include "shm/flights.h"
#include "shm/series.h"
#include "shm/stripe.h"

#define ARENA_HEADER_SIZE 4096
#define ARENA_MAGIC       UINT64_C(0x31616e6572617666) /* "fvarena1" */

struct arena_header {
    _Atomic uint64_t magic; /* written last by the creator */
    uint64_t layout;        /* hash of everything a reader must agree on */
    uint64_t size;
    uint32_t series_count;
    uint32_t stripe_count;
    uint32_t event_count;
    uint64_t hash_key[2];
    /* live: sequence lock, odd while the master writes */
    _Atomic uint32_t status_sequence;
    struct arena_status status;
};

_Static_assert(sizeof(struct arena_header) <= ARENA_HEADER_SIZE, "the header outgrew its page");

/* Which stripe a key lives in: the high bits of its first word, spread over any number of stripes. */
static inline uint32_t arena_stripe_of(const struct arena *arena, const uint64_t key[2])
{
    return (uint32_t)(((key[0] >> 32) * arena->stripe_count) >> 32);
}

static inline struct stripe *arena_stripe(const struct arena *arena, uint32_t index)
{
    return (struct stripe *)(void *)(arena->stripes + (size_t)index * sizeof(struct stripe));
}

/* Everything that two builds must agree on to share an arena, in one number. */
uint64_t arena_layout_hash(void);

/* Fills in where the parts of an arena of SIZE bytes at BASE lie. Reads and writes nothing of the arena itself. */
void arena_layout_divide(struct arena *arena, unsigned char *base, uint64_t size);

#endif
