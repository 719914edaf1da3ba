/* SPDX-License-Identifier: MPL-2.0
 *
 * A verdict in header fields (contract, "Verdict headers"): the IETF draft draft-ietf-httpapi-ratelimit-headers in its
 * current and its older form, Retry-After, what LLM clients obey beside it, and our own fields.
 */
#ifndef FAIRVISOR_WORKER_HEADERS_H
#define FAIRVISOR_WORKER_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "policy/verdict.h"
#include "worker/outbox.h"

/* The fields of each rule that do not change from request to request, worded when the rule is first shown. */
struct headers {
    const struct bundle *bundle;
    uint32_t *first_rule; /* of each policy, in `limits` */
    struct headers_limit {
        int64_t limit, window_ns; /* what the text was made for */
        char *text;
        size_t size;
    } * limits;
};

/* false when memory is out. BUNDLE must outlive it. */
bool headers_init(struct headers *headers, const struct bundle *bundle);
void headers_fini(struct headers *headers);

/* Appends the fields of VERDICT to OUT. TRUE_STATUS goes to X-Fairvisor-Status; WITH_REASON: X-Fairvisor-Reason may be
 * shown. */
void headers_write(struct headers *headers, const struct verdict *verdict, unsigned true_status, bool with_reason,
                   struct outbox *out);

/* The same for a request that is let through to the upstream here, and settled here: there is no reservation to tell. */
void headers_write_passed(struct headers *headers, const struct verdict *verdict, struct outbox *out);

/* Whole seconds a refused client should wait, at least 1 and never less than the reset. */
uint64_t headers_retry_seconds(const struct verdict *verdict);

/* Whole units of an amount in millionths, rounded down; a negative amount is 0. */
uint64_t headers_units(int64_t millionths);

#endif
