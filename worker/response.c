/* SPDX-License-Identifier: MPL-2.0
 *
 * One strict pass over a response's head: status line, fields, then what they say together. Takes bytes, gives slices
 * into them or the cause of a refusal. Never looks beyond the bytes it was given.
 */
#include "worker/response.h"

#include <string.h>

#include "worker/head.h"
#include "worker/name.h"

#define STATUS_OFFSET     9 /* "HTTP/1.1 " */
#define STATUS_LINE_LEAST 12
#define LENGTH_MAX_DIGITS 18
#define IDLE_MAX_MS       UINT32_C(100000000)
#define IDLE_MARGIN_MS    UINT32_C(1000)

static enum response_result refuse(struct response *response, const char *cause)
{
    response->cause = cause;
    return RESPONSE_REFUSED;
}

/* A byte of a value or a reason: no control byte but the tab. */
static bool is_text(struct slice text)
{
    return run_skip_value(text.data, text.data + text.size) == text.data + text.size;
}

/* Refuses the line at START, where there is the whole of it. */
static enum response_result refuse_line(const char *start, const char *end, const char *cause,
                                        struct response *response)
{
    const char *feed = memchr(start, '\n', (size_t)(end - start));

    if (!feed)
        return RESPONSE_INCOMPLETE;
    if (feed == start || feed[-1] != '\r')
        return refuse(response, "a line that does not end in CRLF");
    return refuse(response, cause);
}

/* ---- status line ------------------------------------------------------------------------------------------------ */

static enum response_result check_status(struct slice line, struct response *response)
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
    } else {
        response->reason = SLICE("");
    }
    response->minor = (uint8_t)(text[7] - '0');
    return RESPONSE_COMPLETE;
}

static enum response_result parse_status(const char **at, const char *end, struct response *response)
{
    const char *start = *at;
    const char *feed = memchr(start, '\n', (size_t)(end - start));

    if (!feed)
        return RESPONSE_INCOMPLETE;
    if (feed == start || feed[-1] != '\r')
        return refuse(response, "a line that does not end in CRLF");
    *at = feed + 1;
    return check_status((struct slice){start, (size_t)(feed - start) - 1}, response);
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

static inline enum response_field find_kind(struct slice name)
{
#define FIELD(symbol, text)  \
    if (NAME_IS(name, text)) \
        return RESPONSE_FIELD_##symbol;
#include "worker/response_fields.def"
#undef FIELD
    return RESPONSE_FIELD_OTHER;
}

static void note_kind(struct response *response, enum response_field kind)
{
    response->kinds[response->field_count++] = (uint8_t)kind;
    if (kind == RESPONSE_FIELD_OTHER)
        return;
    if (response->first[kind])
        response->repeated |= UINT32_C(1) << kind;
    else
        response->first[kind] = (uint16_t)response->field_count;
}

static enum response_result refuse_name(const char *start, const char *end, struct response *response)
{
    const char *feed = memchr(start, '\n', (size_t)(end - start));

    if (*start == ' ' || *start == '\t')
        return refuse_line(start, end, "a field that is folded over several lines", response);
    if (feed && !memchr(start, ':', (size_t)(feed - start)))
        return refuse_line(start, end, "a field without a colon", response);
    return refuse_line(start, end, "a field whose name is no token", response);
}

static enum response_result parse_field(const char **at, const char *end, struct response *response)
{
    const char *start = *at;
    const char *colon = run_skip_name(start, end);
    struct fact_field *field = &response->fields[response->field_count];
    const char *stop;

    if (response->field_count == RESPONSE_MAX_FIELDS)
        return refuse_line(start, end, "too many fields", response);
    if (colon == end || *colon != ':' || colon == start)
        return refuse_name(start, end, response);
    stop = run_skip_value(colon + 1, end);
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
        return refuse_line(start, end, "a field with a control byte in its value", response);
    field->name = (struct slice){start, (size_t)(colon - start)};
    field->value = slice_trim((struct slice){colon + 1, (size_t)(stop - colon) - 1});
    note_kind(response, find_kind(field->name));
    *at = stop + 2;
    return RESPONSE_COMPLETE;
}

static enum response_result parse_fields(const char **at, const char *end, struct response *response)
{
    for (;;) {
        enum response_result result;

        if (end - *at >= 2 && (*at)[0] == '\r' && (*at)[1] == '\n') {
            *at += 2;
            return RESPONSE_COMPLETE;
        }
        if (*at == end)
            return RESPONSE_INCOMPLETE;
        result = parse_field(at, end, response);
        if (result != RESPONSE_COMPLETE)
            return result;
    }
}

bool response_is_listed(const struct response *response, struct slice name)
{
    for (size_t i = response->first[RESPONSE_FIELD_connection]; i > 0 && i <= response->field_count; i++)
        if (response->kinds[i - 1] == RESPONSE_FIELD_connection &&
            head_has_token(response->fields[i - 1].value, name))
            return true;
    return false;
}

/* ---- what the fields say together ------------------------------------------------------------------------------- */

static bool is_repeated(const struct response *response, enum response_field kind)
{
    return response->repeated >> kind & 1;
}

static enum response_result check_content_length(struct response *response)
{
    struct slice text = response_value(response, RESPONSE_FIELD_content_length);

    if (!text.data)
        return RESPONSE_COMPLETE;
    if (is_repeated(response, RESPONSE_FIELD_content_length))
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
    if (is_repeated(response, RESPONSE_FIELD_transfer_encoding) || !slice_equal_nocase(text, SLICE("chunked")))
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

/* Almost all upstreams list keep-alive, and that alone. */
static bool lists_fields(const struct response *response)
{
    struct slice listed = response_value(response, RESPONSE_FIELD_connection);

    return is_repeated(response, RESPONSE_FIELD_connection) ||
           (listed.size > 0 && !NAME_IS(listed, "keep-alive"));
}

/* The number that TEXT is, alone or in quotes, as milliseconds. */
static uint32_t read_seconds(struct slice text)
{
    uint32_t ms = 0;

    if (text.size > 2 && text.data[0] == '"' && text.data[text.size - 1] == '"')
        text = (struct slice){text.data + 1, text.size - 2};
    if (text.size == 0)
        return RESPONSE_IDLE_UNTOLD;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return RESPONSE_IDLE_UNTOLD;
        ms = ms < IDLE_MAX_MS ? ms * 10 + (uint32_t)(text.data[i] - '0') * 1000 : IDLE_MAX_MS;
    }
    return ms;
}

/* The shortest that LIST names, "timeout=5, max=100". */
static uint32_t find_timeout(struct slice list)
{
    uint32_t shortest = RESPONSE_IDLE_UNTOLD;

    while (list.size > 0) {
        const char *comma = memchr(list.data, ',', list.size);
        size_t size = comma ? (size_t)(comma - list.data) : list.size;
        const char *equals = memchr(list.data, '=', size);
        size_t before = equals ? (size_t)(equals - list.data) : size;

        if (equals && slice_equal_nocase(slice_trim((struct slice){list.data, before}), SLICE("timeout"))) {
            uint32_t ms = read_seconds(slice_trim((struct slice){equals + 1, size - before - 1}));

            shortest = ms < shortest ? ms : shortest;
        }
        size += comma ? 1 : 0;
        list = (struct slice){list.data + size, list.size - size};
    }
    return shortest;
}

/* What Keep-Alive says, less by what the next request may take on its way: an upstream that closes just then has not
 * seen it, and most requests that may have been seen are never sent twice. */
static uint32_t find_idle_ms(const struct response *response)
{
    uint32_t ms = RESPONSE_IDLE_UNTOLD;

    for (size_t i = response->first[RESPONSE_FIELD_keep_alive]; i > 0 && i <= response->field_count; i++) {
        uint32_t told = response->kinds[i - 1] == RESPONSE_FIELD_keep_alive ? find_timeout(response->fields[i - 1].value)
                                                                            : RESPONSE_IDLE_UNTOLD;

        ms = told < ms ? told : ms;
    }
    if (ms == RESPONSE_IDLE_UNTOLD)
        return ms;
    return ms - (ms / 2 < IDLE_MARGIN_MS ? ms / 2 : IDLE_MARGIN_MS);
}

/* Websocket is all that is ever asked for: no other protocol may be switched to (RFC 9110 7.8). */
static bool is_upgrade(const struct response *response)
{
    return response->status == 101 && response->minor == 1 && response_is_listed(response, SLICE("upgrade")) &&
           !is_repeated(response, RESPONSE_FIELD_upgrade) &&
           slice_equal_nocase(response_value(response, RESPONSE_FIELD_upgrade), SLICE("websocket"));
}

static enum response_result check(struct response *response, bool is_head)
{
    if (check_content_length(response) != RESPONSE_COMPLETE || check_transfer_encoding(response) != RESPONSE_COMPLETE)
        return RESPONSE_REFUSED;
    find_framing(response, is_head);
    response->lists_fields = lists_fields(response);
    response->is_upgrade = is_upgrade(response);
    response->idle_ms = find_idle_ms(response);
    response->keeps_alive = response->minor == 1 && response->framing != RESPONSE_CONNECTION &&
                            response->status != 101 &&
                            !(response->lists_fields && response_is_listed(response, SLICE("close")));
    return RESPONSE_COMPLETE;
}

enum response_result response_parse(struct slice data, bool is_head, struct response_room *room,
                                    struct response *response)
{
    const char *end = data.data + (data.size < RESPONSE_MAX_BYTES ? data.size : RESPONSE_MAX_BYTES), *at = data.data;
    enum response_result result;

    *response = (struct response){.fields = room->fields, .kinds = room->kinds, .framing = RESPONSE_CONNECTION};
    result = parse_status(&at, end, response);
    if (result == RESPONSE_COMPLETE)
        result = parse_fields(&at, end, response);
    if (result == RESPONSE_INCOMPLETE && data.size >= RESPONSE_MAX_BYTES)
        return refuse(response, "a size of more than 65536 bytes");
    if (result != RESPONSE_COMPLETE)
        return result;
    response->size = (size_t)(at - data.data);
    return check(response, is_head);
}
