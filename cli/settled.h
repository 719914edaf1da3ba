/* SPDX-License-Identifier: MPL-2.0
 *
 * Whom a settlement is about: its event tells a cell and no name, for the reservation that a gateway carries has none. The events of
 * decisions tell both, and stand before it.
 */
#ifndef FAIRVISOR_CLI_SETTLED_H
#define FAIRVISOR_CLI_SETTLED_H

#include "shm/event.h"

#define SETTLED_PLACES 4096

/* Large: make it static. Begins as zeros. */
struct settled {
    struct {
        uint64_t cell[2];
        struct event told; /* by the last decision about it */
    } places[SETTLED_PLACES];
};

/* Remembers whom a decision is about; gives a settlement, where that is known, the keys of its rule and, where it has none, the names of
 * its policy and rule. Every event that is read passes here, in order. Bounded: with more identities than places some stay unknown. */
void settled_pass(struct settled *settled, struct event *event);

#endif
