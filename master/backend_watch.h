/* SPDX-License-Identifier: MPL-2.0
 *
 * Says in the log when the upstream of the reverse proxy begins to fail and when it answers again, once each, however
 * many workers and requests notice it: an operator must hear of it without looking at metrics.
 */
#ifndef FAIRVISOR_MASTER_BACKEND_WATCH_H
#define FAIRVISOR_MASTER_BACKEND_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "master/loop.h"
#include "shm/arena.h"
#include "shm/counters.h"
#include "shm/moment.h"
#include "shm/settings.h"

/* Which counters.def has beside each other. What fails on our side (memory, leaving) is no failure of the upstream. */
#define BACKEND_WATCH_CAUSES (COUNTER_upstream_invalid - COUNTER_upstream_unresolved + 1)

struct backend_watch {
    const struct arena *arena;
    const struct settings *settings; /* of the serving generation */
    int64_t answers;                 /* of all workers, as far as they were looked at */
    int64_t failures[BACKEND_WATCH_CAUSES]; /* the same, by cause */
    int64_t next_at_ns;              /* boot clock of the next look */
    int64_t told_at_ns;              /* boot clock of the last line that it fails; 0 = none yet */
    int64_t failing_since_ns;        /* wall clock; 0 = it does not fail */
    int64_t failed;                  /* requests since then */
    bool is_told;                    /* the log knows that it fails */
    bool has_changed;                /* failing_since_ns is another one; for who publishes it */
};

/* Looks at the counters from now on, by a clock of LOOP. SETTINGS must outlive WATCH. */
void backend_watch_init(struct backend_watch *watch, struct loop *loop, const struct arena *arena,
                        const struct settings *settings);

/* One look at NOW: it fails when at least half of the requests since the last look did. That it fails is told at most
 * once a minute, and that it answers again whenever the other was told. */
void backend_watch_look(struct backend_watch *watch, struct moment now);

#endif
