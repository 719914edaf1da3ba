/* SPDX-License-Identifier: MPL-2.0
 *
 * The end of an instance, in good order.
 */
#ifndef FAIRVISOR_MASTER_FINISH_H
#define FAIRVISOR_MASTER_FINISH_H

#include <stdbool.h>

struct master;

/* Ends the workers as master->stop says, keeps the counters (on disk, or else in shared memory) and removes what is
 * ours. After an upgrade the workers end and everything else is left to the new master. */
void finish_service(struct master *master);

/* Undoes a start that failed half way. */
void finish_failed_start(struct master *master, bool is_upgrade);

#endif
