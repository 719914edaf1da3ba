/* SPDX-License-Identifier: MPL-2.0
 *
 * The heads that the reverse proxy sends: the client's request as the upstream shall see it, and the upstream's response
 * as the client shall see it. Both are written anew from what was understood; framing fields are never copied.
 *
 * Removed both ways: what concerns one connection only (RFC 9110 7.6.1, with all that Connection lists), and every
 * X-Fairvisor- field. Set: Host, Via, and, by the rules of trusted_proxies, X-Forwarded-For, -Proto and -Host.
 */
#ifndef FAIRVISOR_WORKER_FORWARD_H
#define FAIRVISOR_WORKER_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "policy/facts.h"
#include "worker/client.h"
#include "worker/exchange.h"
#include "worker/head.h"
#include "worker/outbox.h"
#include "worker/response.h"

enum forward_framing {
    FORWARD_BODYLESS, /* no body, and nothing said about one */
    FORWARD_COUNTED,  /* Content-Length */
    FORWARD_CHUNKED,
    FORWARD_CLOSED, /* to a client of HTTP/1.0: the body ends with the connection */
};

struct forward_request {
    const struct head *head;
    const struct facts *facts; /* path as it was judged, query */
    const struct client_peer *peer;
    const struct bundle *bundle; /* whose keys nobody may hide: see forward_request_write */
    const struct descriptor *hand_keys; /* likewise: of kill switches that were set by hand */
    uint32_t hand_key_count;
    struct slice authority; /* of the upstream */
    bool peer_is_trusted;
    bool is_secure; /* the client speaks TLS */
    bool wants_identity;
    bool is_upgrade; /* to websocket */
    bool keeps_alive;
    bool says_empty; /* bodyless, but the client said so: Content-Length: 0 */
    enum forward_framing framing;
    uint64_t content_length;
};

/* Whether FACTS' path can be read in one way only: an encoded slash, backslash or NUL may mean a separator to the
 * upstream, and a dot segment with a parameter the segment above, so that another path would be asked for than was
 * judged. */
bool forward_request_is_plain(struct slice path);

/* Whether HEAD asks for a websocket, the one upgrade that is let through. */
bool forward_request_is_upgrade(const struct head *head);

/* How often the request may still be passed on: Max-Forwards of OPTIONS and TRACE (RFC 9110 7.6.2). false: nobody says. */
bool forward_request_hops(const struct head *head, uint64_t *hops);

/* Left out, too, is a field that CGI and its like take for one that a key reads, spelled otherwise: X_Api_Key for X-Api-Key.
 * Who sent it would have an identity there, and none here. */
void forward_request_write(const struct forward_request *request, struct outbox *out);

/* Whether a field of the client's called NAME is not left out. */
bool forward_request_passes(const struct forward_request *request, struct slice name);

struct forward_response {
    const struct response *response;
    const struct exchange *exchange; /* NULL: none */
    struct slice verdict;            /* our own fields, each ended by CRLF */
    struct slice date;               /* the line for a response without a Date (RFC 9110 6.6.1), ended by CRLF; or empty */
    enum forward_framing framing;
    uint64_t content_length;
    bool keeps_alive; /* of the client's connection */
    bool is_old;      /* the client speaks HTTP/1.0 */
};

/* For the final response and for interim ones (100 to 199, which get no fields of ours). */
void forward_response_write(const struct forward_response *forward, struct outbox *out);

#endif
