/* SPDX-License-Identifier: MPL-2.0
 *
 * The kill switches that operators set by hand: the master's own list, which is published in the arena for the workers
 * and kept in a file in the state folder, so that it outlives everything. The arena's copy is never read back.
 *
 *   <state_dir>/<instance>.kills   struct switches_file: written anew beside it, fsync'd, renamed
 */
#ifndef FAIRVISOR_MASTER_SWITCHES_H
#define FAIRVISOR_MASTER_SWITCHES_H

#include <limits.h>
#include <stdbool.h>

#include "master/loop.h"
#include "shm/arena.h"
#include "shm/door.h"
#include "shm/failure.h"
#include "shm/kills.h"
#include "shm/settings.h"

struct switches {
    const struct arena *arena;
    const struct settings *settings; /* of the serving generation */
    char path[PATH_MAX];
    struct kills_table table;
};

/* Takes up what the file holds and publishes it. A file that is damaged is set aside, with a line that says so. Puts
 * SWITCHES on the LOOP's clock: each one goes when its time is over. SETTINGS must outlive SWITCHES. */
void switches_init(struct switches *switches, struct loop *loop, const struct arena *arena,
                   const struct settings *settings);

/* Adds the kill switch that a DOOR_KILL asks for, or changes the one of the same key, value and route; *WAS_THERE says
 * which. EXIT_CODE_REFUSED when the table is full, EXIT_CODE_USAGE; EXIT_CODE_OS: it holds, but is not in the file. */
bool switches_add(struct switches *switches, const struct door_request *request, bool *was_there,
                  struct failure *failure);

/* Takes it away. EXIT_CODE_REFUSED when there is none; EXIT_CODE_OS: it is gone, but still in the file. */
bool switches_remove(struct switches *switches, const struct door_request *request, struct failure *failure);

#endif
