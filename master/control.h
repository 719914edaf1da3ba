/* SPDX-License-Identifier: MPL-2.0
 *
 * -s: gives an order to the running master of this instance, and says how it went.
 */
#ifndef FAIRVISOR_MASTER_CONTROL_H
#define FAIRVISOR_MASTER_CONTROL_H

#include <stdbool.h>

#include "master/options.h"
#include "shm/failure.h"
#include "shm/settings.h"

/* Sends the order's signal to the process that the pidfile names and that holds the instance's lock. stop and quit wait
 * until it is gone, reload until it has succeeded or failed. EXIT_CODE_NOT_RUNNING when there is none. */
bool control_run(const struct settings *settings, enum options_order order, struct failure *failure);

#endif
