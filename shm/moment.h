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

/* Reads both clocks. Never fails. */
struct moment moment_now(void);

#endif
