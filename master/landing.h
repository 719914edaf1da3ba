/* SPDX-License-Identifier: MPL-2.0
 *
 * Gives back what a dead worker's exchanges held in flight: see shm/flights.h.
 *
 * A child of the master that has become the workers' user does it, for the reasons given in amend.h. The slot need not stay
 * empty meanwhile: notes bear the process id of their worker, and a new worker lands what it finds in its slot itself.
 */
#ifndef FAIRVISOR_MASTER_LANDING_H
#define FAIRVISOR_MASTER_LANDING_H

#include <stdint.h>
#include <sys/types.h>

#include "master/loop.h"
#include "master/privileges.h"
#include "shm/arena.h"

/* Starts the child when the worker of SLOT, which was process PID and has been reaped, has notes left. It says in the log how many,
 * and is gone after LANDING_SECONDS at the latest. */
#define LANDING_SECONDS 10
void landing_start(struct loop *loop, const struct arena *arena, const struct privileges *privileges, uint32_t slot,
                   pid_t pid);

#endif
