/* SPDX-License-Identifier: MPL-2.0
 *
 * From settings to a serving instance, and back to nothing.
 */
#ifndef FAIRVISOR_MASTER_START_H
#define FAIRVISOR_MASTER_START_H

#include <stdbool.h>

#include "master/letter.h"
#include "shm/failure.h"
#include "shm/settings.h"

struct master;

/* Brings everything up; true when all workers are ready. LETTER is of the master to take over from, NULL for a start
 * from nothing. On failure what was made is undone (complaints about the bundle have been printed on the console). A
 * stop that was wished for meanwhile is a failure with EXIT_CODE_OK. */
bool start_service(struct master *master, const struct settings *settings, const struct letter *letter,
                   struct failure *failure);

#endif
