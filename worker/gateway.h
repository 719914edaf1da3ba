/* SPDX-License-Identifier: MPL-2.0
 *
 * Gateways that make all their clients one, and nobody would see why: a trusted proxy that tells no client, and one whose
 * word is not taken.
 */
#ifndef FAIRVISOR_WORKER_GATEWAY_H
#define FAIRVISOR_WORKER_GATEWAY_H

#include <stdbool.h>

#include "policy/facts.h"
#include "worker/head.h"
#include "worker/worker.h"

/* Counts and, once a minute, logs it when the request of HEAD and FACTS came from such a gateway. For bundles that look at
 * the client's address. IS_PROXIED: the request goes on to the upstream, so that its peer may be a client. */
void gateway_note(struct worker *worker, const struct head *head, const struct facts *facts, bool is_proxied);

#endif
