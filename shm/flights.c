/* SPDX-License-Identifier: MPL-2.0
 *
 * Notes of flights under way: see flights.h for the order they are written and erased in.
 */
#include "shm/flights.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/correction.h"

#define LONGEST_NS (INT64_C(100000) * NANOSECONDS_PER_SECOND) /* more than a bundle may ask for */

static struct flights_entry *table_of(const struct arena *arena, uint32_t slot)
{
    return arena->flights + (size_t)slot * arena->flights_per_slot;
}

/* ---- the worker --------------------------------------------------------------------------------------------------- */

void flights_open(struct flights *flights, const struct arena *arena, uint32_t slot, int32_t owner)
{
    flights->entries = table_of(arena, slot);
    flights->owner = owner;
    flights->free = FLIGHTS_NONE;
    for (uint32_t i = arena->flights_per_slot; i-- > 0;) {
        flights->next[i] = flights->free;
        flights->free = (uint16_t)i;
    }
}

bool flights_note(struct flights *flights, const struct flight *flight, uint16_t *chain)
{
    uint16_t index = flights->free;

    if (index == FLIGHTS_NONE)
        return false;
    flights->free = flights->next[index];
    flights->next[index] = *chain;
    *chain = index;
    flights->entries[index].flight = *flight;
    atomic_store(&flights->entries[index].owner, flights->owner);
    return true;
}

void flights_erase(struct flights *flights, uint16_t *chain)
{
    while (*chain != FLIGHTS_NONE) {
        uint16_t index = *chain;

        atomic_store(&flights->entries[index].owner, 0);
        *chain = flights->next[index];
        flights->next[index] = flights->free;
        flights->free = index;
    }
}

/* ---- after its death ---------------------------------------------------------------------------------------------- */

static bool is_of(int32_t noted, int32_t owner)
{
    return noted != 0 && (owner == 0 || noted == owner);
}

uint32_t flights_count(const struct arena *arena, uint32_t slot, int32_t owner)
{
    const struct flights_entry *entries = table_of(arena, slot);
    uint32_t count = 0;

    for (uint32_t i = 0; i < arena->flights_per_slot; i++)
        count += is_of(atomic_load(&entries[i].owner), owner);
    return count;
}

/* Dead, and its parent has not looked yet. */
static bool is_zombie(int32_t owner)
{
    char path[32], text[256] = "";
    const char *state = NULL;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)owner);
    file = fopen(path, "re");
    if (!file)
        return false;
    if (fgets(text, sizeof(text), file))
        state = strrchr(text, ')'); /* the end of the name, which may have any byte in it */
    fclose(file);
    return state && (strncmp(state, ") Z", 3) == 0 || strncmp(state, ") X", 3) == 0);
}

/* Whoever is still there keeps what he has noted: during an upgrade two masters hand out slots. */
static bool is_dead(int32_t owner)
{
    return owner < 0 || owner == getpid() || (kill(owner, 0) != 0 && errno == ESRCH) || is_zombie(owner);
}

/* Takes the note away. false when there is none of OWNER, or somebody else was faster. */
static bool take(struct flights_entry *entry, int32_t owner, struct flight *flight)
{
    int32_t noted = atomic_load(&entry->owner);

    if (!is_of(noted, owner) || (owner == 0 && !is_dead(noted)))
        return false;
    *flight = entry->flight;
    return atomic_compare_exchange_strong(&entry->owner, &noted, 0);
}

static enum correction_result land(const struct arena *arena, const struct flight *flight, struct moment now)
{
    struct cell_limit limit = {.kind = CELL_FLIGHT, .capacity = 1, .length_ns = flight->length_ns};

    if (flight->length_ns <= 0 || flight->length_ns > LONGEST_NS || flight->begun_ns < 0)
        return CORRECTION_NOTHING;
    return correction_land(arena, flight->key, &limit, flight->begun_ns, flight->layout, now);
}

void flights_land(const struct arena *arena, uint32_t slot, int32_t owner, struct moment now,
                  struct flights_landing *landing)
{
    struct flights_entry *entries = table_of(arena, slot);
    struct flight flight;

    *landing = (struct flights_landing){.landed = 0};
    for (uint32_t i = 0; i < arena->flights_per_slot; i++) {
        enum correction_result result;

        if (!take(&entries[i], owner, &flight))
            continue;
        result = land(arena, &flight, now);
        landing->landed += result == CORRECTION_DONE;
        landing->late += result == CORRECTION_NOTHING;
        landing->stuck += result == CORRECTION_STUCK;
    }
}
