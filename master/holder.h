/* SPDX-License-Identifier: MPL-2.0
 *
 * Who listens at an address that cannot be had, as /proc tells it: asked when a start or a reload is refused.
 */
#ifndef FAIRVISOR_MASTER_HOLDER_H
#define FAIRVISOR_MASTER_HOLDER_H

#include "shm/settings.h"

#define HOLDER_SIZE 256

/* TEXT, in which is "process 123 (nginx): stop that one", with another cure for an instance of ours and for a worker whose master
 * is dead; "another process" when /proc does not tell it to us. */
const char *holder_find(const struct settings_listen *where, char text[HOLDER_SIZE]);

#endif
