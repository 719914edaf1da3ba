/* SPDX-License-Identifier: MPL-2.0
 *
 * Looks at a count: see pulse.h. Reads no clock.
 */
#include "master/pulse.h"

#include "shm/handoff.h"

#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)

void pulse_begin(struct pulse *pulse, uint64_t hang_ms, uint32_t beats, int64_t now_ns)
{
    *pulse = (struct pulse){.period_ns = (int64_t)(hang_ms / HANDOFF_BEATS) * NANOSECONDS_PER_MILLISECOND, .beats = beats};
    pulse->next_look_ns = now_ns + pulse->period_ns;
}

bool pulse_has_stopped(struct pulse *pulse, uint32_t beats, int64_t now_ns)
{
    if (pulse->period_ns == 0 || now_ns < pulse->next_look_ns)
        return false;
    pulse->next_look_ns = now_ns + pulse->period_ns;
    pulse->misses = beats == pulse->beats ? pulse->misses + 1 : 0;
    pulse->beats = beats;
    return pulse->misses == HANDOFF_BEATS;
}
