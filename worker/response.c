/* SPDX-License-Identifier: MPL-2.0
 *
 * One strict pass over a response's head: status line, fields, then what they say together. Takes bytes, gives slices
 * into them or the cause of a refusal. Never looks beyond the bytes it was given.
 */
#include "worker/response.h"

#include <string.h>

#include "worker/head.h"

#define STATUS_OFFSET     9 /* "HTTP/1.1 " */
#define STATUS_LINE_LEAST 12
#define LENGTH_MAX_DIGITS 18

static const struct slice known_names[RESPONSE_FIELD_COUNT] = {
#define FIELD(symbol, name) [RESPONSE_FIELD_##symbol] = {name, sizeof(name) - 1},
#include "worker/response_fields.def"
#undef FIELD
};

static enum response_result refuse(struct response *response, const char *cause)
{
    response->cause = cause;
    return RESPONSE_REFUSED;
}

/* A byte of a value or a reason: no control byte but the tab. */
static bool is_text(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

/* Cuts the next line off REST, without its CRLF. */
static enum response_result take_line(struct slice *rest, struct slice *line, struct response *response)
{
    const char *end = memchr(rest->data, '\n', rest->size);

    if (!end)
        return RESPONSE_INCOMPLETE;
    if (end == rest->data || end[-1] != '\r')
        return refuse(response, "a line that does not end in CRLF");
    *line = (struct slice){rest->data, (size_t)(end - rest->data) - 1};
    *rest = (struct slice){end + 1, rest->size - (size_t)(end + 1 - rest->data)};
    return RESPONSE_COMPLETE;
}

/* ---- status line ------------------------------------------------------------------------------------------------ */

static enum response_result parse_status(struct slice line, struct response *response)
{
    const char *text = line.data;

    if (line.size < STATUS_LINE_LEAST || memcmp(text, "HTTP/1.", 7) != 0 || (text[7] != '0' && text[7] != '1') ||
        text[8] != ' ')
        return refuse(response, "no status line of HTTP/1.0 or HTTP/1.1");
    for (size_t i = STATUS_OFFSET; i < STATUS_LINE_LEAST; i++) {
        if (text[i] < '0' || text[i] > '9')
            return refuse(response, "a status that is no number of three digits");
        response->status = response->status * 10 + (unsigned)(text[i] - '0');
    }
    if (response->status < 100 || response->status > 599)
        return refuse(response, "a status that is not from 100 to 599");
    if (line.size > STATUS_LINE_LEAST) {
        response->reason = (struct slice){text + STATUS_LINE_LEAST + 1, line.size - STATUS_LINE_LEAST - 1};
        if (text[STATUS_LINE_LEAST] != ' ' || !is_text(response->reason))
            return refuse(response, "a status line with a strange reason");
    }
    response->minor = (uint8_t)(text[7] - '0');
    return RESPONSE_COMPLETE;
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

static enum response_field find_kind(struct slice name)
{
    for (size_t i = 0; i < RESPONSE_FIELD_COUNT; i++)
        if (name.size == known_names[i].size && slice_lower(name.data[0]) == known_names[i].data[0] &&
            slice_equal_nocase(name, known_names[i]))
            return (enum response_field)i;
    return RESPONSE_FIELD_OTHER;
}

static enum response_result parse_field(struct slice line, struct response *response)
{
    const char *colon = memchr(line.data, ':', line.size);
    struct fact_field *field = &response->fields[response->field_count];

    if (response->field_count == RESPONSE_MAX_FIELDS)
        return refuse(response, "too many fields");
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return refuse(response, "a field that is folded over several lines");
    if (!colon)
        return refuse(response, "a field without a colon");
    field->name = (struct slice){line.data, (size_t)(colon - line.data)};
    field->value = (struct slice){colon + 1, line.size - field->name.size - 1};
    if (!head_is_token(field->name))
        return refuse(response, "a field whose name is no token");
    if (!is_text(field->value))
        return refuse(response, "a field with a control byte in its value");
    field->value = slice_trim(field->value);
    response->kinds[response->field_count++] = (uint8_t)find_kind(field->name);
    return RESPONSE_COMPLETE;
}

static enum response_result parse_fields(struct slice *rest, struct response *response)
{
    for (;;) {
        struct slice line;
        enum response_result result = take_line(rest, &line, response);

        if (result != RESPONSE_COMPLETE || line.size == 0)
            return result;
        result = parse_field(line, response);
        if (result != RESPONSE_COMPLETE)
            return result;
    }
}

struct slice response_value(const struct response *response, enum response_field kind)
{
    for (size_t i = 0; i < response->field_count; i++)
        if (response->kinds[i] == kind)
            return response->fields[i].value;
    return (struct slice){0};
}

bool response_is_listed(const struct response *response, struct slice name)
{
    for (size_t i = 0; i < response->field_count; i++)
        if (response->kinds[i] == RESPONSE_FIELD_connection && head_has_token(response->fields[i].value, name))
            return true;
    return false;
}

/* ---- what the fields say together ------------------------------------------------------------------------------- */

static size_t count(const struct response *response, enum response_field kind)
{
    size_t found = 0;

    for (size_t i = 0; i < response->field_count; i++)
        found += response->kinds[i] == kind;
    return found;
}

static enum response_result check_content_length(struct response *response)
{
    struct slice text = response_value(response, RESPONSE_FIELD_content_length);

    if (!text.data)
        return RESPONSE_COMPLETE;
    if (count(response, RESPONSE_FIELD_content_length) > 1)
        return refuse(response, "more than one Content-Length");
    if (text.size == 0 || text.size > LENGTH_MAX_DIGITS)
        return refuse(response, "a Content-Length that has not 1 to 18 digits");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return refuse(response, "a Content-Length that has not 1 to 18 digits");
        response->content_length = response->content_length * 10 + (uint64_t)(text.data[i] - '0');
    }
    response->has_content_length = true;
    return RESPONSE_COMPLETE;
}

static enum response_result check_transfer_encoding(struct response *response)
{
    struct slice text = response_value(response, RESPONSE_FIELD_transfer_encoding);

    if (!text.data)
        return RESPONSE_COMPLETE;
    if (response->minor == 0)
        return refuse(response, "a Transfer-Encoding, which HTTP/1.0 has not");
    if (response->has_content_length)
        return refuse(response, "both Transfer-Encoding and Content-Length");
    if (count(response, RESPONSE_FIELD_transfer_encoding) > 1 || !slice_equal_nocase(text, SLICE("chunked")))
        return refuse(response, "a Transfer-Encoding other than chunked");
    response->framing = RESPONSE_CHUNKED;
    return RESPONSE_COMPLETE;
}

static void find_framing(struct response *response, bool is_head)
{
    if (is_head || response->status < 200 || response->status == 204 || response->status == 304)
        response->framing = RESPONSE_BODYLESS;
    else if (response->has_content_length)
        response->framing = response->content_length > 0 ? RESPONSE_COUNTED : RESPONSE_BODYLESS;
    else if (response->framing != RESPONSE_CHUNKED)
        response->framing = RESPONSE_CONNECTION;
}

static enum response_result check(struct response *response, bool is_head)
{
    if (check_content_length(response) != RESPONSE_COMPLETE || check_transfer_encoding(response) != RESPONSE_COMPLETE)
        return RESPONSE_REFUSED;
    find_framing(response, is_head);
    response->is_upgrade = response->status == 101 && response_is_listed(response, SLICE("upgrade")) &&
                           response_value(response, RESPONSE_FIELD_upgrade).size > 0;
    response->keeps_alive = response->minor == 1 && response->framing != RESPONSE_CONNECTION &&
                            response->status != 101 && !response_is_listed(response, SLICE("close"));
    return RESPONSE_COMPLETE;
}

enum response_result response_parse(struct slice data, bool is_head, struct response_room *room,
                                    struct response *response)
{
    struct slice rest = {data.data, data.size < RESPONSE_MAX_BYTES ? data.size : RESPONSE_MAX_BYTES}, line;
    enum response_result result;

    *response = (struct response){.fields = room->fields, .kinds = room->kinds, .framing = RESPONSE_CONNECTION};
    result = take_line(&rest, &line, response);
    if (result == RESPONSE_COMPLETE)
        result = parse_status(line, response);
    if (result == RESPONSE_COMPLETE)
        result = parse_fields(&rest, response);
    if (result == RESPONSE_INCOMPLETE && data.size >= RESPONSE_MAX_BYTES)
        return refuse(response, "a size of more than 65536 bytes");
    if (result != RESPONSE_COMPLETE)
        return result;
    response->size = (size_t)(rest.data - data.data);
    return check(response, is_head);
}
