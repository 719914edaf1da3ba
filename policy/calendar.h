/* SPDX-License-Identifier: MPL-2.0
 *
 * Calendar windows: the period a moment lies in, aligned in UTC or in a named IANA time zone. Named zones are read by the C
 * library from the system's time zone database; daylight saving makes a day of 23 or 25 hours.
 */
#ifndef FAIRVISOR_POLICY_CALENDAR_H
#define FAIRVISOR_POLICY_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

/* The words of fields.def, in their order. */
enum calendar_period {
    CALENDAR_1M,
    CALENDAR_5M,
    CALENDAR_1H,
    CALENDAR_1D,
    CALENDAR_7D, /* begins on Monday */
    CALENDAR_30D, /* counted from 1970-01-01 */
    CALENDAR_MONTH,
    CALENDAR_PERIODS
};

struct calendar_window {
    int64_t start_s; /* inclusive, seconds since 1970 UTC */
    int64_t end_s;   /* exclusive */
};

/* The window of PERIOD that NOW_S lies in. ZONE is a terminated name that calendar_has_zone took, or "" for UTC. start <= now <
 * end always holds. Single-threaded: it sets the C library's time zone for the time of the call. */
struct calendar_window calendar_find(enum calendar_period period, const char *zone, int64_t now_s);

/* True when the system knows ZONE. */
bool calendar_has_zone(const char *zone);

#endif
