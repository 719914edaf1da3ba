/* SPDX-License-Identifier: MPL-2.0
 *
 * All worker processes of an instance, of every generation that still lives. Index = statistics slot in the arena.
 * Starts them, replaces those that die, and sees to it that those told to leave do.
 *
 *            crew_start            HANDOFF_READY             crew_leave
 *   FREE ----------------> STARTING ------------> READY ----------------> LEAVING ---> FREE
 *                              ^                    |
 *                              |     delay          v  died (of the serving generation)
 *                              +---------------- WAITING
 */
#ifndef FAIRVISOR_MASTER_CREW_H
#define FAIRVISOR_MASTER_CREW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/generation.h"
#include "master/listeners.h"
#include "master/loop.h"
#include "master/privileges.h"
#include "master/pulse.h"
#include "master/respawn.h"
#include "shm/arena.h"
#include "shm/failure.h"
#include "shm/moment.h"

#define CREW_READY_NS (30 * NANOSECONDS_PER_SECOND) /* from start to HANDOFF_READY */
#define CREW_GRACE_NS (1 * NANOSECONDS_PER_SECOND)  /* from the end of drain_timeout to SIGTERM */
#define CREW_TERM_NS  (5 * NANOSECONDS_PER_SECOND)  /* from SIGTERM to SIGKILL */

enum crew_state { CREW_FREE, CREW_WAITING, CREW_STARTING, CREW_READY, CREW_LEAVING };

struct crew_worker {
    enum crew_state state;
    pid_t pid;
    int status_fd; /* -1 after its end */
    uint32_t generation;
    uint32_t place;
    bool is_deaf;          /* it accepts no connections any more */
    int64_t drain_ns;      /* from SIGQUIT to SIGTERM */
    uint64_t hang_ms;      /* worker_hang_timeout; 0 = none */
    int64_t started_at_ns; /* boot clock, as below */
    int64_t deadline_ns;   /* WAITING: start then; STARTING: kill then; LEAVING: the next, harder signal */
    int last_signal;       /* LEAVING: the last one sent */
    struct respawn respawn;
    struct pulse pulse;
};

struct crew {
    struct crew_worker workers[ARENA_WORKER_SLOTS];
    struct loop *loop;
    const struct arena *arena;
    const struct listeners *listeners; /* that the serving generation uses */
    const struct privileges *privileges;
    const char *instance;
    const struct generation *serving; /* whose dead workers are replaced; number 0 = none */
    int null_fd, log_fd, arena_fd;
    int lifeline[2]; /* nobody ever writes; its end tells workers that the master is gone */
    uint64_t restarts;
    uint64_t hangs;
    bool has_changed;    /* restarts or hangs grew: whoever publishes them clears this */
    bool has_been_ready; /* some worker was: it may have answered requests */
    bool start_failed;   /* a worker of a generation that does not serve yet has died */
    struct failure start_failure;
};

/* Opens the lifeline and /dev/null. The pointers in CREW are set by the caller beforehand. */
bool crew_init(struct crew *crew, struct failure *failure);

/* Statistics slots that no living process uses, neither ours nor one of a master before us. */
uint32_t crew_count_free(struct crew *crew);

/* Starts all workers of GENERATION on LISTENERS. EXIT_CODE_OS when one cannot be started; the others then live on. */
bool crew_start(struct crew *crew, const struct generation *generation, const struct listeners *listeners,
                struct failure *failure);

/* Whether every worker of a generation has said that it is ready. */
bool crew_is_ready(const struct crew *crew, uint32_t generation);

/* Tells the workers of one generation to leave, with SIGQUIT or SIGTERM; harder signals follow by themselves. */
void crew_leave(struct crew *crew, uint32_t generation, int signal);

/* Tells every worker of any generation but KEPT. */
void crew_leave_others(struct crew *crew, uint32_t kept, int signal);

/* Whether a worker that was told to drain may still accept connections. */
bool crew_is_heard(const struct crew *crew);

/* Living workers, of one generation or (0) of all. */
uint32_t crew_count(const struct crew *crew, uint32_t generation);

#endif
