/* SPDX-License-Identifier: MPL-2.0
 *
 * Keeps the bundles that come to be served, the last KEPT_MAX of them, so that there is a way back (kept.h).
 */
#ifndef FAIRVISOR_MASTER_HISTORY_H
#define FAIRVISOR_MASTER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "master/source.h"
#include "shm/kept.h"
#include "shm/settings.h"

/* Keeps SOURCE, which is served from now on, unless it is what was served last or a return to the kept one of NUMBER (0:
 * it is none): going back again then goes further back. NOTE is kept beside it. false when it could not be kept, which is a
 * warning in the log, too. */
bool history_keep(const struct settings *settings, const struct source *source, uint32_t number,
                  const struct kept_note *note);

#endif
