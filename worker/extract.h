/* SPDX-License-Identifier: MPL-2.0
 *
 * From the message we got to the facts of the original request it asks about.
 */
#ifndef FAIRVISOR_WORKER_EXTRACT_H
#define FAIRVISOR_WORKER_EXTRACT_H

#include <stdbool.h>

#include "policy/facts.h"
#include "worker/client.h"
#include "worker/head.h"
#include "worker/route.h"

/* Where extract_facts puts what it has to rewrite. */
struct extract_room {
    char *path; /* PATH_NORMAL_SIZE of the largest head */
    char *host; /* as large as the largest head */
};

/* Fills FACTS for a decision ROUTE; SUFFIX as route_find gave it. The slices point into the head and ROOM. false: the
 * original request is not told or cannot be read; *CAUSE says what is missing, the answer is 400.
 *
 * An original host that is not given is the message's own Host. A field that tells the original request must stand
 * once: of two, one might be the client's own. */
bool extract_facts(const struct settings *settings, const struct head *head, const struct client_peer *peer,
                   const struct route *route, struct slice suffix, const struct extract_room *room, struct facts *facts,
                   const char **cause);

#endif
