/* SPDX-License-Identifier: MPL-2.0
 *
 * POST /v1/settle (contract, sections 2 and 6): what a request that was let through really used.
 *
 *   {"reservation": text, "prompt_tokens": n, "completion_tokens": n, "cached_tokens": n, "model": text}
 *
 * The reservation is X-Fairvisor-Reservation as it came. When neither the prompt's nor the completion's tokens are told, nobody knows
 * what was used: what is in flight ends, and the rest stays charged as it was reserved. One of them alone: the other is 0. Cached
 * tokens are a part of the prompt's. The model is the one that answered. The answer is JSON:
 *
 *   200 settled          400 invalid (its message names the member)
 *   200 settled_in_part  404 unknown
 *   409 settled_before   410 expired
 *   503 busy
 *
 * A message beside "settled" says that the policy served now does not have all limits of the reservation.
 */
#ifndef FAIRVISOR_WORKER_SETTLE_H
#define FAIRVISOR_WORKER_SETTLE_H

#include <stdbool.h>

#include "policy/decide.h"
#include "policy/region.h"
#include "worker/outbox.h"
#include "worker/reply.h"

struct settle_demand {
    struct slice reservation;
    bool has_usage; /* else nobody knows */
    struct usage usage;
    struct slice model; /* empty when it is not told */
};

/* Reads TEXT strictly: unknown and repeated members are mistakes. DEMAND's text lies in TEXT or in REGION. false:
 * COMPLAINT got a sentence that names place, cause and cure. */
bool settle_read(struct slice text, struct region *region, struct settle_demand *demand, struct outbox *complaint);

/* Answers a settlement whose body is TEXT. */
void settle_answer(const struct reply *reply, struct slice text);

#endif
