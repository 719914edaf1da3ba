/* SPDX-License-Identifier: MPL-2.0
 *
 * The body of a refusal, in the dialect that the client's library understands (contract, "Reject bodies"): which limit,
 * how much, when to come back.
 */
#ifndef FAIRVISOR_WORKER_REJECT_H
#define FAIRVISOR_WORKER_REJECT_H

#include <stdbool.h>

#include "policy/verdict.h"
#include "worker/outbox.h"

/* Appends the body of VERDICT, which refuses, to OUT and returns its media type. PATH is the normalized path of the
 * original request. Without WITH_REASON the body names neither reason nor policy. */
struct slice reject_write(const struct verdict *verdict, struct slice path, bool with_reason, struct outbox *out);

#endif
