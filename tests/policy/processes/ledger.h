/* SPDX-License-Identifier: MPL-2.0
 *
 * What the arena must say after the processes of a round have come to their ends, by the journal alone: sums, exact but
 * for what the dead had in their hands.
 */
#ifndef FAIRVISOR_TESTS_POLICY_PROCESSES_LEDGER_H
#define FAIRVISOR_TESTS_POLICY_PROCESSES_LEDGER_H

#include "tests/policy/processes/scene.h"

struct ledger {
    uint32_t first; /* row of this round */
    int64_t spent[SCENE_KINDS][SCENE_IDENTITIES];
    bool is_open[SCENE_IDENTITIES];                     /* breakers */
    bool is_settled[SCENE_ROWS], may_be_settled[SCENE_ROWS];
    long admitted, refused, settled, in_hands, unsure;  /* figures for the reader; unsure: cells that the dead left open */
};

/* Checks every row and every cell of a round; fails the test where they disagree. Then a new round may begin. */
void ledger_check(struct ledger *ledger, struct scene *scene);

/* The clock of SCENE goes on: SECONDS within an epoch (fewer than 30 in all), or, with IS_EPOCH, to another one, in
 * which nothing of the last is remembered but the day's tokens. Checks that the arena agrees. */
void ledger_advance(struct ledger *ledger, struct scene *scene, int64_t seconds, bool is_epoch);

#endif
