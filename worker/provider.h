/* SPDX-License-Identifier: MPL-2.0
 *
 * A limit of ours in the fields in which LLM providers tell theirs, for clients that read those: OpenAI's x-ratelimit-, or Anthropic's
 * anthropic-ratelimit- where its API is spoken.
 */
#ifndef FAIRVISOR_WORKER_PROVIDER_H
#define FAIRVISOR_WORKER_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/verdict.h"
#include "worker/outbox.h"

struct provider_limit {
    enum { PROVIDER_NONE, PROVIDER_OPENAI, PROVIDER_ANTHROPIC } provider;
    bool is_tokens; /* otherwise requests */
    uint64_t limit, remaining;
    uint64_t reset_ms; /* from now */
    int64_t reset_s;   /* wall clock */
};

/* The limit that VERDICT tells, for a request of PATH; of the kinds of limits that providers have none. */
struct provider_limit provider_limit_of(const struct verdict *verdict, struct slice path);

/* The fields, each ended by CRLF. */
void provider_write(const struct provider_limit *limit, struct outbox *out);

/* Whether LIMIT takes the place of the upstream's field NAME. */
bool provider_hides(const struct provider_limit *limit, struct slice name);

#endif
