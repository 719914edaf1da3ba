/* SPDX-License-Identifier: MPL-2.0
 *
 * One strict pass over a request's head: the request line (head_line.c), fields, then what the fields say about each
 * other. Takes bytes, gives slices into them or a status with its cause. Never looks beyond the bytes it was given.
 */
#include "worker/head.h"

#include <string.h>

#include "worker/head_private.h"
#include "worker/name.h"

#define LENGTH_MAX_DIGITS 18

static const struct slice field_names[HEAD_FIELD_COUNT] = {
#define FIELD(symbol, name) [HEAD_FIELD_##symbol] = {name, sizeof(name) - 1},
#include "worker/head_fields.def"
#undef FIELD
};

/* ---- names ------------------------------------------------------------------------------------------------------ */

bool head_is_name_byte(unsigned char byte)
{
    return (run_roles[byte] & RUN_NAME) != 0;
}

bool head_is_value_byte(unsigned char byte)
{
    return (run_roles[byte] & RUN_VALUE) != 0;
}

bool head_is_token(struct slice text)
{
    return text.size > 0 && run_skip(text.data, text.data + text.size, RUN_NAME) == text.data + text.size;
}

bool head_is_named(struct slice name, enum head_field field)
{
    return name.size == field_names[field].size && name_is_known(name.data, field_names[field].data, name.size);
}

bool head_has_token(struct slice value, struct slice token)
{
    while (value.size > 0) {
        const char *comma = memchr(value.data, ',', value.size);
        size_t size = comma ? (size_t)(comma - value.data) : value.size;

        if (slice_equal_nocase(slice_trim((struct slice){value.data, size}), token))
            return true;
        size += comma ? 1 : 0;
        value = (struct slice){value.data + size, value.size - size};
    }
    return false;
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

/* The field that NAME is, HEAD_FIELD_COUNT when it is none. */
static inline enum head_field find_field(struct slice name)
{
#define FIELD(symbol, text)  \
    if (NAME_IS(name, text)) \
        return HEAD_FIELD_##symbol;
#include "worker/head_fields.def"
#undef FIELD
    return HEAD_FIELD_COUNT;
}

static void note_known_field(struct head *head, struct slice name)
{
    enum head_field field = find_field(name);

    if (field == HEAD_FIELD_COUNT)
        return;
    if (head->first[field])
        head->repeated |= UINT32_C(1) << field;
    else
        head->first[field] = (uint16_t)head->field_count;
}

static enum head_result parse_field(const char **at_r, const char *end, struct head *head)
{
    const char *start = *at_r;
    const char *at = run_skip_name(start, end);
    struct fact_field *field = &head->fields[head->field_count];
    const char *stop;

    if (at == end)
        return HEAD_INCOMPLETE;
    if (at == start && (*at == ' ' || *at == '\t'))
        return head_refuse(head, 400, "A field must not be folded over several lines.");
    if (*at != ':' || at == start)
        return head_refuse(head, 400, "A field must begin with a name and a colon right behind it.");
    field->name = (struct slice){start, (size_t)(at - start)};
    at++;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    start = at;
    at = run_skip_value(at, end);
    if (at == end)
        return HEAD_INCOMPLETE;
    if (*at != '\r')
        return head_refuse(head, 400, "A field's value must not hold control bytes, and its line must end in CRLF.");
    if (at + 1 == end)
        return HEAD_INCOMPLETE;
    if (at[1] != '\n')
        return head_refuse(head, 400, "A carriage return must be followed by a line feed.");
    for (stop = at; stop > start && (stop[-1] == ' ' || stop[-1] == '\t'); stop--)
        ;
    field->value = (struct slice){start, (size_t)(stop - start)};
    head->field_count++;
    note_known_field(head, field->name);
    *at_r = at + 2;
    return HEAD_COMPLETE;
}

static enum head_result parse_fields(const char **at, const char *end, size_t max_fields, struct head *head)
{
    for (;;) {
        enum head_result result;

        if (*at == end)
            return HEAD_INCOMPLETE;
        if (**at == '\r') {
            if (*at + 1 == end)
                return HEAD_INCOMPLETE;
            if ((*at)[1] != '\n')
                return head_refuse(head, 400, "A carriage return must be followed by a line feed.");
            *at += 2;
            return HEAD_COMPLETE;
        }
        if (head->field_count == max_fields)
            return head_refuse(head, 431, "The request has more fields than max_headers allows.");
        result = parse_field(at, end, head);
        if (result != HEAD_COMPLETE)
            return result;
    }
}

/* ---- what the fields say together ------------------------------------------------------------------------------- */

static enum head_result check_host(struct head *head)
{
    if (head_is_repeated(head, HEAD_FIELD_host))
        return head_refuse(head, 400, "The request has more than one Host field.");
    if (!head_has(head, HEAD_FIELD_host))
        return head->minor == 0 ? HEAD_COMPLETE : head_refuse(head, 400, "The request has no Host field.");
    if (!head_line_is_host(head_value(head, HEAD_FIELD_host)))
        return head_refuse(head, 400, "The Host field names no valid host.");
    if (head->host.size == 0)
        head->host = head_value(head, HEAD_FIELD_host);
    return HEAD_COMPLETE;
}

static enum head_result check_content_length(struct head *head)
{
    struct slice text = head_value(head, HEAD_FIELD_content_length);

    if (!head_has(head, HEAD_FIELD_content_length))
        return HEAD_COMPLETE;
    if (head_is_repeated(head, HEAD_FIELD_content_length))
        return head_refuse(head, 400, "The request has more than one Content-Length field.");
    if (text.size == 0 || text.size > LENGTH_MAX_DIGITS)
        return head_refuse(head, 400, "Content-Length must have 1 to 18 digits.");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return head_refuse(head, 400, "Content-Length must have 1 to 18 digits.");
        head->content_length = head->content_length * 10 + (uint64_t)(text.data[i] - '0');
    }
    head->has_content_length = true;
    return HEAD_COMPLETE;
}

static enum head_result check_transfer_encoding(struct head *head)
{
    if (!head_has(head, HEAD_FIELD_transfer_encoding))
        return HEAD_COMPLETE;
    if (head->minor == 0)
        return head_refuse(head, 400, "HTTP/1.0 has no Transfer-Encoding.");
    if (head_is_repeated(head, HEAD_FIELD_transfer_encoding))
        return head_refuse(head, 400, "The request has more than one Transfer-Encoding field.");
    if (head_has(head, HEAD_FIELD_content_length))
        return head_refuse(head, 400, "Transfer-Encoding and Content-Length exclude each other.");
    if (!slice_equal_nocase(head_value(head, HEAD_FIELD_transfer_encoding), SLICE("chunked")))
        return head_refuse(head, 501, "The only Transfer-Encoding known here is chunked.");
    head->is_chunked = true;
    return HEAD_COMPLETE;
}

/* HTTP/1.0 has no 100 Continue: its Expect is ignored (RFC 9110 10.1.1). */
static void note_expectation(struct head *head)
{
    if (head->minor == 0 || !head_has(head, HEAD_FIELD_expect))
        return;
    head->expects_continue = !head_is_repeated(head, HEAD_FIELD_expect) &&
                             slice_equal_nocase(head_value(head, HEAD_FIELD_expect), SLICE("100-continue"));
    head->is_expectation_unknown = !head->expects_continue;
}

static enum head_result check_fields(struct head *head)
{
    static enum head_result (*const checks[])(struct head *) = {check_host, check_content_length,
                                                                check_transfer_encoding};

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        enum head_result result = checks[i](head);

        if (result != HEAD_COMPLETE)
            return result;
    }
    note_expectation(head);
    return HEAD_COMPLETE;
}

/* One empty line before a request is forgiven (RFC 9112 2.2). */
static enum head_result skip_empty_line(const char **at, const char *end, struct head *head)
{
    if (*at == end)
        return HEAD_INCOMPLETE;
    if (**at != '\r')
        return HEAD_COMPLETE;
    if (*at + 1 == end)
        return HEAD_INCOMPLETE;
    if ((*at)[1] != '\n')
        return head_refuse(head, 400, "A carriage return must be followed by a line feed.");
    *at += 2;
    return *at == end ? HEAD_INCOMPLETE : HEAD_COMPLETE;
}

enum head_result head_parse(const char *data, size_t size, const struct head_limits *limits, struct fact_field *fields,
                            struct head *head)
{
    const char *end = data + (size < limits->bytes ? size : limits->bytes);
    const char *at = data;
    bool in_request_line = true;
    enum head_result result;

    memset(head, 0, sizeof(*head));
    head->fields = fields;
    result = skip_empty_line(&at, end, head);
    if (result == HEAD_COMPLETE)
        result = head_line_parse(&at, end, head);
    if (result == HEAD_COMPLETE) {
        in_request_line = false;
        result = parse_fields(&at, end, limits->fields, head);
    }
    if (result == HEAD_INCOMPLETE && size >= limits->bytes)
        return in_request_line ? head_refuse(head, 414, "The request line is longer than max_header_bytes allows.")
                               : head_refuse(head, 431, "The request's head is larger than max_header_bytes allows.");
    if (result != HEAD_COMPLETE)
        return result;
    head->size = (size_t)(at - data);
    return check_fields(head);
}
