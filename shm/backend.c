/* SPDX-License-Identifier: MPL-2.0
 *
 * The one place that reads backend_url. What the reverse proxy would not use (a path, a query, a user) is refused.
 */
#include "shm/backend.h"

#include <stdlib.h>
#include <string.h>

#include "shm/address.h"

#define MAX_PORT_DIGITS 5
#define MAX_PORT        65535

static bool refuse(const char **why, const char *clause)
{
    *why = clause;
    return false;
}

static bool take_scheme(struct slice *rest, struct backend *backend, const char **why)
{
    const struct slice plain = SLICE("http://"), secure = SLICE("https://");

    backend->is_tls = slice_has_prefix(*rest, secure);
    if (!backend->is_tls && !slice_has_prefix(*rest, plain))
        return refuse(why, "the URL must begin with http:// or https://");
    *rest = (struct slice){rest->data + (backend->is_tls ? secure.size : plain.size),
                           rest->size - (backend->is_tls ? secure.size : plain.size)};
    if (rest->size > 0 && rest->data[rest->size - 1] == '/')
        rest->size--;
    return true;
}

static bool take_port(struct slice text, struct backend *backend, const char **why)
{
    unsigned long port = 0;

    backend->port = backend->is_tls ? 443 : 80;
    if (text.size == 0)
        return true;
    if (text.data[0] != ':' || text.size == 1 || text.size > MAX_PORT_DIGITS + 1)
        return refuse(why, "behind the host only a port may stand: requests go on with paths of their own");
    for (size_t i = 1; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return refuse(why, "behind the host only a port may stand: requests go on with paths of their own");
        port = port * 10 + (unsigned long)(text.data[i] - '0');
    }
    if (port == 0 || port > MAX_PORT)
        return refuse(why, "the port must be from 1 to 65535");
    backend->port = (uint16_t)port;
    return true;
}

static bool is_name(struct slice host)
{
    for (size_t i = 0; i < host.size; i++) {
        char c = slice_lower(host.data[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
            return false;
    }
    return host.size > 0 && host.data[0] != '.' && host.data[0] != '-';
}

/* http://unix:/PATH is nginx's way to name a socket, http://unix:80 a host of that name; a zone (%eth0) says which link an address
 * is of. */
static const char *what_is_unknown(struct slice rest)
{
    if (slice_has_prefix(rest, SLICE("unix:/")))
        return "the upstream must have a TCP address; unix sockets are not asked";
    if (rest.size > 0 && rest.data[0] == '[' && memchr(rest.data, '%', rest.size))
        return "addresses with a zone, of one link only, are not asked; give the upstream's global address or its name";
    return NULL;
}

static bool take_host(struct slice *rest, struct backend *backend, const char **why)
{
    bool is_bracketed = rest->size > 0 && rest->data[0] == '[';
    const char *end = is_bracketed ? memchr(rest->data, ']', rest->size) : NULL;
    struct slice host = {rest->data, 0};
    const char *unknown = what_is_unknown(*rest);
    struct address address;
    size_t used;

    if (unknown)
        return refuse(why, unknown);
    if (is_bracketed) {
        host = (struct slice){rest->data + 1, end ? (size_t)(end - rest->data) - 1 : 0};
        used = host.size + 2;
        if (!end || !address_parse(host, &address) || address.family != ADDRESS_IPV6)
            return refuse(why, "in brackets an IPv6 address must stand");
    } else {
        while (host.size < rest->size && !strchr(":/?#@", rest->data[host.size]))
            host.size++;
        used = host.size;
        if (!is_name(host))
            return refuse(why, "the URL names no host");
    }
    if (host.size >= sizeof(backend->host))
        return refuse(why, "the host's name is longer than 253 bytes");
    memcpy(backend->host, host.data, host.size);
    backend->host[host.size] = '\0';
    *rest = (struct slice){rest->data + used, rest->size - used};
    return true;
}

bool backend_parse(struct slice url, struct backend *backend, const char **why)
{
    struct slice rest = url;

    memset(backend, 0, sizeof(*backend));
    if (!take_scheme(&rest, backend, why))
        return false;
    backend->authority = rest;
    return take_host(&rest, backend, why) && take_port(rest, backend, why);
}
