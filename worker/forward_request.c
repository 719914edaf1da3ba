/* SPDX-License-Identifier: MPL-2.0
 *
 * Writes heads of requests. Takes what head.c understood, gives bytes; keeps nothing.
 */
#include <string.h>

#include "shm/address.h"
#include "worker/forward_private.h"
#include "worker/name.h"

#define NAME_ROOM    64 /* longer than every name that is dropped */
#define MAX_FORWARDS SLICE("max-forwards")

static bool is_escape(const char *text, const char *digits)
{
    return text[0] == '%' && text[1] == digits[0] && (text[2] & ~0x20) == (digits[1] & ~0x20);
}

/* "/..;x" is a segment of its own here, and the one above to servlets, which cut parameters off first. */
static bool has_dots_with_parameter(struct slice path)
{
    return memchr(path.data, ';', path.size) &&
           (memmem(path.data, path.size, "/..;", 4) || memmem(path.data, path.size, "/.;", 3));
}

bool forward_request_is_plain(struct slice path)
{
    if (memchr(path.data, '\\', path.size) || has_dots_with_parameter(path))
        return false;
    for (size_t i = 0; i + 2 < path.size; i++) {
        const char *text = path.data + i;

        if (is_escape(text, "2F") || is_escape(text, "5C") || (text[0] == '%' && text[1] == '0' && text[2] == '0'))
            return false;
    }
    return true;
}

static bool is_listed(const struct head *head, struct slice name)
{
    for (size_t i = head->first[HEAD_FIELD_connection]; i > 0 && i <= head->field_count; i++)
        if (head_is_named(head->fields[i - 1].name, HEAD_FIELD_connection) &&
            head_has_token(head->fields[i - 1].value, name))
            return true;
    return false;
}

/* Whether Connection may list a field to drop; almost all clients list keep-alive, and that alone. */
static bool lists_fields(const struct head *head)
{
    struct slice listed = head_value(head, HEAD_FIELD_connection);

    return head_is_repeated(head, HEAD_FIELD_connection) ||
           (listed.size > 0 && !NAME_IS(listed, "keep-alive"));
}

/* The value of the only field with NAME; NULL data when there is none, or more. */
static struct slice only_value(const struct head *head, struct slice name)
{
    struct slice value = {0};

    for (size_t i = 0; i < head->field_count; i++) {
        if (!slice_equal_nocase(head->fields[i].name, name))
            continue;
        if (value.data)
            return (struct slice){0};
        value = head->fields[i].value;
    }
    return value;
}

bool forward_request_hops(const struct head *head, uint64_t *hops)
{
    struct slice value;

    if (!slice_equal(head->method, SLICE("OPTIONS")) && !slice_equal(head->method, SLICE("TRACE")))
        return false;
    value = only_value(head, MAX_FORWARDS);
    return value.size > 0 && forward_read_number(value, hops) == value.size;
}

bool forward_request_is_upgrade(const struct head *head)
{
    return head->minor == 1 && !head->is_chunked && head->content_length == 0 &&
           slice_equal_nocase(only_value(head, SLICE("upgrade")), SLICE("websocket")) &&
           is_listed(head, SLICE("upgrade"));
}

/* CGI, WSGI and their like make one name of X_Forwarded_For and X-Forwarded-For: what is not passed on is not passed on
 * in either spelling. */
static struct slice with_hyphens(struct slice name, char room[NAME_ROOM])
{
    if (name.size > NAME_ROOM || !memchr(name.data, '_', name.size))
        return name;
    for (size_t i = 0; i < name.size; i++)
        room[i] = name.data[i] == '_' ? '-' : name.data[i];
    return (struct slice){room, name.size};
}

/* Are A and B one name but for hyphens that are underscores in the other? */
static bool is_spelled_otherwise(struct slice a, struct slice b)
{
    bool differs = false;

    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        char left = slice_lower(a.data[i]), right = slice_lower(b.data[i]);

        if (left == right)
            continue;
        if (!(left == '_' && right == '-') && !(left == '-' && right == '_'))
            return false;
        differs = true;
    }
    return differs;
}

static bool hides_one_of(const struct descriptor *keys, uint32_t count, struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if (keys[i].source == DESCRIPTOR_HEADER && is_spelled_otherwise(keys[i].name, name))
            return true;
    return false;
}

/* Of two such names one has an underscore: mostly no key of the bundle does, and NAME neither. */
static bool hides_a_key(const struct forward_request *request, struct slice name)
{
    const struct bundle *bundle = request->bundle;

    if ((bundle->uses_underscores || memchr(name.data, '_', name.size)) &&
        hides_one_of(bundle->descriptors, bundle->descriptor_count, name))
        return true;
    return hides_one_of(request->hand_keys, request->hand_key_count, name);
}

/* Fields of a request that are ours to write, or that concern one connection only. */
static bool is_ours_to_write(struct slice name)
{
    return NAME_IS(name, "host") || NAME_IS(name, "connection") || NAME_IS(name, "content-length") ||
           NAME_IS(name, "transfer-encoding") || NAME_IS(name, "expect") || NAME_IS(name, "keep-alive") ||
           NAME_IS(name, "proxy-connection") || NAME_IS(name, "proxy-authorization") || NAME_IS(name, "te") ||
           NAME_IS(name, "trailer") || NAME_IS(name, "upgrade") || NAME_IS(name, "x-forwarded-for") ||
           NAME_IS(name, "http2-settings") || NAME_IS(name, "x-forwarded-proto") ||
           NAME_IS(name, "x-forwarded-host");
}

static bool is_dropped(const struct forward_request *request, struct slice spelled, bool lists)
{
    char room[NAME_ROOM];
    struct slice name = with_hyphens(spelled, room);

    if (is_ours_to_write(name))
        return true;
    if (NAME_IS(name, "forwarded")) /* what a proxy of ours says there stays; a client could say anything */
        return !request->peer_is_trusted;
    if (request->wants_identity && NAME_IS(name, "accept-encoding"))
        return true;
    return forward_is_own(name) || hides_a_key(request, spelled) ||
           (lists && is_listed(request->head, spelled));
}

bool forward_request_passes(const struct forward_request *request, struct slice name)
{
    return !is_dropped(request, name, lists_fields(request->head));
}

static void add_target(const struct head *head, const struct facts *facts, struct outbox *out)
{
    const struct slice server = SLICE("*"); /* OPTIONS of no path, judged as the root's */

    if (slice_equal(head->target, server)) {
        outbox_add(out, server);
        return;
    }
    outbox_add(out, facts->path.size > 0 ? facts->path : SLICE("/"));
    if (!facts->query.data)
        return;
    outbox_add(out, SLICE("?"));
    outbox_add(out, facts->query);
}

/* X-Forwarded-For: what a trusted proxy said, and who it is. From anybody else, only who that is. */
static void add_clients(const struct forward_request *request, struct outbox *out)
{
    const struct head *head = request->head;
    struct slice separator = SLICE("X-Forwarded-For: ");
    char text[ADDRESS_TEXT_SIZE];
    size_t size = address_print(&request->peer->address, text);
    size_t first = request->peer_is_trusted ? head->first[HEAD_FIELD_forwarded_for] : 0;

    for (size_t i = first; i > 0 && i <= head->field_count; i++) {
        if (!head_is_named(head->fields[i - 1].name, HEAD_FIELD_forwarded_for))
            continue;
        outbox_add(out, separator);
        outbox_add(out, head->fields[i - 1].value);
        separator = SLICE(", ");
    }
    if (size > 0) {
        outbox_add(out, separator);
        outbox_add(out, (struct slice){text, size});
    }
    if (size > 0 || first > 0)
        outbox_add(out, SLICE("\r\n"));
}

static void add_origin(const struct forward_request *request, struct outbox *out)
{
    struct slice none = {0};
    struct slice scheme = request->peer_is_trusted ? only_value(request->head, SLICE("x-forwarded-proto")) : none;
    struct slice host = request->peer_is_trusted ? only_value(request->head, SLICE("x-forwarded-host")) : none;

    add_clients(request, out);
    forward_add_field(out, SLICE("X-Forwarded-Proto"),
              scheme.size > 0 ? scheme : (request->is_secure ? SLICE("https") : SLICE("http")));
    if (host.size == 0)
        host = request->head->host;
    if (host.size > 0)
        forward_add_field(out, SLICE("X-Forwarded-Host"), host);
}

/* What the client sent, but for what is dropped. */
static void add_fields(const struct forward_request *request, struct outbox *out)
{
    const struct head *head = request->head;
    uint64_t hops;
    bool is_counted = forward_request_hops(head, &hops), lists = lists_fields(head);

    for (size_t i = 0; i < head->field_count; i++)
        if (!is_dropped(request, head->fields[i].name, lists) &&
            !(is_counted && slice_equal_nocase(head->fields[i].name, MAX_FORWARDS)))
            forward_add_parsed(out, &head->fields[i]);
    if (!is_counted)
        return;
    outbox_add(out, SLICE("Max-Forwards: "));
    outbox_number(out, hops > 0 ? hops - 1 : 0);
    outbox_add(out, SLICE("\r\n"));
}

void forward_request_write(const struct forward_request *request, struct outbox *out)
{
    const struct head *head = request->head;

    outbox_add(out, head->method);
    outbox_add(out, SLICE(" "));
    add_target(head, request->facts, out);
    outbox_add(out, SLICE(" HTTP/1.1\r\n"));
    forward_add_field(out, SLICE("Host"), request->authority);
    add_fields(request, out);
    add_origin(request, out);
    forward_add_field(out, SLICE("Via"), head->minor == 0 ? SLICE("1.0 fairvisor") : SLICE("1.1 fairvisor"));
    if (request->wants_identity)
        forward_add_field(out, SLICE("Accept-Encoding"), SLICE("identity"));
    forward_add_framing(request->says_empty ? FORWARD_COUNTED : request->framing, request->content_length, out);
    if (request->is_upgrade)
        outbox_add(out, SLICE("Connection: upgrade\r\nUpgrade: websocket\r\n"));
    else if (!request->keeps_alive)
        outbox_add(out, SLICE("Connection: close\r\n"));
    outbox_add(out, SLICE("\r\n"));
}
