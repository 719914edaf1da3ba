/* SPDX-License-Identifier: MPL-2.0
 *
 * One request from its first byte to its answer in the outbox. The steps, in order; each may end the request with the
 * statuses on its right, and after those marked * nothing more is read from the connection:
 *
 *   step      where                 what                                          may answer
 *   head      head_parse            bytes -> method, target, version, fields      400* 414* 431* 501* 505*
 *   begin     http_begin            framing: body? keep-alive?                    400*
 *   route     route_find            which endpoint                                404 405
 *   body      http_body, chunk      read and dropped, up to max_body_bytes        400* 408* 413* 417*
 *   extract   extract_facts         the original request, whose it is             400
 *   claims    tokens_claims         what the bearer token says
 *   judge     judge_request         facts -> verdict
 *   headers   headers_write         verdict -> fields
 *   reject    reject_write          verdict -> body of a refusal
 *   reply     reply_begin, _end     status line, frame, outbox                    200 204 401 403 429 503
 *
 * An endpoint that wants no body answers before a body is read, and then closes the connection.
 */
#ifndef FAIRVISOR_WORKER_REQUEST_H
#define FAIRVISOR_WORKER_REQUEST_H

#include <stddef.h>

#include "worker/client.h"
#include "worker/http.h"
#include "worker/worker.h"

/* Where a request comes from: a connection's constant facts. */
struct request_origin {
    struct client_peer peer;
    bool is_ops; /* came in on an operator's listener */
};

enum request_progress {
    REQUEST_NEEDS_HEAD, /* the head is incomplete: call request_begin again with these bytes and more */
    REQUEST_NEEDS_BODY, /* call request_continue with the head's bytes and what comes behind the used ones */
    REQUEST_ANSWERED,   /* the answer is in the outbox; another request may follow */
    REQUEST_LAST,       /* the answer is in the outbox; send it and close */
};

/* Begins with the SIZE bytes of DATA. *USED: how many belong to this request (0 for REQUEST_NEEDS_HEAD); for
 * REQUEST_NEEDS_BODY the first *HEAD_SIZE of them are the head, which the caller must keep. */
enum request_progress request_begin(struct worker *worker, const struct request_origin *origin, struct http *http,
                                    const char *data, size_t size, size_t *used, size_t *head_size);

/* Goes on with more of the body. HEAD_BYTES are what request_begin saw of the head. */
enum request_progress request_continue(struct worker *worker, const struct request_origin *origin, struct http *http,
                                       struct slice head_bytes, const char *data, size_t size, size_t *used);

/* Puts the answer to a request that never came to its end into the outbox: 408 for one too slow, 400 for one cut off.
 */
void request_give_up(struct worker *worker, unsigned status);

#endif
