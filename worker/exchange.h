/* SPDX-License-Identifier: MPL-2.0
 *
 * The metering seam of the reverse proxy: what a proxied request reserved, what of it passes by, and how it ended. proxy*.c
 * call these functions in this order, all in the worker's one thread:
 *
 *   exchange_begin    the request is allowed and about to be sent; its body may be replaced
 *   exchange_head     the head of the final response has come (not of an interim one); never when none comes
 *   exchange_body     each piece of its body, without chunk framing; none for a response without one
 *   exchange_finish   the body is complete by its framing: what was kept back can still be sent
 *   exchange_end      exactly once for each exchange that exchange_begin made, whatever happened; frees it
 *
 * How it is settled, once (exchange_end): an answer that tells its usage by that. One that does not, or does not come to its end, by what
 * was counted of it. A refusal of the upstream's and a request that was not sent cost nothing. An answer that cannot be read costs
 * what was reserved, and so does one of which nothing came before the client left. What is held in flight lands.
 */
#ifndef FAIRVISOR_WORKER_EXCHANGE_H
#define FAIRVISOR_WORKER_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/facts.h"
#include "policy/verdict.h"
#include "worker/outbox.h"
#include "worker/response.h"
#include "worker/worker.h"

struct exchange;

/* What is going to be sent. Everything in it is borrowed for the call. */
struct exchange_request {
    const struct facts *facts; /* path is normalized, body is what was gathered of it */
    const struct verdict *verdict;
    bool has_body; /* all of the body is in facts->body, because some matching policy looks into bodies */
    bool is_bodyless; /* there is none */
};

/* What the exchange wants of the proxy: zero is nothing. */
struct exchange_wishes {
    bool replaces_body;  /* begin: send what was put into BODY instead of the client's body */
    bool wants_identity; /* begin: ask the upstream not to compress (Accept-Encoding: identity) */
    uint64_t reads_on_ms; /* begin: when the client leaves, read the response on for so long; 0 = not at all */
    bool changes_body;   /* head: pieces may be changed, so that the upstream's Content-Length means nothing */
};

/* Begins an exchange. *EXCHANGE may stay NULL: there is nothing to meter and nothing reserved, and no other function is
 * called for this request. BODY is empty and takes a replacement. false: memory is out; the request is answered 503 and what was
 * reserved has been released. */
bool exchange_begin(struct worker *worker, const struct exchange_request *request, struct outbox *body,
                    struct exchange_wishes *wishes, struct exchange **exchange);

/* Sees the RESPONSE's head. Further fields for the client (each ended by CRLF) go to FIELDS. */
void exchange_head(struct exchange *exchange, const struct response *response, struct outbox *fields,
                   struct exchange_wishes *wishes);

/* Whether the client shall not see the upstream's field NAME. */
bool exchange_hides(const struct exchange *exchange, struct slice name);

enum exchange_pass {
    EXCHANGE_SAME,    /* send the piece as it is */
    EXCHANGE_CHANGED, /* send what is in OUT instead, which may be nothing; only after changes_body */
    EXCHANGE_CUT,     /* send what is in OUT, end the response to the client in good order and abort the upstream's */
};

/* Takes one piece of the body. Nobody is there to read what is sent when the client has left. */
enum exchange_pass exchange_body(struct exchange *exchange, struct slice piece, struct outbox *out);

/* The body is complete: the last bytes for the client go to OUT (only after changes_body). */
void exchange_finish(struct exchange *exchange, struct outbox *out);

enum exchange_end {
    EXCHANGE_COMPLETE,       /* the response was complete, or EXCHANGE_CUT ended it */
    EXCHANGE_CLIENT_LEFT,    /* before that; with reads_on_ms only if the rest could not be read either */
    EXCHANGE_UPSTREAM_BROKE, /* connecting failed, it closed too early, or sent what is not HTTP */
    EXCHANGE_TIMED_OUT,      /* the upstream was silent for too long, or the client took nothing for too long */
    EXCHANGE_DRAINED,        /* this worker leaves and waited as long as it may */
    EXCHANGE_UNSENT,         /* whatever happened, the upstream has not seen a byte of the request */
};

/* Settles and frees. */
void exchange_end(struct exchange *exchange, enum exchange_end how);

#endif
