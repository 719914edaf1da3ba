/* SPDX-License-Identifier: MPL-2.0
 *
 * Where the parts of an arena lie: arena.h draws them.
 */
#include "shm/arena_layout.h"

#include "shm/kills.h"
#include "shm/siphash.h"

#define SERIES_SHARE  64 /* one part in so many of the arena is for series */
#define EVENTS_SHARE  16 /* one part in so many of it is for events */
#define EVENTS_MOST   (UINT32_C(1) << 18)
#define FLIGHTS_SHARE 32 /* one part in so many of it is for flights */

uint64_t arena_layout_hash(void)
{
    static const uint64_t key[2] = {ARENA_MAGIC, 1};
    const uint64_t facts[] = {ARENA_HEADER_SIZE,   sizeof(struct arena_header), sizeof(struct arena_status),
                              ARENA_WORKER_SLOTS,  sizeof(struct counter_slot), COUNTER_COUNT,
                              sizeof(struct series), sizeof(struct kills),  sizeof(struct stripe),     STRIPE_CELLS,
                              sizeof(struct cell), CELL_KINDS,                  sizeof(pthread_mutex_t), CELL_KEY_FORM,
                              EVENTS_SHARE,        sizeof(struct events_head),  sizeof(struct events_record),
                              EVENT_ACTIONS,       EVENT_TEXTS,                 EVENT_ROOM,
                              FLIGHTS_SHARE,       FLIGHTS_MOST,                sizeof(struct flights_entry)};
    uint64_t out[2];

    siphash_of(key, facts, sizeof(facts), out);
    return out[0];
}

static uint64_t aligned(uint64_t offset)
{
    return (offset + 127) & ~UINT64_C(127);
}

static uint32_t series_for(uint64_t size)
{
    uint64_t wanted = size / SERIES_SHARE / sizeof(struct series);
    uint32_t count = 1024;

    while (count * UINT64_C(2) <= wanted && count < (UINT32_C(1) << 22))
        count *= 2;
    return count;
}

static uint32_t events_for(uint64_t size)
{
    uint64_t wanted = size / EVENTS_SHARE / sizeof(struct events_record);
    uint32_t count = 1024;

    while (count * UINT64_C(2) <= wanted && count < EVENTS_MOST)
        count *= 2;
    return count;
}

static uint32_t flights_for(uint64_t size)
{
    uint64_t wanted = size / FLIGHTS_SHARE / ARENA_WORKER_SLOTS / sizeof(struct flights_entry);

    return wanted < FLIGHTS_MOST ? (uint32_t)wanted : FLIGHTS_MOST;
}

void arena_layout_divide(struct arena *arena, unsigned char *base, uint64_t size)
{
    uint64_t slots_at = ARENA_HEADER_SIZE;
    uint64_t kills_at = aligned(slots_at + ARENA_WORKER_SLOTS * sizeof(struct counter_slot));
    uint64_t series_at = aligned(kills_at + sizeof(struct kills));
    uint64_t events_at, flights_at, stripes_at;

    arena->header = (struct arena_header *)(void *)base;
    arena->size = size;
    arena->slots = (struct counter_slot *)(void *)(base + slots_at);
    arena->kills = (struct kills *)(void *)(base + kills_at);
    arena->series = (struct series *)(void *)(base + series_at);
    arena->series_count = series_for(size);
    events_at = aligned(series_at + arena->series_count * sizeof(struct series));
    arena->events_head = (struct events_head *)(void *)(base + events_at);
    arena->events = (struct events_record *)(void *)(base + events_at + sizeof(struct events_head));
    arena->event_count = events_for(size);
    flights_at = aligned(events_at + sizeof(struct events_head) + arena->event_count * sizeof(struct events_record));
    arena->flights = (struct flights_entry *)(void *)(base + flights_at);
    arena->flights_per_slot = flights_for(size);
    stripes_at =
        aligned(flights_at + (uint64_t)ARENA_WORKER_SLOTS * arena->flights_per_slot * sizeof(struct flights_entry));
    arena->stripes = base + stripes_at;
    arena->stripe_count = (uint32_t)((size - stripes_at) / sizeof(struct stripe));
}
