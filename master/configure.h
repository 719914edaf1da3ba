/* SPDX-License-Identifier: MPL-2.0
 *
 * The settings in effect: defaults, file, environment, flags, each overruling the one before.
 */
#ifndef FAIRVISOR_MASTER_CONFIGURE_H
#define FAIRVISOR_MASTER_CONFIGURE_H

#include <stdbool.h>

#include "master/options.h"
#include "shm/failure.h"
#include "shm/settings.h"

bool configure_read(const struct options *options, char *const *environment, struct settings *settings,
                    struct failure *failure);

/* false when NEXT differs from CURRENT in a setting that only a restart can change; the sentence names it. */
bool configure_is_reloadable(const struct settings *current, const struct settings *next, struct failure *failure);

#endif
