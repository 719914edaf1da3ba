/* SPDX-License-Identifier: MPL-2.0
 *
 * The endpoints that judge nothing: /v1/settle, /livez, /readyz, /metrics, and what is no endpoint at all.
 */
#ifndef FAIRVISOR_WORKER_ENDPOINTS_H
#define FAIRVISOR_WORKER_ENDPOINTS_H

#include "worker/reply.h"
#include "worker/route.h"

/* Answers a request for ROUTE, which is NULL (404) or not a decision; 405 when METHOD does not fit. BODY is empty
 * unless the route reads one. */
void endpoints_answer(const struct reply *reply, const struct route *route, struct slice method, struct slice body);

#endif
