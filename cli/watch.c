/* SPDX-License-Identifier: MPL-2.0
 *
 * Follows the ring of events of an instance: see watch.h.
 */
#include "cli/watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/moment.h"

#define LOOK_NS NANOSECONDS_PER_SECOND /* between looks for new shared memory of the same name */

static ino_t inode_of(int fd)
{
    struct stat facts;

    return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

/* Maps what has the instance's name now. */
static bool map(struct watch *watch, struct arena *arena, ino_t *inode, struct failure *failure)
{
    int fd = instance_open_arena(watch->instance, arena, failure);

    if (fd < 0)
        return false;
    *inode = inode_of(fd);
    close(fd);
    return true;
}

bool watch_open(struct watch *watch, struct instance *instance, struct failure *failure)
{
    *watch = (struct watch){.instance = instance, .looked_at_ns = moment_now().boot_ns};
    if (!map(watch, &instance->arena, &watch->inode, failure)) {
        if (failure->code == EXIT_CODE_NO_INPUT)
            failure_set(failure, EXIT_CODE_NOT_RUNNING,
                        "instance %s does not run, and no shared memory of it is left: start it with fairvisord, or name "
                        "another one with --instance",
                        instance->settings.instance);
        return false;
    }
    instance->has_arena = true;
    instance_look_for_master(instance);
    events_begin_oldest(&watch->reader, &instance->arena);
    return true;
}

/* Goes over to new shared memory of the instance, if there is some. Nothing but this process's view of the old is lost. */
static bool renew(struct watch *watch)
{
    struct arena arena, old = watch->instance->arena;
    struct failure failure;
    ino_t inode;

    if (!map(watch, &arena, &inode, &failure))
        return false;
    if (inode == watch->inode) {
        munmap(arena.header, arena.size);
        return false;
    }
    watch->instance->arena = arena;
    watch->inode = inode;
    events_begin_oldest(&watch->reader, &watch->instance->arena);
    watch->told_lost = 0;
    munmap(old.header, old.size);
    return true;
}

void watch_tell_master(const struct watch *watch)
{
    const struct instance *instance = watch->instance;

    if (instance->is_running)
        fprintf(stderr, "fairvisor: instance %s runs again\n", instance->settings.instance);
    else
        fprintf(stderr,
                "fairvisor: instance %s is not running: this is what is left in its shared memory; start it with "
                "fairvisord\n",
                instance->settings.instance);
}

/* Once in a while. */
static bool is_due(struct watch *watch, int64_t now)
{
    if (now - watch->looked_at_ns < LOOK_NS)
        return false;
    watch->looked_at_ns = now;
    return true;
}

static bool has_master_changed(struct watch *watch)
{
    bool before = watch->instance->is_running;

    return instance_look_for_master(watch->instance) != before;
}

enum watch_result watch_next(struct watch *watch, struct event *event, uint64_t *lost)
{
    int64_t now = moment_now().boot_ns;
    bool looks = is_due(watch, now);

    if (looks && has_master_changed(watch))
        return WATCH_MASTER;
    if (!events_read(&watch->reader, event, now)) {
        if (watch->reader.lost == watch->told_lost)
            return looks && renew(watch) ? WATCH_RENEWED : WATCH_NOTHING;
    } else if (watch->reader.lost == watch->told_lost) {
        return WATCH_EVENT;
    } else {
        watch->reader.position--; /* told first; the event comes again */
    }
    *lost = watch->reader.lost - watch->told_lost;
    watch->told_lost = watch->reader.lost;
    return WATCH_LOST;
}
