/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to worker/forward*.c: what heads of requests (forward_request.c) and of responses (forward_response.c) are both
 * written with.
 */
#ifndef FAIRVISOR_WORKER_FORWARD_PRIVATE_H
#define FAIRVISOR_WORKER_FORWARD_PRIVATE_H

#include "worker/forward.h"

/* Adds a line of NAME and VALUE. */
void forward_add_field(struct outbox *out, struct slice name, struct slice value);

/* The same for a FIELD that was parsed: in one piece where its line is written as we write it. */
void forward_add_parsed(struct outbox *out, const struct fact_field *field);

/* Adds the field that says where the body ends, if one does. CONTENT_LENGTH is for FORWARD_COUNTED. */
void forward_add_framing(enum forward_framing framing, uint64_t content_length, struct outbox *out);

/* Whether NAME begins with X-Fairvisor-. */
bool forward_is_own(struct slice name);

/* The digits at the start of TEXT, up to 18; returns how many. */
size_t forward_read_number(struct slice text, uint64_t *number);

#endif
