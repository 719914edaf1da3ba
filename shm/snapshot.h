/* SPDX-License-Identifier: MPL-2.0
 *
 * Counters on disk, for the day when the shared memory is gone (a reboot). One file: header with magic, layout, instance, hash
 * key, boot id, both clocks; the live cells; a checksum over all of it. Written to a temporary file, synced, renamed, the folder
 * synced; the file before is kept as "<path>.previous". A torn, altered or foreign file is refused, never half used.
 */
#ifndef FAIRVISOR_SHM_SNAPSHOT_H
#define FAIRVISOR_SHM_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/failure.h"
#include "shm/moment.h"
#include "shm/slice.h"

/* Copies every live cell, without locking anything, and writes them to PATH. Blocks on the disk: call it in a child
 * process. *CELLS counts the cells written. */
bool snapshot_write(const struct arena *arena, const char *instance, const char *path, struct moment now,
                    uint64_t *cells, struct failure *failure);

struct snapshot; /* a file, read and checked, in memory */

/* Reads and checks PATH. NULL with failure->code EXIT_CODE_NO_INPUT when there is no such file, EXIT_CODE_OS when it is
 * refused (the sentence says why). The caller frees it. */
struct snapshot *snapshot_read(const char *path, const char *instance, struct failure *failure);

/* Likewise, of a copy of BYTES, which stand in PATH. */
struct snapshot *snapshot_parse(struct slice bytes, const char *path, const char *instance, struct failure *failure);
void snapshot_free(struct snapshot *snapshot);

const uint64_t *snapshot_hash_key(const struct snapshot *snapshot);
int64_t snapshot_taken_at_ns(const struct snapshot *snapshot); /* wall clock */

/* Puts the cells into a fresh ARENA that was made with the snapshot's hash key, their times moved to this boot. Returns how many
 * found room; *LOST counts the others. */
uint64_t snapshot_apply(const struct snapshot *snapshot, const struct arena *arena, struct moment now, uint64_t *lost);

#endif
