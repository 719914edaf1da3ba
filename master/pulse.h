/* SPDX-License-Identifier: MPL-2.0
 *
 * Whether a worker still turns its loop. It counts up in shared memory HANDOFF_BEATS times in worker_hang_timeout, and as often the
 * master looks: one that has not counted for so many looks in a row hangs. It is looks that are counted, not time, so that a step of a
 * clock, a machine that slept, or a master that was stopped itself makes nobody look dead.
 */
#ifndef FAIRVISOR_MASTER_PULSE_H
#define FAIRVISOR_MASTER_PULSE_H

#include <stdbool.h>
#include <stdint.h>

struct pulse {
    int64_t period_ns;    /* between two looks; 0 = nobody looks */
    int64_t next_look_ns; /* boot clock */
    uint32_t beats;       /* as last seen */
    uint32_t misses;      /* looks since they changed */
};

/* Begins to look, at NOW_NS of the boot clock. HANG_MS 0: never looks. */
void pulse_begin(struct pulse *pulse, uint64_t hang_ms, uint32_t beats, int64_t now_ns);

/* Looks, if it is time to. true: the worker hangs, for HANG_MS at least and a quarter more at most. */
bool pulse_has_stopped(struct pulse *pulse, uint32_t beats, int64_t now_ns);

#endif
