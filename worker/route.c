/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of endpoints and the look into it.
 */
#include "worker/route.h"

#include <stddef.h>

#include "policy/path.h"

#define PATH(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }

/* More specific ones first. A prefix ends before the slash that begins the suffix. */
static const struct route routes[] = {
    {ROUTE_DECISION, PATH("/v1/decision"), .source = ROUTE_SOURCE_EITHER},
    {ROUTE_DECISION, PATH("/v1/decision"), .is_prefix = true, .source = ROUTE_SOURCE_SUFFIX},
    {ROUTE_DECISION, PATH("/v1/forward-auth"), .source = ROUTE_SOURCE_FORWARDED},
    {ROUTE_DECISION, PATH("/v1/accel"), .is_accel = true, .source = ROUTE_SOURCE_ORIGINAL},
    {ROUTE_DECISION, PATH("/v1/accel"), .is_prefix = true, .is_accel = true, .source = ROUTE_SOURCE_ORIGINAL},
    {ROUTE_SETTLE, PATH("/v1/settle"), .methods = ROUTE_POST, .is_ops = true},
    {ROUTE_DEBUG_SESSION, PATH("/v1/debug/session"), .methods = ROUTE_POST, .is_ops = true},
    {ROUTE_DEBUG_LOGOUT, PATH("/v1/debug/logout"), .methods = ROUTE_POST, .is_ops = true},
    {ROUTE_LIVE, PATH("/livez"), .methods = ROUTE_READS},
    {ROUTE_READY, PATH("/readyz"), .methods = ROUTE_READS},
    {ROUTE_METRICS, PATH("/metrics"), .methods = ROUTE_READS, .is_ops = true},
};

static bool names(const struct route *route, struct slice path)
{
    if (!route->is_prefix)
        return slice_equal(route->path, path);
    return path.size > route->path.size && path.data[route->path.size] == '/' && slice_has_prefix(path, route->path);
}

const struct route *route_find(struct slice target, bool is_ops, bool has_ops, struct slice *suffix)
{
    struct slice path, query;

    if (!path_split(target, &path, &query))
        return NULL;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct route *route = &routes[i];

        if (!names(route, path) || (route->is_ops && has_ops && !is_ops))
            continue;
        /* A prefix route's path lies in the target, and so does the query behind it. */
        if (route->is_prefix)
            *suffix = (struct slice){path.data + route->path.size,
                                     (size_t)(target.data + target.size - path.data) - route->path.size};
        return route;
    }
    return NULL;
}

bool route_takes(const struct route *route, struct slice method)
{
    switch (route->methods) {
    case ROUTE_READS:
        return slice_equal(method, SLICE("GET")) || slice_equal(method, SLICE("HEAD"));
    case ROUTE_POST:
        return slice_equal(method, SLICE("POST"));
    case ROUTE_ANY_METHOD:
        break;
    }
    return true;
}

bool route_reads_body(const struct route *route)
{
    return route && (route->kind == ROUTE_DECISION || route->kind == ROUTE_SETTLE);
}
