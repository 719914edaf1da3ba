/* SPDX-License-Identifier: MPL-2.0
 *
 * -d: goes to the background; the process that was called returns when connections are accepted, or with the exit code
 * of the start that failed.
 */
#ifndef FAIRVISOR_MASTER_DAEMON_H
#define FAIRVISOR_MASTER_DAEMON_H

#include <stdbool.h>

#include "shm/failure.h"

struct master;

/* Returns only in the background process, a session of its own. The calling process waits for daemon_report_ready or
 * the end of the other and exits. */
bool daemon_detach(struct master *master, struct failure *failure);

/* Lets go of the terminal and sends the calling process home. Nothing to do when we are no daemon. */
void daemon_report_ready(struct master *master);

#endif
