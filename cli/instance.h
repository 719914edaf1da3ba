/* SPDX-License-Identifier: MPL-2.0
 *
 * One instance of the service, seen from outside: its settings, its shared memory (never written to), and whether it
 * runs.
 */
#ifndef FAIRVISOR_CLI_INSTANCE_H
#define FAIRVISOR_CLI_INSTANCE_H

#include <stdbool.h>

#include "shm/arena.h"
#include "shm/failure.h"
#include "shm/settings.h"

struct instance {
    struct settings settings;
    struct arena arena;
    struct arena_status status;
    bool has_arena;         /* arena and status hold something */
    bool is_running;        /* a master lives */
    bool is_bereft;         /* one lives, but somebody has removed its shared memory */
    uint32_t orphans;       /* workers that serve on without one, until they have drained */
    struct failure failure; /* why there is no arena: EXIT_CODE_NO_INPUT when there is none */
};

/* Reads the settings as the service does (CONFIG, or the default file, then the environment), with the instance NAME
 * instead of theirs when it is not NULL. What only the service needs (config_file) may be missing. */
bool instance_configure(struct instance *instance, const char *config, const char *name, struct failure *failure);

/* The same, for operators of an instance that runs: a mistake in the settings that does not say where the instance is locks
 * nobody out. It is passed over, and told on standard error, once. */
bool instance_find(struct instance *instance, const char *config, const char *name, struct failure *failure);

/* Looks for the instance's shared memory and its master. */
void instance_open(struct instance *instance);

/* Maps the shared memory that has the instance's name now, for reading. Returns its descriptor, or -1 as arena_open does. */
int instance_open_arena(const struct instance *instance, struct arena *arena, struct failure *failure);

/* Looks anew, at an arena that is open: whether a master lives. */
bool instance_look_for_master(struct instance *instance);

/* Whether requests are answered: by workers of a master, or by those that a dead one left. */
bool instance_is_serving(const struct instance *instance);

/* Where the master keeps a copy of the loaded bundle. false when the name would be too long. */
bool instance_bundle_path(const struct instance *instance, char path[SETTINGS_PATH_SIZE]);

/* Whether the master was stopped by a signal (SIGSTOP): then it takes no orders. */
bool instance_has_stopped_master(const struct instance *instance);

/* Whether runtime_dir has the lock file of a master of this name, living or dead. */
bool instance_has_lock(const struct instance *instance);

#endif
