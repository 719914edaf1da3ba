/* SPDX-License-Identifier: MPL-2.0
 *
 * The oracle's world as bytes: bundles as JSON, steps as lines of a .case file (tests/policy/test_decide.c).
 */
#ifndef FAIRVISOR_TESTS_POLICY_ORACLE_RENDER_H
#define FAIRVISOR_TESTS_POLICY_ORACLE_RENDER_H

#include <stdio.h>

#include "tests/policy/oracle/world.h"

/* Writes BUNDLE as JSON with a newline at its end. */
void render_bundle(FILE *out, const struct world_bundle *bundle);

/* Writes the left side of the line of a request: all before the arrow. */
void render_ask(FILE *out, const struct world_step *step);

/* Writes seconds and fraction of NS, exactly. */
void render_seconds(FILE *out, int64_t ns);

#endif
