/* SPDX-License-Identifier: MPL-2.0
 *
 * A cell: what is remembered of one identity under one limit. 64 bytes, one cache line, no pointers.
 *
 * A cell keeps what was SPENT, not what is left: a reload that changes a limit keeps the spent part, and a cell whose spent has
 * come back to zero says nothing a fresh cell would not say, so it can be given to another identity without loss.
 */
#ifndef FAIRVISOR_SHM_CELL_H
#define FAIRVISOR_SHM_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/moment.h"

enum cell_kind {
    CELL_FREE,   /* never used, or cleared */
    CELL_BUCKET, /* token bucket: spent refills steadily */
    CELL_KINDS
};

struct cell {
    uint64_t key[2];    /* keyed hash of the identity */
    int64_t expires_ns; /* boot time from which the cell says nothing any more */
    int64_t spent;      /* millionths, >= 0 */
    int64_t stamp_ns;   /* boot time up to which refill is accounted for; may be negative after a reboot */
    uint32_t remainder; /* billionths of a millionth refilled beyond spent, < 1e9 */
    uint8_t kind;       /* enum cell_kind */
    uint8_t unused[3];
    uint64_t reserved[2];
};

_Static_assert(sizeof(struct cell) == 64, "a cell is one cache line");

/* What a limit asks of a cell. */
struct cell_limit {
    enum cell_kind kind;
    int64_t capacity; /* millionths, > 0 */
    int64_t rate;     /* millionths per second, > 0 */
};

/* Where a cell stands, seen from one request of COST. */
struct cell_view {
    bool fits;
    int64_t remaining; /* millionths before the charge; negative when the limit was lowered */
    int64_t wait_ns;   /* until COST fits; 0 when it does, INT64_MAX when it never will */
    int64_t reset_ns;  /* until the limit is whole again, before the charge */
};

/* Brings CELL up to NOW (a time before its stamp changes nothing). */
void cell_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now);

/* Judges a refreshed cell. */
void cell_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct cell_view *view);

/* Spends COST from a refreshed cell and moves its expiry. */
void cell_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost);

/* Time in which RATE (millionths per second) brings back AMOUNT millionths, in nanoseconds, rounded up; 0 for none. */
int64_t cell_time_to_refill(int64_t amount, int64_t rate);

/* A fresh cell for KEY. */
void cell_init(struct cell *cell, const uint64_t key[2], const struct cell_limit *limit, struct moment now);

/* True when the bytes can be a cell of this arena: a check for what another process left behind. */
bool cell_is_sane(const struct cell *cell);

static inline bool cell_is_reusable(const struct cell *cell, struct moment now)
{
    return cell->kind == CELL_FREE || cell->expires_ns <= now.boot_ns;
}

#endif
