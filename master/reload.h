/* SPDX-License-Identifier: MPL-2.0
 *
 * HUP: new settings and a new bundle, all or nothing.
 */
#ifndef FAIRVISOR_MASTER_RELOAD_H
#define FAIRVISOR_MASTER_RELOAD_H

#include <stdbool.h>

struct master;

/* Reloads. false: nothing changed, the reason stands in the log and in the arena's status. Turns the loop while it
 * waits. */
bool reload_run(struct master *master);

#endif
