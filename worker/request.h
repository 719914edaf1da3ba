/* SPDX-License-Identifier: MPL-2.0
 *
 * One request from its first byte to its answer in the outbox. The steps, in order; each may end the request with the
 * statuses on its right, and after those marked * nothing more is read from the connection:
 *
 *   step      where                 what                                          may answer
 *   head      head_parse            bytes -> method, target, version, fields      400* 414* 431* 501* 505*
 *   begin     http_begin            framing: body? keep-alive? an expectation?    400* 417*
 *   route     route_find            which endpoint                                404 405
 *   body      http_body, chunk      read, up to max_body_bytes; kept if wanted    400* 408* 413* 503*
 *   extract   extract_facts         the original request, whose it is             400
 *   judge     judge_request         token -> claims, facts -> verdict
 *   answer    answer_verdict        verdict -> status line, fields, body          200 204 401 403 429 503
 *
 * In reverse proxy mode everything that is no endpoint is judged and, when it is allowed, goes on in proxy.c: its body is
 * read before only if a policy that matches looks into bodies. It may be answered 400 (a path that could be read in two
 * ways), 502, 503 and 504, too.
 *
 * A settlement goes from its body to settle_answer, which may answer 200 400 404 409 410 503. An endpoint that wants no
 * body answers before a body is read, and then closes the connection.
 */
#ifndef FAIRVISOR_WORKER_REQUEST_H
#define FAIRVISOR_WORKER_REQUEST_H

#include <stddef.h>

#include "worker/body.h"
#include "worker/client.h"
#include "worker/http.h"
#include "worker/worker.h"

struct proxy;

/* What a connection knows of the request it is reading. */
struct request_state {
    struct http http;
    struct body body; /* empty between requests */
};

/* Where a request comes from: a connection's constant facts. */
struct request_origin {
    struct client_peer peer;
    bool is_ops;    /* came in on an operator's listener */
    bool is_secure; /* by TLS */
};

enum request_progress {
    REQUEST_NEEDS_HEAD, /* the head is incomplete: call request_begin again with these bytes and more */
    REQUEST_NEEDS_BODY, /* call request_continue with the head's bytes and what comes behind the used ones */
    REQUEST_PROXIED,    /* `proxy` was made and is the caller's; its body may follow, see proxy_request_body */
    REQUEST_ANSWERED,   /* the answer is in the outbox; another request may follow */
    REQUEST_LAST,       /* the answer is in the outbox; send it and close */
};

/* What a step came to. */
struct request_outcome {
    enum request_progress progress;
    size_t used; /* so many bytes belong to this request; 0 for REQUEST_NEEDS_HEAD */
    size_t head_size; /* REQUEST_NEEDS_BODY of request_begin: the first so many are the head, to be kept by the caller */
    struct proxy *proxy;
    uint64_t delay_ms; /* hold the answer back for so long; what is in the outbox before it is not meant */
};

void request_init(struct request_state *state);

/* Gives up what is kept of a request. Again: nothing. */
void request_fini(struct request_state *state);

/* Begins with the bytes of DATA. */
struct request_outcome request_begin(struct worker *worker, const struct request_origin *origin,
                                     struct request_state *state, struct slice data);

/* Goes on with more of the body. HEAD_BYTES are what request_begin saw of the head. */
struct request_outcome request_continue(struct worker *worker, const struct request_origin *origin,
                                        struct request_state *state, struct slice head_bytes, struct slice data);

/* Why a request never comes to its end. */
enum request_fault { REQUEST_CUT_OFF, REQUEST_TOO_SLOW, REQUEST_TOO_LARGE, REQUEST_UNFRAMED };

/* Puts the answer to such a request into the outbox: 400, 408, 413, 400. */
void request_give_up(struct worker *worker, enum request_fault fault);

#endif
