/* SPDX-License-Identifier: MPL-2.0
 *
 * A look at one counter of the workers every few seconds: see fullness.h.
 */
#include "master/fullness.h"

#include "shm/counters.h"
#include "shm/log.h"
#include "shm/moment.h"

#define LOOK_NS (5 * NANOSECONDS_PER_SECOND)
#define TELL_NS (60 * NANOSECONDS_PER_SECOND) /* from one line to the next */

void fullness_look(struct fullness *fullness, int64_t now_ns)
{
    int64_t count = counters_sum(fullness->arena, COUNTER_state_full);

    if (count <= fullness->told || !log_is_due(&fullness->told_at_ns, now_ns, TELL_NS))
        return;
    log_line(LOG_LEVEL_WARNING,
             "shared memory is full: %lld limits found no cell for a new identity; those with on_full \"allow\" let it "
             "through uncounted, the others refused it: raise shared_dict_size",
             (long long)(count - fullness->told));
    fullness->told = count;
}

static int64_t next_time(void *context)
{
    const struct fullness *fullness = context;

    return fullness->next_at_ns;
}

static void on_time(void *context, int64_t now_ns)
{
    struct fullness *fullness = context;

    if (now_ns < fullness->next_at_ns)
        return;
    fullness->next_at_ns = now_ns + LOOK_NS;
    fullness_look(fullness, now_ns);
}

void fullness_init(struct fullness *fullness, struct loop *loop, const struct arena *arena)
{
    *fullness = (struct fullness){.arena = arena, .told = counters_sum(arena, COUNTER_state_full)};
    fullness->next_at_ns = moment_now().boot_ns + LOOK_NS;
    loop_add_clock(loop, next_time, on_time, fullness);
}
