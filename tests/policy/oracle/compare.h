/* SPDX-License-Identifier: MPL-2.0
 *
 * Whether the engine's verdict is one that the model allows. Where the contract leaves several answers open (which of
 * several limits refuses, how a wait is spread) any of them will do, and nothing else.
 */
#ifndef FAIRVISOR_TESTS_POLICY_ORACLE_COMPARE_H
#define FAIRVISOR_TESTS_POLICY_ORACLE_COMPARE_H

#include <stdio.h>

#include "policy/verdict.h"
#include "tests/policy/oracle/model.h"

#define COMPARE_WHY 512

/* false when they disagree; WHY says in which respect. */
bool compare_verdicts(const struct model_verdict *model, const struct verdict *verdict, char why[COMPARE_WHY]);

/* The words that a .case file expects of the model's verdict. */
void compare_expectation(FILE *out, const struct model_verdict *model);

#endif
