/* SPDX-License-Identifier: MPL-2.0
 *
 * The judgement of one request: the only caller of policy/decide.h, and the only place that chooses what happens to a
 * request that cannot be judged.
 */
#ifndef FAIRVISOR_WORKER_JUDGE_H
#define FAIRVISOR_WORKER_JUDGE_H

#include "policy/decide.h"
#include "policy/facts.h"
#include "policy/verdict.h"
#include "shm/moment.h"
#include "worker/worker.h"

/* Who says he asks. */
struct judge_bearer {
    struct slice authorization; /* value of the Authorization field; empty when there is none */
    bool is_repeated;           /* there are more of them, so that another reader might believe another one */
};

/* Fills VERDICT for FACTS, charges when it allows, and records the time it took. When the policy has jwt: keys,
 * BEARER's token is looked at first; one that does not verify is refused (jwt_invalid) or has no claims, as
 * jwt_on_invalid says. Returns the moment of the decision. */
struct moment judge_request(struct worker *worker, const struct facts *facts, const struct judge_bearer *bearer,
                            struct verdict *verdict);

/* Keys that kill switches look at which were set by hand, beside the bundle's: see decide_kills_keys. */
uint32_t judge_hand_keys(const struct worker *worker, const struct descriptor **keys);

/* Settles the reservation TEXT with what its request used. */
enum decide_settlement judge_settle(struct worker *worker, struct slice text, const struct usage *usage,
                                    struct slice model);

/* Likewise, for an exchange of the proxy's, which may take longer than others have time to settle; without USAGE only what is in
 * flight ends, and the rest stays charged. false: the counters are locked, nothing was done, and it can be tried again. */
bool judge_finish(struct worker *worker, struct slice text, const struct usage *usage, struct slice model);

/* Reserves in the SIZE bytes of TEXT what is missing to USAGE: see decide_reserve_grow. */
bool judge_grow(struct worker *worker, char *text, size_t size, const struct usage *usage, struct slice model);

/* What the reservation TEXT, of a request that was just allowed, holds in flight: see decide_reserve_flights. */
uint32_t judge_flights(struct worker *worker, struct slice text, struct flight flights[RESERVATION_MAX_ENTRIES]);

/* Whether a policy that matches FACTS looks into bodies: see decide_wants_body. */
bool judge_wants_body(struct worker *worker, const struct facts *facts);

/* Whether the circuit breaker of POLICY is open: see decide_guards_is_open. */
bool judge_breaker_is_open(const struct worker *worker, const struct policy *policy);

#endif
