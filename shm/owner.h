/* SPDX-License-Identifier: MPL-2.0
 *
 * Whose files an instance is made of: what anybody else has put in their place is not looked at.
 */
#ifndef FAIRVISOR_SHM_OWNER_H
#define FAIRVISOR_SHM_OWNER_H

#include <stdbool.h>

#include "shm/settings.h"

/* The user that the shared memory of an instance with SETTINGS belongs to, for those who only read it: for root, whoever started the
 * service (its runtime folder is his) or, when that was root, `user`; for everybody else himself. */
unsigned owner_of(const struct settings *settings);

/* Whether a file of the master's that belongs to USER may be read: it must be ours or root's. */
bool owner_is_trusted(unsigned user);

#endif
