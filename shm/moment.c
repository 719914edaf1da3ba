/* SPDX-License-Identifier: MPL-2.0
 *
 * The only place that reads the clocks.
 */
#include "shm/moment.h"

#include <stdbool.h>
#include <time.h>

#define DISTANCE_HOLDS_NS INT64_C(1000000)

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return now.tv_sec * NANOSECONDS_PER_SECOND + now.tv_nsec;
}

int64_t moment_boot_ns(void)
{
    return clock_ns(CLOCK_BOOTTIME);
}

int64_t moment_wall_s(void)
{
    return clock_ns(CLOCK_REALTIME_COARSE) / NANOSECONDS_PER_SECOND;
}

/* Between steps the clocks run alike: their distance holds for a while. */
struct moment moment_now(void)
{
    static _Thread_local int64_t distance_ns, measured_ns;
    static _Thread_local bool is_measured;
    int64_t boot_ns = moment_boot_ns();

    if (!is_measured || boot_ns - measured_ns > DISTANCE_HOLDS_NS) {
        distance_ns = clock_ns(CLOCK_REALTIME) - boot_ns;
        measured_ns = boot_ns;
        is_measured = true;
    }
    return (struct moment){.boot_ns = boot_ns, .wall_ns = boot_ns + distance_ns};
}
