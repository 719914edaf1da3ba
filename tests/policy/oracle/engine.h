/* SPDX-License-Identifier: MPL-2.0
 *
 * The real engine, driven by the oracle's steps: bundles go through load_bundle as JSON text, cells live in a real
 * arena.
 */
#ifndef FAIRVISOR_TESTS_POLICY_ORACLE_ENGINE_H
#define FAIRVISOR_TESTS_POLICY_ORACLE_ENGINE_H

#include "policy/decide.h"
#include "tests/policy/oracle/world.h"
#include "tests/shm/arena_fixture.h"

struct engine {
    struct arena_fixture fixture;
    struct bundle *bundle;
    struct decider *decider;
    struct engine_text {
        char *bytes;
        size_t size;
    } * reservations; /* one per step, owned */
    int step_count;
};

void engine_open(struct engine *engine, uint64_t seed, int steps);
void engine_close(struct engine *engine);

/* Reloads. Aborts the test when the engine does not take what the generator made. */
void engine_load(struct engine *engine, const struct world_bundle *bundle);

/* Explains, then decides. */
void engine_ask(struct engine *engine, const struct world_step *step, struct verdict *explained,
                struct verdict *verdict);

enum decide_settlement engine_settle(struct engine *engine, const struct world_step *step);

/* True when a cell was given to another identity. */
bool engine_has_reused(const struct engine *engine);

#endif
