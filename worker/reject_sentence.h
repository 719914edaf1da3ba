/* SPDX-License-Identifier: MPL-2.0
 *
 * The sentence that the body of a refusal carries in every dialect.
 */
#ifndef FAIRVISOR_WORKER_REJECT_SENTENCE_H
#define FAIRVISOR_WORKER_REJECT_SENTENCE_H

#include <stdbool.h>

#include "policy/verdict.h"
#include "worker/outbox.h"

/* Appends it to OUT, as the inside of a JSON string. Without WITH_REASON it names neither reason nor policy. */
void reject_sentence_write(const struct verdict *verdict, bool with_reason, struct outbox *out);

#endif
