/* SPDX-License-Identifier: MPL-2.0
 *
 * Writes heads of responses. Takes what response.c understood, gives bytes; keeps nothing.
 */
#include <string.h>

#include "worker/forward_private.h"

static bool is_ratelimit(unsigned kind)
{
    return kind >= RESPONSE_FIELD_ratelimit && kind <= RESPONSE_FIELD_ratelimit_reset;
}

/* What the line that begins with NAME says in TEXT, our own fields. */
static struct slice find_line(struct slice text, struct slice name)
{
    const char *found = text.size > 0 ? memmem(text.data, text.size, name.data, name.size) : NULL;

    if (!found)
        return (struct slice){0};
    return (struct slice){found + name.size, text.size - (size_t)(found + name.size - text.data)};
}

/* An upstream's own RateLimit fields are passed on when they leave the client less than ours; ours are left out then. */
static bool is_stricter(const struct forward_response *forward)
{
    struct slice theirs = response_value(forward->response, RESPONSE_FIELD_ratelimit_remaining);
    struct slice ours = find_line(forward->verdict, SLICE("\r\nRateLimit-Remaining: "));
    uint64_t their_number, our_number;

    if (!theirs.data)
        theirs = find_line(response_value(forward->response, RESPONSE_FIELD_ratelimit), SLICE(";r="));
    if (forward_read_number(ours, &our_number) == 0)
        return true;
    return forward_read_number(theirs, &their_number) > 0 && their_number < our_number;
}

static bool is_passed(const struct forward_response *forward, size_t index, bool passes_ratelimit)
{
    const struct response *response = forward->response;
    struct slice name = response->fields[index].name;
    unsigned kind = response->kinds[index];

    if (is_ratelimit(kind))
        return passes_ratelimit;
    if ((kind != RESPONSE_FIELD_OTHER && kind != RESPONSE_FIELD_date) || forward_is_own(name))
        return false;
    if (response->lists_fields && response_is_listed(response, name))
        return false;
    return !forward->exchange || !exchange_hides(forward->exchange, name);
}

/* Our own fields; without those about the limit when the upstream's own are passed. */
static void add_verdict(struct slice verdict, bool passes_ratelimit, struct outbox *out)
{
    const struct slice name = SLICE("RateLimit");

    while (verdict.size > 0) {
        const char *end = memchr(verdict.data, '\n', verdict.size);
        size_t size = end ? (size_t)(end - verdict.data) + 1 : verdict.size;

        if (!passes_ratelimit || !slice_has_prefix(verdict, name))
            outbox_add(out, (struct slice){verdict.data, size});
        verdict = (struct slice){verdict.data + size, verdict.size - size};
    }
}

static bool has_ratelimit(const struct response *response)
{
    for (unsigned kind = RESPONSE_FIELD_ratelimit; kind <= RESPONSE_FIELD_ratelimit_reset; kind++)
        if (response->first[kind])
            return true;
    return false;
}

static void add_status_line(const struct response *response, struct outbox *out)
{
    outbox_add(out, SLICE("HTTP/1.1 "));
    outbox_number(out, response->status);
    outbox_add(out, SLICE(" "));
    outbox_add(out, response->reason);
    outbox_add(out, SLICE("\r\n"));
}

static void add_connection(const struct forward_response *forward, struct outbox *out)
{
    if (forward->response->is_upgrade) {
        outbox_add(out, SLICE("Connection: upgrade\r\n"));
        forward_add_field(out, SLICE("Upgrade"), response_value(forward->response, RESPONSE_FIELD_upgrade));
    } else if (!forward->keeps_alive) {
        outbox_add(out, SLICE("Connection: close\r\n"));
    } else if (forward->is_old) {
        outbox_add(out, SLICE("Connection: keep-alive\r\n"));
    }
}

void forward_response_write(const struct forward_response *forward, struct outbox *out)
{
    const struct response *response = forward->response;
    bool passes_ratelimit = has_ratelimit(response) && is_stricter(forward);

    add_status_line(response, out);
    for (size_t i = 0; i < response->field_count; i++)
        if (is_passed(forward, i, passes_ratelimit))
            forward_add_parsed(out, &response->fields[i]);
    if (response->status >= 200 || response->is_upgrade) {
        if (forward->date.size > 0)
            outbox_add(out, forward->date);
        forward_add_field(out, SLICE("Via"), response->minor == 0 ? SLICE("1.0 fairvisor") : SLICE("1.1 fairvisor"));
        if (passes_ratelimit)
            add_verdict(forward->verdict, true, out);
        else
            outbox_add(out, forward->verdict);
        forward_add_framing(forward->framing, forward->content_length, out);
        add_connection(forward, out);
    }
    outbox_add(out, SLICE("\r\n"));
}
