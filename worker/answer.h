/* SPDX-License-Identifier: MPL-2.0
 *
 * The answer to a request that was judged and is not passed on: the verdict's status, fields and body in their frame.
 */
#ifndef FAIRVISOR_WORKER_ANSWER_H
#define FAIRVISOR_WORKER_ANSWER_H

#include "policy/verdict.h"
#include "worker/head.h"
#include "worker/reply.h"
#include "worker/route.h"

/* Answers the request of HEAD, which asked at ROUTE, with VERDICT. PATH is the normalized path of the original request. The
 * date of REPLY's worker has been set. */
void answer_verdict(const struct reply *reply, const struct route *route, const struct head *head, const struct verdict *verdict,
                    struct slice path);

#endif
