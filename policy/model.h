/* SPDX-License-Identifier: MPL-2.0
 *
 * Which model a request is for: by its path where providers route by path (Azure's deployments, Gemini's models), else
 * by its body.
 */
#ifndef FAIRVISOR_POLICY_MODEL_H
#define FAIRVISOR_POLICY_MODEL_H

#include "policy/estimate.h"
#include "shm/slice.h"

/* Name of the model; empty when nobody says, or a body says two. Borrowed from PATH (normalized) or ESTIMATE. */
struct slice model_of(struct slice path, const struct estimate *estimate);

#endif
