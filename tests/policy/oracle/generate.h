/* SPDX-License-Identifier: MPL-2.0
 *
 * Random bundles that are related to each other, random requests, settlements and steps of both clocks.
 */
#ifndef FAIRVISOR_TESTS_POLICY_ORACLE_GENERATE_H
#define FAIRVISOR_TESTS_POLICY_ORACLE_GENERATE_H

#include "tests/policy/oracle/world.h"

/* Fills BUNDLES, which have policies, rules and keys of the same names but other limits, modes, switches and gaps. */
void generate_bundles(struct world_dice *dice, struct world_bundle bundles[WORLD_BUNDLES]);

/* Fills COUNT steps; the first is a reload, and RELOAD_PERCENT of the others. Boot time never goes back, wall time goes
 * both ways. */
void generate_steps(struct world_dice *dice, struct world_step *steps, int count, int reload_percent);

#endif
