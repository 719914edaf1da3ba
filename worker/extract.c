/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads the original method, URI and host where the endpoint says they stand, and makes facts of them.
 */
#include "worker/extract.h"

#include "policy/path.h"

/* One family of fields, and what to say when it cannot be used. */
struct family {
    enum head_field method, uri, host;
    const char *method_missing, *uri_missing, *repeated, *method_invalid, *uri_invalid;
};

static const struct family original = {
    HEAD_FIELD_original_method,
    HEAD_FIELD_original_uri,
    HEAD_FIELD_original_host,
    "X-Original-Method is missing: the gateway must send the method of the original request in it.",
    "X-Original-URI is missing: the gateway must send path and query of the original request in it.",
    "X-Original-Method, X-Original-URI and X-Original-Host may each occur once only.",
    "X-Original-Method is not a method.",
    "X-Original-URI must begin with a slash or be an http URL.",
};

static const struct family forwarded = {
    HEAD_FIELD_forwarded_method,
    HEAD_FIELD_forwarded_uri,
    HEAD_FIELD_forwarded_host,
    "X-Forwarded-Method is missing: the gateway must send the method of the original request in it.",
    "X-Forwarded-Uri is missing: the gateway must send path and query of the original request in it.",
    "X-Forwarded-Method, X-Forwarded-Uri and X-Forwarded-Host may each occur once only.",
    "X-Forwarded-Method is not a method.",
    "X-Forwarded-Uri must begin with a slash or be an http URL.",
};

#define NOTHING_TOLD                                                                                          \
    "The original request is not told: send X-Original-Method and X-Original-URI, or X-Forwarded-Method and " \
    "X-Forwarded-Uri, or ask at /v1/decision/<path>."

static bool read_family(const struct head *head, const struct family *family, struct facts *facts, struct slice *uri,
                        struct slice *host, const char **cause)
{
    if (head_is_repeated(head, family->method) || head_is_repeated(head, family->uri) ||
        head_is_repeated(head, family->host)) {
        *cause = family->repeated;
        return false;
    }
    if (!head_has(head, family->uri)) {
        *cause = family->uri_missing;
        return false;
    }
    if (!head_has(head, family->method)) {
        *cause = family->method_missing;
        return false;
    }
    facts->method = head_value(head, family->method);
    if (!head_is_token(facts->method)) {
        *cause = family->method_invalid;
        return false;
    }
    *uri = head_value(head, family->uri);
    *cause = family->uri_invalid;
    if (head_value(head, family->host).size > 0)
        *host = head_value(head, family->host);
    return true;
}

static bool read_original(const struct head *head, enum route_source source, struct slice suffix, struct facts *facts,
                          struct slice *uri, struct slice *host, const char **cause)
{
    bool has_original = head_has(head, HEAD_FIELD_original_method) || head_has(head, HEAD_FIELD_original_uri);
    bool has_forwarded = head_has(head, HEAD_FIELD_forwarded_method) || head_has(head, HEAD_FIELD_forwarded_uri);

    switch (source) {
    case ROUTE_SOURCE_SUFFIX:
        facts->method = head->method;
        *uri = suffix;
        *cause = "The path behind the endpoint cannot be read.";
        return true;
    case ROUTE_SOURCE_EITHER:
        *cause = NOTHING_TOLD;
        if (!has_original && !has_forwarded)
            return false;
        return read_family(head, has_original ? &original : &forwarded, facts, uri, host, cause);
    case ROUTE_SOURCE_ORIGINAL:
        return read_family(head, &original, facts, uri, host, cause);
    case ROUTE_SOURCE_FORWARDED:
        return read_family(head, &forwarded, facts, uri, host, cause);
    case ROUTE_SOURCE_NONE:
        break;
    }
    *cause = NOTHING_TOLD;
    return false;
}

bool extract_facts(const struct settings *settings, const struct head *head, const struct client_peer *peer,
                   const struct route *route, struct slice suffix, const struct extract_room *room, struct facts *facts,
                   const char **cause)
{
    struct slice uri = {0}, host = head->host, path;

    if (!read_original(head, route->source, suffix, facts, &uri, &host, cause))
        return false;
    if (slice_equal(uri, SLICE("*"))) /* OPTIONS of the server as a whole: judged as the root's */
        uri = SLICE("/");
    if (!path_split(uri, &path, &facts->query))
        return false;
    facts->path = path_normalize(path, room->path);
    facts->host = facts_host(host, room->host);
    facts->fields = head->fields;
    facts->field_count = head->field_count;
    facts->client = client_find(settings, peer, head, &facts->client_is_told);
    facts->peer_is_trusted = client_is_trusted(settings, peer);
    return true;
}
