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
    CELL_BUCKET, /* token bucket: spent comes back steadily */
    CELL_WINDOW, /* calendar window: spent comes back whole when the window ends */
    CELL_COUNT,  /* window that begins with its first request and ends a fixed time later */
    CELL_FLIGHT, /* requests in flight: each comes back by hand or after a time of its own */
    CELL_BREAKER, /* spending of about a minute; opens when it grows too fast */
    CELL_KINDS
};

/* How identities become keys: another number in each build that makes others of them. What counters were kept under those is refused,
 * an arena as well as a snapshot. */
#define CELL_KEY_FORM     2
#define CELL_PER_SECOND   NANOSECONDS_PER_SECOND
#define CELL_PER_MINUTE   (60 * NANOSECONDS_PER_SECOND)
#define CELL_FLIGHT_LANES 4

struct cell {
    uint64_t key[2];    /* keyed hash of the identity */
    int64_t expires_ns; /* boot time from which the cell says nothing any more */
    int64_t spent;      /* millionths; a charge at settlement may bring it beyond any limit */
    int64_t stamp_ns;   /* boot time the cell was brought up to; may be negative after a reboot */
    uint32_t lane_ms;   /* FLIGHT: length of a lane in milliseconds */
    uint8_t kind;       /* enum cell_kind */
    uint8_t calendar;   /* WINDOW: which calendar the window is of */
    uint16_t layout;    /* FLIGHT: stands for the moment its lanes got their length */
    union {
        struct {
            int64_t remainder; /* BUCKET: millionths times per_ns refilled beyond spent, < per_ns */
            int64_t whole_ns;  /* BUCKET: boot time, as its stamp, when nothing was spent last; 0 = unknown */
        };
        struct {
            int64_t window_end_s; /* WINDOW: wall-clock seconds */
            int64_t reset_ns;     /* WINDOW: boot time it was made whole by hand, see cell_mark_reset; 0 = never */
        };
        uint32_t lanes[CELL_FLIGHT_LANES]; /* FLIGHT: requests begun in each part of the time to live */
        struct {
            int64_t opened_ns; /* boot time the breaker opened; 0 = closed */
            int64_t previous;  /* spent in the minute before the one that begins at stamp_ns */
        } breaker;
    } of;
};

_Static_assert(sizeof(struct cell) == 64, "a cell is one cache line");

/* What a limit asks of a cell. Amounts are millionths. */
struct cell_limit {
    enum cell_kind kind;
    int64_t capacity;     /* > 0 */
    int64_t rate;         /* BUCKET: so much comes back, > 0, ... */
    int64_t per_ns;       /* BUCKET: ... in so much time: CELL_PER_SECOND or CELL_PER_MINUTE */
    int64_t window_end_s; /* WINDOW: end of the window that now lies in, wall-clock seconds */
    int64_t length_ns;    /* COUNT: of the window; FLIGHT: time to live of one request; BREAKER: open for so long, 0 = until
                           * it is closed by hand */
    uint8_t calendar;     /* WINDOW: stands for period and time zone, so that a reload that changes either is seen */
};

/* Where a cell stands, seen from one request of some cost. */
struct cell_view {
    bool fits;
    bool trips; /* BREAKER: it does not fit, and the cell must be changed all the same: see cell_trip */
    int64_t remaining; /* millionths before the charge; negative when the limit was lowered or a settlement overdrew */
    int64_t wait_ns;   /* until the cost fits; 0 when it does, INT64_MAX when it never will */
    int64_t reset_ns;  /* until the limit is whole again, were the request charged when it fits */
    int64_t window_end_s; /* WINDOW: end of the window that it would be charged to */
    uint16_t layout;      /* FLIGHT: of the lanes that it would be noted in */
};

/* Brings CELL up to NOW. A time before its stamp changes nothing: it neither refills nor takes away. */
void cell_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now);

/* Judges a refreshed cell. */
void cell_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                struct cell_view *view);

/* Spends COST (negative: gives it back, never below nothing spent) on a refreshed cell and moves its expiry. */
void cell_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now);

/* The same, where VIEW is what cell_judge said of this cell, limit, cost and moment: what that worked out is not worked out again. */
void cell_debit_judged(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                       const struct cell_view *view);

/* Opens the breaker of a refreshed cell whose view trips. */
void cell_trip(struct cell *cell, const struct cell_limit *limit, struct moment now);

/* Gives back AMOUNT (> 0) of what a refreshed BREAKER cell spent in the minute that lies at BEGUN_NS (boot time), never more than was
 * spent there. A minute that no sliding minute covers any more stays as it is. */
void cell_give_back(struct cell *cell, int64_t amount, int64_t begun_ns);

/* Takes one request that began at BEGUN_NS (boot time) and was noted in lanes of LAYOUT out of a refreshed FLIGHT cell. false when
 * its time to live had already done so, or has been changed since: then it comes back by time alone. */
bool cell_land(struct cell *cell, const struct cell_limit *limit, int64_t begun_ns, uint16_t layout);

/* Spends COST (negative: gives it back) on a cell whose limit nobody knows any more, and leaves it to be brought up to now by whoever
 * knows it again: what it says then is what it would have said, had the limit been known all the time. BEGUN_NS and LAYOUT as for
 * cell_give_back and cell_land. false, and nothing is changed, when it no longer says for how long a cost would have to be kept. */
bool cell_correct(struct cell *cell, int64_t cost, int64_t begun_ns, uint16_t layout, struct moment now);

/* Notes that a fresh cell takes the place of one that was made whole by hand at NOW. What was charged before is forgotten with it:
 * cell_forgets says so of a charge of BEGUN_NS (boot time), of which nothing can be given back any more. Other kinds than WINDOW need
 * no note: a bucket knows since when it is whole, a breaker which minutes it has, and what is in flight when it began. */
void cell_mark_reset(struct cell *cell, struct moment now);
bool cell_forgets(const struct cell *cell, int64_t begun_ns);

/* Moves a sane cell's times by SHIFT nanoseconds, to those of another boot; it may be sane no more then. false when the cell has no
 * meaning there: it never had one, or what was in flight before a reboot is not any more. */
bool cell_shift(struct cell *cell, int64_t shift);

/* A fresh cell for KEY. */
void cell_init(struct cell *cell, const uint64_t key[2], const struct cell_limit *limit, struct moment now);

/* True when the bytes can be a cell of this arena: a check for what another process left behind. */
bool cell_is_sane(const struct cell *cell);

/* True when the cell says nothing that a fresh one would not say. A calendar window must be over by both clocks: the wall clock
 * may have gone back. */
static inline bool cell_is_reusable(const struct cell *cell, struct moment now)
{
    if (cell->kind == CELL_FREE)
        return true;
    return cell->expires_ns <= now.boot_ns &&
           (cell->kind != CELL_WINDOW || cell->of.window_end_s <= now.wall_ns / NANOSECONDS_PER_SECOND);
}

#endif
