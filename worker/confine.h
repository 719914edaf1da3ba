/* SPDX-License-Identifier: MPL-2.0
 *
 * What a worker gives up before it reads a byte from the network.
 */
#ifndef FAIRVISOR_WORKER_CONFINE_H
#define FAIRVISOR_WORKER_CONFINE_H

#include "shm/failure.h"
#include "shm/settings.h"

/* Closes every descriptor from FIRST_FOREIGN on: what the contract with the master does not name is not ours. */
bool confine_descriptors(int first_foreign, struct failure *failure);

/* No new privileges, no capabilities, not dumpable, no system calls but those of serving (syscalls.h). Raises the limit
 * of open descriptors to what is allowed, and warns when it is too low for the connections of SETTINGS. */
bool confine_process(const struct settings *settings, struct failure *failure);

/* Lets the sanitizers look at a process that is about to leave. Nothing in other builds. */
void confine_leave(void);

#endif
