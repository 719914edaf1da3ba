/* SPDX-License-Identifier: MPL-2.0
 *
 * Sets budgets right by hand: DOOR_RESET and DOOR_GRANT.
 *
 * Who writes the cells: a child of the master that has become the workers' user, as in the audit of an adopted arena.
 * Not the master, for locking a stripe follows pointers that workers can write, and he may be root; not fairvisor(1),
 * for the same reason; and not a worker, for none of them need be alive or have time. The child works on the bundle that
 * is being served, so that it means the same cells as the workers do, and is killed when it takes too long: a stripe it
 * held is repaired by the next one who locks it.
 */
#ifndef FAIRVISOR_MASTER_AMEND_H
#define FAIRVISOR_MASTER_AMEND_H

#include <stdint.h>
#include <sys/types.h>

#include "master/loop.h"
#include "master/privileges.h"
#include "master/source.h"
#include "shm/arena.h"
#include "shm/door.h"

#define AMEND_NS (30 * NANOSECONDS_PER_SECOND) /* a large bundle has to be loaded first */

/* What is worked on; stays the caller's, and is not needed any more when amend_start returns. */
struct amend_order {
    const struct door_request *request;
    const struct source *source; /* the bundle that is served */
    int64_t loaded_at_ns;        /* wall clock: it is judged as it was then */
    const struct arena *arena;
    const struct privileges *privileges;
};

typedef void amend_on_done(void *context, const struct door_reply *reply);

/* One at work. */
struct amend {
    pid_t pid; /* 0: none */
    int fd;
    int64_t deadline_ns; /* boot clock; whoever waits kills pid then */
    amend_on_done *on_done;
    void *context;
};

/* Starts the child; ON_DONE is called once, when it has ended. false with the reason. */
bool amend_start(struct amend *amend, struct loop *loop, const struct amend_order *order, amend_on_done *on_done,
                 void *context, struct failure *failure);

#endif
