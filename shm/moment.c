/* SPDX-License-Identifier: MPL-2.0
 *
 * The only place that reads the clocks.
 */
#include "shm/moment.h"

#include <time.h>

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return now.tv_sec * NANOSECONDS_PER_SECOND + now.tv_nsec;
}

struct moment moment_now(void)
{
    return (struct moment){.boot_ns = clock_ns(CLOCK_BOOTTIME), .wall_ns = clock_ns(CLOCK_REALTIME)};
}
