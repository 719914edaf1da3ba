/* SPDX-License-Identifier: MPL-2.0
 *
 * Resource limits of the service.
 */
#ifndef FAIRVISOR_MASTER_LIMITS_H
#define FAIRVISOR_MASTER_LIMITS_H

#include "shm/settings.h"

/* Makes room for SETTINGS->max_connections in every worker started from now on. A limit that stays smaller is worth a
 * line in the log, not a refusal. */
void limits_raise(const struct settings *settings);

#endif
