/* SPDX-License-Identifier: MPL-2.0
 *
 * The growing, capped delay of a place whose workers keep dying: see respawn.h. Reads no clock.
 */
#include "master/respawn.h"

#include "shm/moment.h"

#define RESPAWN_QUICK_NS (10 * NANOSECONDS_PER_SECOND)
#define RESPAWN_FIRST_NS (NANOSECONDS_PER_SECOND / 10)
#define RESPAWN_CAP_NS   (10 * NANOSECONDS_PER_SECOND)
/* A worker that has served leaves connections waiting in its sockets, which only the next one takes. */
#define RESPAWN_SERVED_CAP_NS NANOSECONDS_PER_SECOND

int64_t respawn_delay(struct respawn *respawn, int64_t lived_ns, bool has_served)
{
    int64_t cap = has_served ? RESPAWN_SERVED_CAP_NS : RESPAWN_CAP_NS;
    int64_t delay = RESPAWN_FIRST_NS;

    if (lived_ns >= RESPAWN_QUICK_NS) {
        respawn->quick_deaths = 0;
        return 0;
    }
    respawn->quick_deaths++;
    if (respawn->quick_deaths == 1)
        return 0;
    for (uint32_t i = 2; i < respawn->quick_deaths && delay < cap; i++)
        delay *= 2;
    return delay < cap ? delay : cap;
}
