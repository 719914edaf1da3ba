/* SPDX-License-Identifier: MPL-2.0
 *
 * Looks now and then whether the shared memory still has its name. Somebody may remove it (rm, or RemoveIPC= of
 * systemd-logind when the user logs out): master and workers go on with what they have mapped, but nobody else finds it,
 * and a master that is killed leaves no counters behind. And claims it, for after an upgrade nobody has.
 */
#ifndef FAIRVISOR_MASTER_MEMORY_WATCH_H
#define FAIRVISOR_MASTER_MEMORY_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "master/loop.h"

struct memory_watch {
    const char *instance;
    int fd; /* of the shared memory */
    int64_t next_at_ns;
    bool is_removed;
    bool has_changed; /* until somebody publishes it */
};

/* INSTANCE and FD must last. */
void memory_watch_init(struct memory_watch *watch, struct loop *loop, const char *instance, int fd);

#endif
