/* SPDX-License-Identifier: MPL-2.0
 *
 * The counters at start: those still in shared memory, else those of the snapshot, else none.
 */
#ifndef FAIRVISOR_MASTER_RESTORE_H
#define FAIRVISOR_MASTER_RESTORE_H

#include <stdbool.h>
#include <stddef.h>

#include "master/privileges.h"
#include "shm/arena.h"
#include "shm/failure.h"
#include "shm/settings.h"

enum restore_origin { RESTORE_ADOPTED, RESTORE_SNAPSHOT, RESTORE_FRESH };

/* Opens or makes the arena of the instance and says in the log where its counters come from. A damaged arena and a
 * refused snapshot are set aside, never used; what the system does not let us look at, for it is short of something, stays as it is, and
 * nothing starts. Returns the arena's descriptor or -1. *TAKEN_AT_NS: wall clock of the snapshot that was used; 0: none was. */
int restore_arena(const struct settings *settings, const struct privileges *privileges, struct arena *arena,
                  enum restore_origin *origin, int64_t *taken_at_ns, struct failure *failure);

/* Opens the arena the master before us uses, or fails: during an upgrade nothing may be set aside. */
int restore_shared_arena(const struct settings *settings, const struct privileges *privileges, struct arena *arena,
                         struct failure *failure);

/* state_dir/<instance>.snapshot */
void restore_snapshot_path(const struct settings *settings, char *path, size_t size);

#endif
