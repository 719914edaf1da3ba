/* SPDX-License-Identifier: MPL-2.0
 *
 * The request line: method, target, version (RFC 9112 section 3). Takes bytes, gives slices into them or a status with
 * its cause.
 */
#include "worker/head_private.h"
#include "worker/run.h"

#define VERSION_SIZE   10 /* "HTTP/1.1" CR LF */
#define LONGEST_METHOD 17

/* Those that are registered (RFC 9110 16.1.1), PURGE of caches and those of UPnP; no CONNECT, for nothing is tunnelled
 * here, and no PRI, which HTTP/2 begins with. */
static const struct slice methods[] = {
#define METHOD(name)           \
    {                          \
        name, sizeof(name) - 1 \
    }
    METHOD("GET"),           METHOD("POST"),        METHOD("HEAD"),        METHOD("PUT"),
    METHOD("DELETE"),        METHOD("OPTIONS"),     METHOD("PATCH"),       METHOD("QUERY"),
    METHOD("TRACE"),         METHOD("PURGE"),       METHOD("PROPFIND"),    METHOD("PROPPATCH"),
    METHOD("MKCOL"),         METHOD("COPY"),        METHOD("MOVE"),        METHOD("LOCK"),
    METHOD("UNLOCK"),        METHOD("SEARCH"),      METHOD("REPORT"),      METHOD("MKCALENDAR"),
    METHOD("ACL"),           METHOD("BIND"),        METHOD("REBIND"),      METHOD("UNBIND"),
    METHOD("LINK"),          METHOD("UNLINK"),      METHOD("MERGE"),       METHOD("CHECKIN"),
    METHOD("CHECKOUT"),      METHOD("UNCHECKOUT"),  METHOD("LABEL"),       METHOD("UPDATE"),
    METHOD("MKACTIVITY"),    METHOD("MKWORKSPACE"), METHOD("ORDERPATCH"),  METHOD("BASELINE-CONTROL"),
    METHOD("MKREDIRECTREF"), METHOD("NOTIFY"),      METHOD("M-SEARCH"),    METHOD("VERSION-CONTROL"),
    METHOD("SUBSCRIBE"),     METHOD("UNSUBSCRIBE"), METHOD("UPDATEREDIRECTREF"),
#undef METHOD
};

static bool is_known_method(struct slice method)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (slice_equal(methods[i], method))
            return true;
    return false;
}

static enum head_result parse_version(const char **at, const char *end, struct head *head)
{
    static const char shape[] = "HTTP/0.0\r\n";
    size_t given = (size_t)(end - *at) < VERSION_SIZE ? (size_t)(end - *at) : VERSION_SIZE;
    const char *version = *at;

    if (given == VERSION_SIZE && memcmp(version, "HTTP/1.1\r\n", VERSION_SIZE) == 0) {
        head->minor = 1;
        *at += VERSION_SIZE;
        return HEAD_COMPLETE;
    }
    for (size_t i = 0; i < given; i++) {
        bool fits = shape[i] == '0' ? version[i] >= '0' && version[i] <= '9' : version[i] == shape[i];

        if (!fits)
            return head_refuse(head, 400, "The request line must end in HTTP/1.1 or HTTP/1.0 and CRLF.");
    }
    if (given < VERSION_SIZE)
        return HEAD_INCOMPLETE;
    if (version[5] != '1' || version[7] > '1')
        return head_refuse(head, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    head->minor = (uint8_t)(version[7] - '0');
    *at += VERSION_SIZE;
    return HEAD_COMPLETE;
}

static bool is_port(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.size <= 5;
}

bool head_line_is_host(struct slice text)
{
    const char *end = text.data + text.size;
    const char *at = text.data;

    if (text.size == 0)
        return false;
    if (*at == '[') {
        for (at++; at < end && *at != ']'; at++)
            if (!run_has_role(*at, RUN_HOST) && *at != ':')
                return false;
        if (at == end || at == text.data + 1)
            return false;
        at++;
    } else {
        at = run_skip(at, end, RUN_HOST);
        if (at == text.data)
            return false;
    }
    if (at == end)
        return true;
    return *at == ':' && is_port((struct slice){at + 1, (size_t)(end - at - 1)});
}

/* Length of "http://" or "https://" at the start of TARGET, 0 when there is none. */
static size_t scheme_size(struct slice target)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (target.size > schemes[i].size &&
            slice_equal_nocase((struct slice){target.data, schemes[i].size}, schemes[i]))
            return schemes[i].size;
    return 0;
}

static enum head_result check_target(struct head *head)
{
    size_t scheme;
    const char *end = head->target.data + head->target.size;
    const char *at;

    if (head->target.data[0] == '/')
        return HEAD_COMPLETE;
    if (slice_equal(head->target, SLICE("*")) && slice_equal(head->method, SLICE("OPTIONS")))
        return HEAD_COMPLETE;
    scheme = scheme_size(head->target);
    if (scheme == 0)
        return head_refuse(head, 400, "The request target must begin with a slash or be an http URL.");
    at = head->target.data + scheme;
    while (at < end && *at != '/' && *at != '?' && *at != '#')
        at++;
    head->host = (struct slice){head->target.data + scheme, (size_t)(at - head->target.data) - scheme};
    if (!head_line_is_host(head->host))
        return head_refuse(head, 400, "The request target names no valid host.");
    return HEAD_COMPLETE;
}

enum head_result head_line_parse(const char **at_r, const char *end, struct head *head)
{
    const char *at = *at_r;
    const char *start = at;
    enum head_result result;

    at = run_skip(at, end, RUN_NAME);
    head->method = (struct slice){start, (size_t)(at - start)};
    if (at == end)
        return head->method.size > LONGEST_METHOD ? head_refuse(head, 501, "This method is not known here.")
                                                  : HEAD_INCOMPLETE;
    if (*at != ' ' || at == start)
        return head_refuse(head, 400, "The request line must begin with a method and one space.");
    start = ++at;
    at = run_skip_target(at, end);
    head->target = (struct slice){start, (size_t)(at - start)};
    if (at == end)
        return HEAD_INCOMPLETE;
    if (*at != ' ' || at == start)
        return head_refuse(head, 400, "The request target must be printable ASCII between single spaces.");
    at++;
    result = parse_version(&at, end, head);
    if (result != HEAD_COMPLETE)
        return result;
    if (!is_known_method(head->method))
        return head_refuse(head, 501, "This method is not known here.");
    *at_r = at;
    return check_target(head);
}
