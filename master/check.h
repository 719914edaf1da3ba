/* SPDX-License-Identifier: MPL-2.0
 *
 * -t and -T: would this configuration start?
 */
#ifndef FAIRVISOR_MASTER_CHECK_H
#define FAIRVISOR_MASTER_CHECK_H

#include <stdbool.h>

#include "shm/failure.h"
#include "shm/settings.h"

/* Vets the bundle of SETTINGS, prints complaints and warnings on stderr and the verdict on stdout, with PRINTS the
 * settings too (as a file that can be read again). Touches nothing. */
bool check_settings(const struct settings *settings, bool prints, struct failure *failure);

/* Vets the bundle only and prints its complaints on stderr. */
bool check_bundle(const struct settings *settings, struct failure *failure);

#endif
