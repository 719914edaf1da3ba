/* SPDX-License-Identifier: MPL-2.0
 *
 * One reading of both clocks. Time enters policy/ and shm/ only as a struct moment, so that tests can inject it.
 */
#ifndef FAIRVISOR_SHM_MOMENT_H
#define FAIRVISOR_SHM_MOMENT_H

#include <stdint.h>

#define NANOSECONDS_PER_SECOND INT64_C(1000000000)

struct moment {
    int64_t boot_ns; /* CLOCK_BOOTTIME: refill, deadlines; counts through suspend, never steps */
    int64_t wall_ns; /* CLOCK_REALTIME since 1970-01-01 UTC: calendar windows, expiry; may step */
};

/* Both clocks. A step of the wall clock is seen a millisecond late at most, for only one of them is read each time. Never fails. */
struct moment moment_now(void);

/* CLOCK_BOOTTIME alone, of the same clock as in struct moment: for durations. */
int64_t moment_boot_ns(void);

/* Seconds since 1970-01-01 UTC, a tick of the kernel late at most: for what is told to a second. */
int64_t moment_wall_s(void);

#endif
