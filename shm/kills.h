/* SPDX-License-Identifier: MPL-2.0
 *
 * Kill switches that an operator set by hand, beside those of the bundle: a small table in the arena, written by the
 * master alone, read by every worker when its sequence number has changed. To look whether it has is one relaxed load.
 *
 * What is read is a copy, made safe: the memory is writable by every worker, and one of them may have gone mad.
 */
#ifndef FAIRVISOR_SHM_KILLS_H
#define FAIRVISOR_SHM_KILLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/door.h"

#define KILLS_MAX   64
#define KILLS_NEVER INT64_MAX            /* an expires_at that is not given */
#define KILLS_LAST  INT64_C(253402300799) /* the last second of the year 9999 */

/* Texts are terminated, and as switch_words_parse spells them. */
struct kills_row {
    int64_t expires_at; /* seconds since 1970, as everywhere in bundles */
    int64_t made_at;
    char key[DOOR_KEY_SIZE];
    char value[DOOR_VALUE_SIZE];
    char route[DOOR_ROUTE_SIZE]; /* empty: every path */
    char reason[DOOR_REASON_SIZE];
};

struct kills_table {
    uint32_t count;
    struct kills_row rows[KILLS_MAX];
};

/* In the arena. */
struct kills {
    _Atomic uint32_t sequence; /* odd while the master writes */
    struct kills_table table;
};

/* Publishes TABLE for all processes. Master only. */
void kills_publish(const struct arena *arena, const struct kills_table *table);

/* Number of the table as it stands now; changes with every kills_publish. */
uint32_t kills_sequence(const struct arena *arena);

/* Copies the table; *SEQUENCE is its number. false, with TABLE in no certain state, while the master is writing. */
bool kills_read(const struct arena *arena, struct kills_table *table, uint32_t *sequence);

/* Bounds the count and the times, and terminates every text. */
void kills_tame(struct kills_table *table);

#endif
