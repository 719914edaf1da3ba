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

/* Tells every mistake in the lines of the settings' file, of which configure_read tells the first. */
void configure_tell_mistakes(const struct options *options, void (*tell)(void *context, const char *sentence), void *context);

/* For an order to an instance that runs: only what finds it is needed. A mistake elsewhere is passed over and told in
 * PASSED_OVER, whose code is EXIT_CODE_OK when there was none. */
bool configure_find(const struct options *options, char *const *environment, struct settings *settings,
                    struct failure *passed_over, struct failure *failure);

/* false when NEXT differs from CURRENT in a setting that only a restart can change; the sentence names it. */
bool configure_is_reloadable(const struct settings *current, const struct settings *next, struct failure *failure);

#endif
