/* SPDX-License-Identifier: MPL-2.0
 *
 * Whose request is it: the peer, or the address that trusted proxies wrote into X-Forwarded-For.
 */
#ifndef FAIRVISOR_WORKER_CLIENT_H
#define FAIRVISOR_WORKER_CLIENT_H

#include <stdbool.h>

#include "shm/address.h"
#include "shm/settings.h"
#include "worker/head.h"

struct client_peer {
    struct address address; /* ADDRESS_NONE on a unix socket */
    bool is_unix;
};

/* Does trusted_proxies name the peer? */
bool client_is_trusted(const struct settings *settings, const struct client_peer *peer);

/* A peer that trusted_proxies does not name is the client itself. A trusted one's X-Forwarded-For fields, taken as one
 * list, are walked from the right: the first address that is not trusted is the client; when all are trusted the
 * leftmost is. An element that is no address ends the walk at the last address seen (the peer's, when none was). *IS_TOLD is
 * false when it did, and when a trusted peer told none: the answer is then no client but a proxy. */
struct address client_find(const struct settings *settings, const struct client_peer *peer, const struct head *head,
                           bool *is_told);

#endif
