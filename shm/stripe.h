/* SPDX-License-Identifier: MPL-2.0
 *
 * A stripe: one mutex, the cells it guards, and what is needed to find and to repair them.
 *
 *   +-------+------------------+-----------------+--------------------------+
 *   | mutex | undo: index,     | tags: 1 byte    | cells: 64 bytes each     |
 *   |       | tag, old cell    | per cell        |                          |
 *   +-------+------------------+-----------------+--------------------------+
 *
 * The mutex is robust: a holder that dies hands it to the next with EOWNERDEAD, and stripe_lock repairs before it returns. A
 * cell is changed only between stripe_change_begin and stripe_change_end, which keep its old bytes in the undo slot: the
 * repair puts them back, so that a cell is always one state or the other, never half of each.
 *
 * Tags are an open-addressed table over the stripe: a tag is 0 for a cell never used, else 0x80 and seven bits of the key. A key is
 * searched from its home, eight tags at a time, up to the first word that holds an unused tag. Used tags never become unused
 * again, so a search never ends too early; a cell whose content has expired is given to a new key with a new tag.
 */
#ifndef FAIRVISOR_SHM_STRIPE_H
#define FAIRVISOR_SHM_STRIPE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/cell.h"

#define STRIPE_CELLS   512
#define STRIPE_NO_CELL UINT32_MAX

struct stripe {
    pthread_mutex_t mutex;
    _Atomic uint64_t undo; /* what is under change, and how many changes there were: see stripe.c */
    _Atomic int64_t stuck_until_ns; /* CLOCK_MONOTONIC until which nobody waits for this holder again; 0: he is not stopped */
    _Atomic int64_t full_until_ns; /* boot time before which no cell can be reused; 0 = unknown */
    struct cell undo_cell;
    uint8_t tags[STRIPE_CELLS];
    struct cell cells[STRIPE_CELLS];
} __attribute__((aligned(128)));

enum stripe_lock_result {
    STRIPE_LOCKED,
    STRIPE_STUCK, /* not locked: the holder did not let go in time, or the mutex is beyond repair */
};

/* Makes an empty stripe in zeroed memory. 0 or an errno. */
int stripe_init(struct stripe *stripe);

/* Has the memory that a change of KEY's cell will touch fetched, without waiting for it. */
void stripe_prefetch(const struct stripe *stripe, const uint64_t key[2]);

/* Locks and, when the last holder died, repairs; *REPAIRED grows by the cells restored or cleared. Waits at most
 * STRIPE_DEADLINE_MS for a holder that is stopped. */
#define STRIPE_DEADLINE_MS 50
enum stripe_lock_result stripe_lock(struct stripe *stripe, uint64_t *repaired);
void stripe_unlock(struct stripe *stripe);

/* ---- with the lock held (some of it also without, for an estimate) ------------------------------------------------ */

/* Index of the cell of KEY, or STRIPE_NO_CELL. */
uint32_t stripe_find(const struct stripe *stripe, const uint64_t key[2]);

/* Index of a cell that KEY may be given, nearest to its home: unused or reusable at NOW, and not among the COUNT indexes in
 * TAKEN. STRIPE_NO_CELL when the stripe is full of live cells. */
uint32_t stripe_find_room(struct stripe *stripe, const uint64_t key[2], struct moment now, const uint32_t *taken,
                          size_t count);

/* Whether stripe_find_room finds one for KEY at NOW, with nothing taken. Also without the lock, for an estimate. */
bool stripe_has_room(const struct stripe *stripe, const uint64_t key[2], struct moment now);

/* Between these two the caller may change the cell. Begin also sets the tag for KEY. */
struct cell *stripe_change_begin(struct stripe *stripe, uint32_t index, const uint64_t key[2]);
void stripe_change_end(struct stripe *stripe);

/* ---- without the lock --------------------------------------------------------------------------------------------- */

/* Copies one cell as it stands between two changes, however its writer is faring: a cell under change is copied from the undo
 * slot. For readers who must not touch the mutex. false for a cell never used. */
bool stripe_copy_cell(const struct stripe *stripe, uint32_t index, struct cell *copy);

/* ---- with the lock held again ------------------------------------------------------------------------------------- */

/* Clears every cell that cannot be true; returns how many. */
uint64_t stripe_audit(struct stripe *stripe);

#endif
