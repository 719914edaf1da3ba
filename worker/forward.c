/* SPDX-License-Identifier: MPL-2.0
 *
 * What heads of requests and of responses are written with: see forward_private.h.
 */
#include "worker/forward_private.h"

#include <string.h>

#include "worker/name.h"

void forward_add_field(struct outbox *out, struct slice name, struct slice value)
{
    outbox_add(out, name);
    outbox_add(out, SLICE(": "));
    outbox_add(out, value);
    outbox_add(out, SLICE("\r\n"));
}

void forward_add_parsed(struct outbox *out, const struct fact_field *field)
{
    const char *end = field->value.data + field->value.size;

    if (field->value.data == field->name.data + field->name.size + 2 && field->value.data[-1] == ' ' && *end == '\r')
        outbox_add(out, (struct slice){field->name.data, (size_t)(end + 2 - field->name.data)});
    else
        forward_add_field(out, field->name, field->value);
}

bool forward_is_own(struct slice name)
{
    const struct slice prefix = SLICE("x-fairvisor-");

    return name.size > prefix.size && name_is_known(name.data, prefix.data, prefix.size);
}

size_t forward_read_number(struct slice text, uint64_t *number)
{
    size_t i = 0;

    *number = 0;
    while (i < text.size && i < 18 && text.data[i] >= '0' && text.data[i] <= '9')
        *number = *number * 10 + (uint64_t)(text.data[i++] - '0');
    return i;
}

void forward_add_framing(enum forward_framing framing, uint64_t content_length, struct outbox *out)
{
    if (framing == FORWARD_CHUNKED)
        outbox_add(out, SLICE("Transfer-Encoding: chunked\r\n"));
    if (framing != FORWARD_COUNTED)
        return;
    outbox_add(out, SLICE("Content-Length: "));
    outbox_number(out, content_length);
    outbox_add(out, SLICE("\r\n"));
}
