/* SPDX-License-Identifier: MPL-2.0
 *
 * The words of `fairvisor explain`: each step of a decision and its verdict, as text or as JSON.
 */
#ifndef FAIRVISOR_CLI_NARRATE_H
#define FAIRVISOR_CLI_NARRATE_H

#include <stdbool.h>
#include <stdio.h>

#include "policy/decide.h"

struct narration {
    FILE *out;
    bool has_steps;  /* something was printed */
    bool has_limits; /* the heading of the limits was printed */
};

/* Observers of decide_explain; the context is a struct narration. */
void narrate_step(void *context, const struct decide_note *note);
void narrate_step_json(void *context, const struct decide_note *note);

void narrate_verdict(const struct verdict *verdict, FILE *out);
/* A JSON object. */
void narrate_verdict_json(const struct verdict *verdict, FILE *out);

#endif
