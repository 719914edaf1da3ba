/* SPDX-License-Identifier: MPL-2.0
 *
 * What several processes do to one arena at once, written down before and after in memory that outlives them.
 *
 *   parent: one standing clock per round -> workers play (and are killed) -> ledger_check -> clock goes on
 *
 * Every operation has a row of the journal: what it is about to do, a tick before, what became of it, a tick after. A
 * row without its second tick is what a dead worker had in its hands.
 */
#ifndef FAIRVISOR_TESTS_POLICY_PROCESSES_SCENE_H
#define FAIRVISOR_TESTS_POLICY_PROCESSES_SCENE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/decide.h"
#include "tests/shm/arena_fixture.h"

#define SCENE_WORKERS    4
#define SCENE_IDENTITIES 3
#define SCENE_ROWS       3600 /* of one epoch */
#define SCENE_NOBODY     -1

/* Every kind of limit once. ROW(name, policy, capacity, rate per second, header that names the identity) */
#define SCENE_LIMITS(ROW)                                                                                              \
    ROW(RATE, "rate", 60, 2, "x-rate")                                                                                 \
    ROW(BUDGET, "budget", 300, 0, "x-budget")                                                                          \
    ROW(MINUTE, "tokens", 900, 10, "x-tokens")                                                                         \
    ROW(DAY, "tokens", 4000, 0, "x-tokens")                                                                            \
    ROW(FLIGHT, "flight", 5, 0, "x-flight")                                                                            \
    ROW(LOOP, "loop", 29, 0, NULL)                                                                                     \
    ROW(BREAKER, "breaker", 400, 0, "x-breaker")                                                                       \
    ROW(SHADOW, "shadow", 40, 1, "x-shadow")

enum scene_kind {
#define ROW(name, policy, capacity, rate, header) SCENE_##name,
    SCENE_LIMITS(ROW)
#undef ROW
        SCENE_KINDS
};

struct scene_limit {
    const char *policy;
    int64_t capacity, rate;
    const char *header;
};
extern const struct scene_limit scene_limits[SCENE_KINDS];

enum scene_state { SCENE_FREE, SCENE_STARTED, SCENE_DONE };

struct scene_row {
    _Atomic int state;
    int64_t started, ended; /* ticks */
    bool is_settlement;
    /* a request */
    int identity[SCENE_KINDS]; /* SCENE_NOBODY: the limit is not asked */
    int64_t cost[SCENE_KINDS]; /* whole units */
    bool is_allowed, would_reject;
    enum reason reason;
    int refused_by; /* kind, or -1 */
    size_t reservation_size;
    char reservation[VERDICT_RESERVATION_SIZE];
    /* a settlement of the request in row TARGET: the same figures whoever settles */
    uint32_t target;
    enum decide_settlement result;
};

struct scene_journal {
    _Atomic uint32_t next, end; /* rows taken; rows there may be in this round */
    _Atomic int64_t tick;
    struct scene_row rows[SCENE_ROWS];
};

struct scene {
    struct arena_fixture fixture;
    struct bundle *bundle;
    struct scene_journal *journal; /* shared */
    struct moment now;             /* stands during a round */
    uint64_t seed;
};

void scene_open(struct scene *scene, uint64_t seed);
void scene_close(struct scene *scene);

/* Of what the request in ROW reserved, the tokens that were really used. */
int64_t scene_used(const struct scene *scene, uint32_t row);

/* Plays rows until the round is over; then leaves the process. */
void scene_play(struct scene *scene, int worker) __attribute__((noreturn));

/* Whole units that IDENTITY has spent of a limit, as the engine sees it now. *IS_OPEN: the breaker refuses everybody. */
int64_t scene_spent(struct scene *scene, enum scene_kind kind, int identity, bool *is_open);

#endif
