/* SPDX-License-Identifier: MPL-2.0
 *
 * Plays steps to the model and to the engine, one after the other, and makes what they disagree about as small as it
 * can.
 */
#ifndef FAIRVISOR_TESTS_POLICY_ORACLE_REPLAY_H
#define FAIRVISOR_TESTS_POLICY_ORACLE_REPLAY_H

#include <stdio.h>

#include "tests/policy/oracle/world.h"

#define REPLAY_STEPS 3000

struct replay {
    uint64_t seed; /* of the arena's hash key */
    struct world_bundle bundles[WORLD_BUNDLES];
    struct world_step steps[REPLAY_STEPS];
    int count;
};

/* Index of the first step on which the two disagree, or -1; WHY has room for COMPARE_WHY bytes. *PLAYED grows by the
 * steps played. */
int replay_play(const struct replay *replay, char *why, long *played);

/* Takes steps, policies, rules and fields away as long as they still disagree. */
void replay_shrink(struct replay *replay);

/* Writes a .case file. */
void replay_print(FILE *out, const struct replay *replay);

#endif
