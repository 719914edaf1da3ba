/* SPDX-License-Identifier: MPL-2.0
 *
 * The events of an instance as they come, from its shared memory, which is only read. Outlives the instance: when it is started
 * anew with fresh shared memory, the new one is watched.
 */
#ifndef FAIRVISOR_CLI_WATCH_H
#define FAIRVISOR_CLI_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/instance.h"
#include "shm/events.h"

struct watch {
    struct instance *instance;
    struct events_reader reader;
    ino_t inode;          /* of the shared memory */
    int64_t looked_at_ns; /* boot clock of the last look for a new one, and for the master */
    uint64_t told_lost;
};

enum watch_result {
    WATCH_NOTHING, /* no event is there yet */
    WATCH_EVENT,
    WATCH_LOST,    /* *LOST events were written over before they could be read */
    WATCH_MASTER,  /* a master is there no more, or is there again: instance->is_running tells */
    WATCH_RENEWED, /* the instance was started anew: what follows is from its new shared memory */
};

/* Begins at the oldest event that the ring of INSTANCE holds. INSTANCE is configured, and opened here; its master may be
 * dead, as INSTANCE->is_running says. */
bool watch_open(struct watch *watch, struct instance *instance, struct failure *failure);

/* Says on standard error that no master is there (also when one is there again), and what that means. */
void watch_tell_master(const struct watch *watch);

/* The next thing there is to know. Never waits. */
enum watch_result watch_next(struct watch *watch, struct event *event, uint64_t *lost);

#endif
