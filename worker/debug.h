/* SPDX-License-Identifier: MPL-2.0
 *
 * Debug sessions (contract, section 2). Who knows debug_session_secret gets a cookie for 900 seconds, and with it answers to decisions tell
 * what they are otherwise silent about. The cookie is signed with the secret and carries its own end: every worker of
 * every generation knows it, and nothing is kept. Logging out makes the client forget it; a copy stays good until its end,
 * or until the secret changes.
 *
 *   fv_dbg = <seconds since 1970 of its end> . <16 hex digits, random> . <64 hex digits, HMAC-SHA-256 of both>
 */
#ifndef FAIRVISOR_WORKER_DEBUG_H
#define FAIRVISOR_WORKER_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/verdict.h"
#include "worker/client.h"
#include "worker/head.h"
#include "worker/reply.h"
#include "worker/route.h"

/* Answers POST /v1/debug/session and /v1/debug/logout: 404 when there is no secret, 405, 403 (the wrong secret), 204.
 * IS_TLS: the client speaks TLS to this worker. */
void debug_answer(const struct reply *reply, const struct route *route, const struct head *head,
                  const struct client_peer *peer, bool is_tls);

/* Does the request carry the cookie of a session that is open at NOW_S (wall clock)? */
bool debug_is_open(const struct settings *settings, const struct head *head, int64_t now_s);

/* Appends the X-Fairvisor-Debug-* fields of VERDICT to OUT. */
void debug_write(const struct worker *worker, const struct verdict *verdict, struct outbox *out);

#endif
