/* SPDX-License-Identifier: MPL-2.0
 *
 * One worker process: fork, descriptors as handoff.h lists them, privileges, exec.
 */
#ifndef FAIRVISOR_MASTER_SPAWN_H
#define FAIRVISOR_MASTER_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "master/listeners.h"
#include "master/loop.h"
#include "master/privileges.h"
#include "shm/failure.h"
#include "shm/settings.h"

struct spawn_order {
    const struct settings *settings;
    const struct listeners *listeners;
    const struct privileges *privileges;
    uint32_t slot;
    uint32_t place; /* among the workers of its generation: which sockets it serves */
    uint32_t generation;
    int null_fd, log_fd, lifeline_fd, arena_fd, bundle_fd; /* all stay the caller's */
    const int *reference_fds; /* one for each enum settings_reference, -1 for none; the caller's */
};

/* Starts the worker; ON_EXIT is called when it has ended. *STATUS_FD is the read end of its status pipe, non-blocking,
 * owned by the caller. Returns its process id, or -1 (EXIT_CODE_OS). */
pid_t spawn_worker(struct loop *loop, const struct spawn_order *order, loop_on_exit *on_exit, void *context,
                   int *status_fd, struct failure *failure);

#endif
