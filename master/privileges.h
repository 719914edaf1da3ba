/* SPDX-License-Identifier: MPL-2.0
 *
 * Who workers run as, and how a process becomes him and nothing more.
 */
#ifndef FAIRVISOR_MASTER_PRIVILEGES_H
#define FAIRVISOR_MASTER_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "shm/failure.h"
#include "shm/settings.h"

struct privileges {
    bool must_drop; /* the master is root and workers are somebody else */
    uid_t uid;      /* of the workers */
    gid_t gid;
};

/* Looks up the settings' user and group. EXIT_CODE_BAD_CONFIG when there is no such user; EXIT_CODE_PERMISSION when we
 * are not root and the user is not us. */
bool privileges_find(const struct settings *settings, struct privileges *privileges, struct failure *failure);

/* In a child: gives up root, groups and capabilities for ever. false with errno. */
bool privileges_drop(const struct privileges *privileges);

#endif
