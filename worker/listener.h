/* SPDX-License-Identifier: MPL-2.0
 *
 * The inherited listening sockets and the accept loop.
 */
#ifndef FAIRVISOR_WORKER_LISTENER_H
#define FAIRVISOR_WORKER_LISTENER_H

#include <stdbool.h>

#include "shm/failure.h"
#include "worker/worker.h"

/* Starts accepting on every socket of the handoff. */
bool listener_open_all(struct worker *worker, struct failure *failure);

/* Accepts what waits in the backlogs, as far as max_connections allows. */
void listener_accept_waiting(struct worker *worker);

/* Stops accepting and closes our copies of the sockets. Again: nothing. */
void listener_close_all(struct worker *worker);

/* Accepts again after it ran out of descriptors. */
void listener_resume_all(struct worker *worker);

/* Frees what listener_open_all made, once the loop has closed the handles. */
void listener_free_all(struct worker *worker);

#endif
