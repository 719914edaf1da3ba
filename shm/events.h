/* SPDX-License-Identifier: MPL-2.0
 *
 * The ring of events in the arena: every worker and the master's door write into one, any number of readers look on.
 *
 *     head: next = 7                       a record's state:  serial << 12 | writer << 1 | busy
 *       |
 *       v      0        1        2        3        4        5        6        7 -> 7 mod 8 ...
 *         +--------+--------+--------+--------+--------+--------+--------+--------+
 *         | done 8 | done 9 | done 2 | done 3 | done 4 | BUSY 5 | done 6 |        |
 *         +--------+--------+--------+--------+--------+--------+--------+--------+
 *                      ^ the newest     ^ the oldest       ^ being written, or its writer was killed
 *
 * Writing: take the next serial number (one atomic addition), claim its record (one compare-and-swap to "busy, mine"), copy, say
 * "done". No lock, no waiting, no system call, whoever reads or does not.
 *
 * Why one ring and not one for each of the 128 worker slots: memory goes to where events are, not to idle slots; a reader
 * has one order and one position instead of 128 to merge; and the price of a shared ring, a writer that is killed or stopped in the
 * middle, is paid like this: a record that is busy is never written by anybody else. So two writers are never in one record, and no
 * torn one can be shown. Whoever comes to a busy record (or finds itself overtaken by a whole round) drops its event and
 * counts it. A worker that is killed in the middle thus costs one record, until the next worker of the same slot, which knows
 * that what is busy in its name is not written any more, frees it (events_open).
 *
 * Reading: a copy counts only when the state said "done, of the serial number I wait for" before and after. A serial number that is
 * overdue (its writer was killed or dropped it) is passed over after a while and counted as lost, as is what was written over
 * before it could be read. Indexes come from the size of the mapping, never from bytes in it.
 *
 * The ring is not part of snapshots: it tells what happened lately. What is to be kept belongs into the decision log.
 */
#ifndef FAIRVISOR_SHM_EVENTS_H
#define FAIRVISOR_SHM_EVENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/event.h"

#define EVENTS_WRITER_DOOR ARENA_WORKER_SLOTS /* the master's door; workers write as their slots */
#define EVENTS_WRITERS     (ARENA_WORKER_SLOTS + 1)

struct events_record {
    _Atomic uint64_t state;
    struct event event;
} __attribute__((aligned(64)));

/* What all share, on lines of their own. The log_ fields have one writer, the process of the decision log. */
struct events_head {
    _Atomic uint64_t next __attribute__((aligned(128)));         /* serial number of the next event */
    _Atomic uint64_t log_position __attribute__((aligned(128))); /* serial number of the next one to be logged; so that
                                                                  * a new process goes on where the last one stopped */
    _Atomic uint64_t log_written; /* lines */
    _Atomic uint64_t log_lost, log_withheld, log_failed; /* events without a line: written over in the ring, above the
                                                          * rate, not taken by the target */
} __attribute__((aligned(128)));

#define EVENTS_LOG_OFF UINT64_MAX /* log_position while nothing is logged */

/* One process's right to write. */
struct events_writer {
    const struct arena *arena;
    uint16_t number;
};

/* Begins to write as NUMBER, below EVENTS_WRITERS, which no other living process uses. Frees what a predecessor of that
 * number left half written. Needs a writable arena. */
void events_open(struct events_writer *writer, const struct arena *arena, uint16_t number);

/* Writes EVENT with the writer's number. false: it was dropped. */
bool events_write(const struct events_writer *writer, struct event *event);

/* One reader's place. */
struct events_reader {
    const struct arena *arena;
    uint64_t position;        /* serial number of the next event */
    int64_t waiting_since_ns; /* boot clock: since when that one is overdue; 0 = it is not */
    uint64_t lost;            /* events that were passed over so far */
};

/* Begins at the oldest event that is there, or behind the newest, or at POSITION (0: the first ever). */
void events_begin_oldest(struct events_reader *reader, const struct arena *arena);
void events_begin_newest(struct events_reader *reader, const struct arena *arena);
void events_begin_at(struct events_reader *reader, const struct arena *arena, uint64_t position);

/* Copies the next event. false: there is none yet (NOW_NS, boot clock, serves to know when one is overdue). READER->lost
 * grows by what was passed over before this event. */
bool events_read(struct events_reader *reader, struct event *event, int64_t now_ns);

/* The next one of those that are there: copies the next event before the serial number END (events_count) that can be read at
 * once, passing over all others. false: there is none. */
bool events_read_kept(struct events_reader *reader, uint64_t end, struct event *event);

/* Events written so far; those the ring has room for. */
uint64_t events_count(const struct arena *arena);
uint32_t events_room(const struct arena *arena);

#endif
