/* SPDX-License-Identifier: MPL-2.0
 *
 * Snapshots of the counters every so often, each written by a child process, so that a slow disk never delays anything.
 */
#ifndef FAIRVISOR_MASTER_SNAPSHOTS_H
#define FAIRVISOR_MASTER_SNAPSHOTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/loop.h"
#include "shm/arena.h"
#include "shm/failure.h"
#include "shm/settings.h"

/* What a child reports through its pipe. */
struct snapshots_report {
    uint32_t is_written; /* 0 or 1 */
    uint64_t cells;
    int64_t taken_at_ns; /* wall clock */
    char sentence[512];  /* why not */
};

struct snapshots {
    struct loop *loop;
    const struct arena *arena;
    char instance[SETTINGS_NAME_SIZE];
    char path[PATH_MAX];
    int64_t interval_ns; /* 0 = off */
    int64_t next_at_ns;  /* boot clock */
    pid_t pid;           /* of the child at work; 0 = none */
    int fd;              /* its pipe; -1 */
    bool is_cancelled;
    int64_t complained_at_ns; /* boot clock of the last line about a failure; 0 = none yet */
    int64_t last_ns;          /* wall clock of the last snapshot; 0 = never */
    bool has_failed;          /* the last one */
    uint64_t failures;
    bool has_changed; /* the three above did: whoever publishes them clears this */
};

/* Sets up the clock. Nothing is written before snapshots_schedule. */
void snapshots_init(struct snapshots *snapshots, struct loop *loop, const struct arena *arena,
                    const struct settings *settings);

/* Writes one every SETTINGS->snapshot_interval_ms from now on; 0 stops it. */
void snapshots_schedule(struct snapshots *snapshots, const struct settings *settings);

/* Waits for a child at work, then writes the last snapshot in this process. false with the reason. */
bool snapshots_finish(struct snapshots *snapshots, struct failure *failure);

/* Ends a child at work without waiting for its disk. */
void snapshots_cancel(struct snapshots *snapshots);

#endif
