/* SPDX-License-Identifier: MPL-2.0
 *
 * All-or-nothing admission over many cells: find them, lock their stripes in order, judge all, then debit all or none. Nothing
 * in here blocks (but for a stopped lock holder, bounded), allocates, logs or reads a clock.
 */
#ifndef FAIRVISOR_SHM_ADMISSION_H
#define FAIRVISOR_SHM_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/cell.h"

/* One limit that a request has to pass. The caller fills the first part, admission the second. */
struct charge {
    uint64_t key[2];
    struct cell_limit limit;
    int64_t cost;           /* millionths; negative: gives back */
    int64_t begun_ns;       /* with a negative cost: boot time at which the request that ends now began; BUCKET: stamp of the cell then */
    uint16_t layout;        /* FLIGHT, likewise: of the lanes it was noted in */
    int64_t window_end_s;   /* WINDOW with a negative cost: end of the window that was charged; a later one gives nothing back */
    uint32_t group;         /* 0: enforced; n: shadow policy n, whose charges stand together in the array */
    uint32_t excuse;        /* 1 + index of a charge that, when it fits, is made in the place of this one; 0: none */
    bool never_refuses;     /* counted whether it fits or not: a settlement, a warning; opens no breaker */
    bool admits_when_full;  /* no cell to be had: pass uncounted instead of refusing */
    bool is_unserved;       /* a settlement of a limit that is not known any more: LIMIT has its kind only, see cell_correct */

    struct cell_view view;  /* before the charge */
    struct cell refreshed;  /* what was judged: a copy of the cell, or a fresh one, brought up to now */
    bool is_fresh;          /* there was no cell of this identity and kind */
    bool is_idle;           /* an excuse that does not hold, or a charge whose excuse does */
    bool refuses;           /* it does not fit, and that matters */
    bool is_held_back;      /* another charge of its group refuses */
    bool has_no_room;       /* the identity is new and its stripe is full of live cells; unserved: no cell is left to correct */
    uint32_t stripe;
    uint32_t cell;          /* STRIPE_NO_CELL: a fresh one */
};

struct admission {
    bool is_admitted;  /* no charge of group 0 refuses */
    bool is_stuck;     /* a stripe could not be locked: nothing was judged or charged */
    uint32_t created;  /* cells given to new identities ... */
    uint32_t reused;   /* ... of which so many had belonged to another */
    uint32_t no_room;  /* charges that found no cell */
    uint64_t repaired; /* cells restored after another process died */
};

/* Judges CHARGES at NOW. When none of group 0 refuses, debits them in the order they stand in, and each other group that passes as
 * a whole. A breaker that has to open does so in any case. ORDER is scratch for COUNT numbers. No two charges may have the
 * same key. */
void admission_take(const struct arena *arena, struct charge *charges, uint64_t *order, size_t count, struct moment now,
                    struct admission *admission);

/* Judges without locking or changing anything; for a look from outside. ARENA may be NULL: every cell is fresh then. */
void admission_look(const struct arena *arena, struct charge *charges, size_t count, struct moment now,
                    struct admission *admission);

#endif
