/* SPDX-License-Identifier: MPL-2.0
 *
 * Workers of this instance that are not our children: left behind by a master that was killed, or still serving the
 * master before us during an upgrade. They are known by the statistics slots they hold and by how they were started.
 */
#ifndef FAIRVISOR_MASTER_ORPHANS_H
#define FAIRVISOR_MASTER_ORPHANS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/arena.h"

/* Whether PID is alive and was started as "fairvisor-worker <instance>/<slot>": process ids get used again. */
bool orphans_is_worker(pid_t pid, const char *instance, uint32_t slot);

/* The master that the arena's status names, if it lives and has this very shared memory mapped; else 0. Two of one instance, with different
 * runtime folders and so with different locks, would end each other's workers. */
pid_t orphans_find_master(const struct arena *arena, const char *instance);

/* Tells every orphan to accept what waits, to let go of its listening sockets and to leave when its requests are answered
 * (SIGQUIT); does not wait. Only for a master that holds the instance's lock and has no workers yet. Returns how many there
 * are. */
uint32_t orphans_relieve(const struct arena *arena, const char *instance);

/* How long one that was told to leave at once has before it is killed. */
#define ORPHANS_END_MS 1000

/* Tells every orphan to leave at once (SIGTERM, then SIGKILL) and waits until they are gone, each step at most
 * TIMEOUT_MS. Only for a master that holds the instance's lock and has no workers yet. Returns how many there were. */
uint32_t orphans_end(const struct arena *arena, const char *instance, int timeout_ms);

#endif
