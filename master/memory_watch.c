/* SPDX-License-Identifier: MPL-2.0
 *
 * A clock of the loop: see memory_watch.h. A name that is gone cannot be given back to the memory: so it is said, once.
 */
#include "master/memory_watch.h"

#include "shm/arena.h"
#include "shm/log.h"
#include "shm/moment.h"

#define LOOK_NS (5 * NANOSECONDS_PER_SECOND)

static void look(struct memory_watch *watch)
{
    bool is_removed = !arena_has_name(watch->instance, watch->fd);

    if (is_removed && !watch->is_removed)
        log_line(LOG_LEVEL_ERROR,
                 "the shared memory /dev/shm/fairvisor-%s was removed while it is in use (by hand, or by RemoveIPC= of "
                 "systemd-logind): decisions go on, but fairvisor(1) finds nothing; stop the service with `fairvisord -s "
                 "quit`, which writes its counters to state_dir, and start it again",
                 watch->instance);
    watch->has_changed |= is_removed != watch->is_removed;
    watch->is_removed = is_removed;
    arena_claim(watch->fd); /* the master that we took over from had it until it went */
}

static int64_t next_time(void *context)
{
    return ((const struct memory_watch *)context)->next_at_ns;
}

static void on_time(void *context, int64_t now_ns)
{
    struct memory_watch *watch = context;

    if (now_ns < watch->next_at_ns)
        return;
    watch->next_at_ns = now_ns + LOOK_NS;
    look(watch);
}

void memory_watch_init(struct memory_watch *watch, struct loop *loop, const char *instance, int fd)
{
    *watch = (struct memory_watch){.instance = instance, .fd = fd, .next_at_ns = moment_now().boot_ns + LOOK_NS};
    loop_add_clock(loop, next_time, on_time, watch);
}
