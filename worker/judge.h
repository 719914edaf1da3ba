/* SPDX-License-Identifier: MPL-2.0
 *
 * The judgement of one request: the only caller of policy/decide.h, and the only place that chooses what happens to a
 * request that cannot be judged.
 */
#ifndef FAIRVISOR_WORKER_JUDGE_H
#define FAIRVISOR_WORKER_JUDGE_H

#include "policy/claims.h"
#include "policy/decide.h"
#include "policy/facts.h"
#include "policy/verdict.h"
#include "shm/moment.h"
#include "worker/worker.h"

/* Fills VERDICT for FACTS, charges when it allows, and records the time it took. Returns the moment of the decision. */
struct moment judge_request(struct worker *worker, const struct facts *facts, const struct claims *claims,
                            struct verdict *verdict);

/* Settles the reservation TEXT with what its request used. */
enum decide_settlement judge_settlement(struct worker *worker, struct slice text, const struct decide_usage *usage);

/* Whether the circuit breaker of POLICY is open: see decide_guards_is_open. */
bool judge_breaker_is_open(const struct worker *worker, const struct policy *policy);

#endif
