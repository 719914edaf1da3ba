/* SPDX-License-Identifier: MPL-2.0
 *
 * HUP: new settings and a new bundle, all or nothing.
 */
#ifndef FAIRVISOR_MASTER_RELOAD_H
#define FAIRVISOR_MASTER_RELOAD_H

#include <stdbool.h>

#include "master/source.h"
#include "shm/failure.h"
#include "shm/kept.h"

struct master;

/* What a reload takes in. All zero: settings and bundle from their files, as SIGHUP asks for. */
struct reload_order {
    bool keeps_settings;   /* only the bundle is new */
    struct source *source; /* the bundle, taken over; NULL: that of config_file */
    uint32_t kept_number;  /* it is a return to the kept one of this number; 0: it is none */
    const struct kept_note *note; /* how it comes, and who sent it */
    /* Called when all new workers are ready, as the last step that may refuse; NULL: none. */
    bool (*on_ready)(void *context, struct failure *failure);
    void *context;
};

/* Reloads. false: nothing changed, the reason is in FAILURE and in the log and, unless somebody handed the bundle over and
 * is told, in the arena's status. Turns the loop while it waits. */
bool reload_run(struct master *master, const struct reload_order *order, struct failure *failure);

#endif
