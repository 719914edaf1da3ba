/* SPDX-License-Identifier: MPL-2.0
 *
 * The flights of exchanges that are now under way in one worker, noted in the arena so that they can be given back when the worker
 * dies. In decision service mode a flight belongs to the gateway and is not noted: a worker's death changes nothing there.
 *
 * Each worker slot has a table of its own with one writer. The order is what keeps a limit from ever being exceeded:
 *
 *   admission charges -> flights_note -> ... -> flights_erase -> admission lands
 *
 * A flight that is noted is charged and has not landed. Whoever lands for a dead worker takes the note away first, too (and
 * only if it still stands), so that no flight lands twice whoever dies where. What a crash between two steps costs is one
 * request's flights: those stay charged for their time to live, like those that found their table full.
 *
 * A note bears the process id of its writer: those of a dead worker can be told from those of the one that has taken its
 * slot. Nothing read from a table is used as an index.
 */
#ifndef FAIRVISOR_SHM_FLIGHTS_H
#define FAIRVISOR_SHM_FLIGHTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/moment.h"

#define FLIGHTS_MOST UINT32_C(4096) /* notes of one slot, whatever the arena's size */
#define FLIGHTS_NONE UINT16_MAX

/* What it takes to land one: see cell_land. */
struct flight {
    uint64_t key[2];   /* of the cell */
    int64_t begun_ns;  /* boot time */
    int64_t length_ns; /* time to live */
    uint16_t layout;   /* of the lanes it was noted in */
};

/* One note in the arena. */
struct flights_entry {
    struct flight flight;
    _Atomic int32_t owner; /* process id; 0: no note. Written last, erased first */
};

/* A worker's view of its own table. The caller owns the struct. */
struct flights {
    struct flights_entry *entries;
    int32_t owner;
    uint16_t next[FLIGHTS_MOST]; /* behind each entry in its chain: that of an exchange, or that of the free ones */
    uint16_t free;
};

/* Opens the table of SLOT (below ARENA_WORKER_SLOTS) for the process OWNER. What is noted there is written over: flights_land first. */
void flights_open(struct flights *flights, const struct arena *arena, uint32_t slot, int32_t owner);

/* Notes FLIGHT, which has been charged, and puts the note into *CHAIN (FLIGHTS_NONE: empty). false when the table is full. */
bool flights_note(struct flights *flights, const struct flight *flight, uint16_t *chain);

/* Erases all notes of *CHAIN and empties it. Then the flights may land. */
void flights_erase(struct flights *flights, uint16_t *chain);

/* Notes of the process OWNER (0: of any) in SLOT. */
uint32_t flights_count(const struct arena *arena, uint32_t slot, int32_t owner);

/* What came of a dead worker's notes. */
struct flights_landing {
    uint32_t landed;
    uint32_t late;  /* over already, or their cell is another's or has got other lanes: they come back by time */
    uint32_t stuck; /* the stripe could not be locked: likewise */
};

/* Lands what OWNER, which must be dead, has noted in SLOT; 0: every process that is no more, and whoever had the caller's process id
 * before. Locks stripes: see correction.h for who may. */
void flights_land(const struct arena *arena, uint32_t slot, int32_t owner, struct moment now,
                  struct flights_landing *landing);

#endif
