/* SPDX-License-Identifier: MPL-2.0
 *
 * Which endpoint a request target names (contract, section 2). The path is taken as it came: what is behind
 * /v1/decision/ belongs to the original request and is normalized with it, later.
 */
#ifndef FAIRVISOR_WORKER_ROUTE_H
#define FAIRVISOR_WORKER_ROUTE_H

#include <stdbool.h>

#include "shm/slice.h"

/* Where the original request is written. */
enum route_source {
    ROUTE_SOURCE_NONE,
    ROUTE_SOURCE_SUFFIX,    /* behind the endpoint's path; method and host are the request's own */
    ROUTE_SOURCE_ORIGINAL,  /* X-Original-* */
    ROUTE_SOURCE_EITHER,    /* X-Original-*, or X-Forwarded-* when neither method nor URI of the first is there */
    ROUTE_SOURCE_FORWARDED, /* X-Forwarded-* */
};

enum route_kind { ROUTE_DECISION, ROUTE_SETTLE, ROUTE_LIVE, ROUTE_READY, ROUTE_METRICS, ROUTE_DEBUG_SESSION, ROUTE_DEBUG_LOGOUT };

enum route_methods { ROUTE_ANY_METHOD, ROUTE_READS, ROUTE_POST };

struct route {
    enum route_kind kind;
    struct slice path;
    bool is_prefix; /* the path and all that follows it; else exactly the path */
    bool is_ops;    /* only on the operator's listeners, when there are any */
    bool is_accel;  /* an allow is an X-Accel-Redirect */
    enum route_methods methods;
    enum route_source source;
};

/* The route of TARGET, or NULL. *SUFFIX is what follows a prefix route's path, its leading slash included. IS_OPS: the
 * connection came in on an operator's listener; HAS_OPS: there is one. */
const struct route *route_find(struct slice target, bool is_ops, bool has_ops, struct slice *suffix);

/* Whether METHOD may be used on ROUTE; otherwise the answer is 405. */
bool route_takes(const struct route *route, struct slice method);

/* Whether a body is read for ROUTE, which may be NULL. */
bool route_reads_body(const struct route *route);

#endif
