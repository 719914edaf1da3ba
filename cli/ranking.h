/* SPDX-License-Identifier: MPL-2.0
 *
 * Who is limited and who spends: events added up by identity (policy, rule, values of its keys) or by rule. Bounded: when there are
 * more identities than places, one that did little and long ago makes room. Sampled events count as many times as they
 * stand for, so that sums are right on average. What a request cost is what its settlement says, once there is one, and counts for
 * the time when it was let through.
 */
#ifndef FAIRVISOR_CLI_RANKING_H
#define FAIRVISOR_CLI_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/events.h"

#define RANKING_ROWS      4096
#define RANKING_PLACES    (4 * RANKING_ROWS)
#define RANKING_WINDOW_NS INT64_C(10000000000) /* rates are those of about so long */

/* What is counted: ROW(symbol, name); costs in millionths. */
#define RANKING_COUNT_ROWS(ROW)          \
    ROW(REJECTS, "rejects")              \
    ROW(WOULD_REJECTS, "would_rejects")  \
    ROW(ALLOWS, "allows")                \
    ROW(COST, "cost")

enum ranking_count {
#define RANKING_COUNT_SYMBOL(symbol, name) RANKING_##symbol,
    RANKING_COUNT_ROWS(RANKING_COUNT_SYMBOL)
#undef RANKING_COUNT_SYMBOL
    RANKING_COUNTS
};

/* In order of importance when it is chosen. */
enum ranking_order { RANKING_BY_REJECTS, RANKING_BY_COST, RANKING_BY_FILL, RANKING_BY_ALLOWS, RANKING_ORDERS };

struct ranking_row {
    uint64_t key; /* 0: a free place */
    struct event last;         /* with the cells of an earlier one, when it tells none */
    int64_t since_ns;          /* wall clock of the first one */
    int64_t total[RANKING_COUNTS];
    int64_t now[RANKING_COUNTS], before[RANKING_COUNTS]; /* in the window and the one before it */
    int64_t window;                                      /* number of the window */
    int64_t limit, remaining;                            /* millionths, as last told, or read by fill.h; limit 0: unknown */
};

/* Which row a cell is counted for. */
struct ranking_place {
    uint64_t cell; /* half of its key; 0: a free place */
    uint64_t key;  /* of the row */
};

struct ranking {
    bool by_rule;
    uint64_t hash_key[2];
    struct ranking_row rows[RANKING_ROWS];
    struct ranking_place places[RANKING_PLACES];
};

/* Begins with nothing. HASH_KEY is random, so that nobody can choose who shares a place. */
void ranking_init(struct ranking *ranking, bool by_rule, const uint64_t hash_key[2]);

void ranking_add(struct ranking *ranking, const struct event *event);

/* Adds what the ring of ARENA holds now to IDENTITIES and to RULES (NULL: to one only). */
void ranking_read(struct ranking *identities, struct ranking *rules, const struct arena *arena);

/* The row of the identity or the rule that EVENT is about; NULL when there is none. */
struct ranking_row *ranking_find(struct ranking *ranking, const struct event *event);

/* Fills ROWS with the first of all, in ORDER at NOW_NS (wall clock); returns how many there are, at most ROOM. */
size_t ranking_sort(const struct ranking *ranking, enum ranking_order order, int64_t now_ns,
                    const struct ranking_row **rows, size_t room);

/* Of COUNT in the last window, in thousandths of a second's share: 1500 is one and a half in a second. */
int64_t ranking_rate(const struct ranking_row *row, enum ranking_count count, int64_t now_ns);

/* How much of the limit is used, in percent: 0 to 999; -1 unknown. */
int ranking_fill(const struct ranking_row *row);

const char *ranking_order_name(enum ranking_order order);

#endif
