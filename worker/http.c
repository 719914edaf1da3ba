/* SPDX-License-Identifier: MPL-2.0
 *
 * http-parser behind a few functions: begin a message, take its body. Only one in chunks needs a parser: the library
 * reads it beside chunk.c, and both must agree where it ends. Upgrades are ignored. The library never sees a byte that
 * head.c, response.c or chunk.c did not accept.
 */
#include "worker/http.h"

#include <string.h>

#define LIBRARY_SLACK     4096
#define TRAILER_MAX_BYTES 8192

/* One call of the library. */
struct feeding {
    struct http *http;
    char *data;         /* the bytes it is given, where they may be changed; or NULL */
    const char *given;  /* the same, where they may not */
    struct slice *body; /* what there is of the body, moved together in `data`; or NULL */
};

static int on_headers_complete(http_parser *parser)
{
    parser->upgrade = 0;
    return 0;
}

/* Moves only towards the front: what the library has still to read stays as it is. */
static int on_body(http_parser *parser, const char *at, size_t size)
{
    const struct feeding *feeding = parser->data;

    if (!feeding->body)
        return 0;
    if (feeding->body->size == 0)
        feeding->body->data = at;
    else
        memmove(feeding->data + (feeding->body->data - feeding->given) + feeding->body->size, at, size);
    feeding->body->size += size;
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    const struct feeding *feeding = parser->data;

    feeding->http->is_complete = true;
    return 0;
}

static const http_parser_settings callbacks = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void http_set_limit(uint64_t max_header_bytes)
{
    if (max_header_bytes + LIBRARY_SLACK > HTTP_MAX_HEADER_SIZE)
        http_parser_set_max_header_size((uint32_t)(max_header_bytes + LIBRARY_SLACK));
}

void http_init(struct http *http)
{
    memset(http, 0, sizeof(*http));
    http_parser_init(&http->parser, HTTP_REQUEST);
}

/* Feeds SIZE bytes, all of which must belong to the current message. None at all would mean the end of the stream to
 * the library. */
static bool feed(struct http *http, const char *given, size_t size, char *data, struct slice *body)
{
    struct feeding feeding = {http, data, given, body};

    if (size == 0)
        return true;
    http->parser.data = &feeding;
    return http_parser_execute(&http->parser, &callbacks, given, size) == size &&
           HTTP_PARSER_ERRNO(&http->parser) == HPE_OK;
}

/* RFC 9112 9.3: `close` wins, then `keep-alive`, then the version. */
static bool is_persistent(const struct head *head)
{
    bool keeps_alive = head->minor > 0;

    for (size_t i = head->first[HEAD_FIELD_connection]; i > 0 && i <= head->field_count; i++) {
        if (!head_is_named(head->fields[i - 1].name, HEAD_FIELD_connection))
            continue;
        if (head_has_token(head->fields[i - 1].value, SLICE("close")))
            return false;
        keeps_alive = keeps_alive || head_has_token(head->fields[i - 1].value, SLICE("keep-alive"));
    }
    return keeps_alive;
}

/* A head, without the tabs behind the VALUE of its Transfer-Encoding: they are white space to RFC 9112 (5), but not to
 * the library. */
static bool feed_head(struct http *http, const char *bytes, size_t size, struct slice value)
{
    size_t end = (size_t)(value.data - bytes) + value.size;
    size_t rest = end;

    while (rest < size && bytes[rest] != '\r')
        rest++;
    return feed(http, bytes, end, NULL, NULL) && feed(http, bytes + rest, size - rest, NULL, NULL);
}

/* The library knows fewer methods than head.c, and all of them alike: none has a part in where the body ends. */
static bool feed_chunked_head(struct http *http, const struct head *head, const char *bytes)
{
    const char *rest = head->method.data + head->method.size;

    return feed(http, "POST", 4, NULL, NULL) &&
           feed_head(http, rest, head->size - (size_t)(rest - bytes), head_value(head, HEAD_FIELD_transfer_encoding));
}

enum http_result http_begin(struct http *http, const struct head *head, const char *bytes)
{
    bool has_body = head->is_chunked || head->content_length > 0;

    http->keeps_alive = is_persistent(head);
    http->is_complete = !has_body;
    if (!has_body)
        return HTTP_DONE;
    http->is_chunked = head->is_chunked;
    http->content_left = head->content_length;
    if (!http->is_chunked)
        return HTTP_MORE;
    chunk_init(&http->chunk);
    return feed_chunked_head(http, head, bytes) && !http->is_complete ? HTTP_MORE : HTTP_BAD;
}

static enum http_result chunked_body(struct http *http, const char *data, size_t size, uint64_t max_body,
                                     struct body *body, size_t *used)
{
    enum chunk_result result = chunk_feed(&http->chunk, data, size, max_body, TRAILER_MAX_BYTES, body, used);

    if (result == CHUNK_TOO_LARGE || result == CHUNK_TRAILER_TOO_LARGE)
        return HTTP_TOO_LARGE;
    if (result == CHUNK_BAD || !feed(http, data, *used, NULL, NULL) || http->is_complete != (result == CHUNK_DONE))
        return HTTP_BAD;
    return http->is_complete ? HTTP_DONE : HTTP_MORE;
}

enum http_result http_body(struct http *http, const char *data, size_t size, uint64_t max_body, struct body *body,
                           size_t *used)
{
    if (http->is_chunked)
        return chunked_body(http, data, size, max_body, body, used);
    if (http->content_left > max_body)
        return HTTP_TOO_LARGE;
    *used = size < http->content_left ? size : (size_t)http->content_left;
    http->content_left -= *used;
    body_add(body, data, *used);
    http->is_complete = http->content_left == 0;
    return http->is_complete ? HTTP_DONE : HTTP_MORE;
}

/* ---- messages that are passed on ---------------------------------------------------------------------------------- */

enum http_result http_begin_response(struct http *http, const struct response *response, const char *bytes)
{
    memset(http, 0, sizeof(*http));
    http->is_complete = response->framing == RESPONSE_BODYLESS;
    if (http->is_complete)
        return HTTP_DONE;
    http->is_chunked = response->framing == RESPONSE_CHUNKED;
    http->is_endless = response->framing == RESPONSE_CONNECTION;
    http->content_left = response->content_length;
    if (!http->is_chunked)
        return HTTP_MORE;
    http_parser_init(&http->parser, HTTP_RESPONSE);
    chunk_init(&http->chunk);
    if (!feed_head(http, bytes, response->size, response_value(response, RESPONSE_FIELD_transfer_encoding)) ||
        http->is_complete)
        return HTTP_BAD;
    return HTTP_MORE;
}

/* How many of the bytes belong to the message, by our own reading. */
static enum chunk_result measure(struct http *http, const char *data, size_t size, uint64_t max_body, size_t *used)
{
    struct body nobody = {.store = NULL};

    *used = size;
    if (http->is_chunked)
        return chunk_feed(&http->chunk, data, size, max_body, TRAILER_MAX_BYTES, &nobody, used);
    if (http->is_endless)
        return CHUNK_MORE;
    if (http->content_left > max_body)
        return CHUNK_TOO_LARGE;
    *used = size < http->content_left ? size : (size_t)http->content_left;
    http->content_left -= *used;
    return http->content_left == 0 ? CHUNK_DONE : CHUNK_MORE;
}

enum http_result http_piece(struct http *http, char *data, size_t size, uint64_t max_body, struct slice *piece,
                            size_t *used)
{
    enum chunk_result result = measure(http, data, size, max_body, used);

    *piece = (struct slice){data, 0};
    if (result == CHUNK_TOO_LARGE || result == CHUNK_TRAILER_TOO_LARGE)
        return HTTP_TOO_LARGE;
    if (!http->is_chunked) {
        piece->size = *used;
        http->is_complete = result == CHUNK_DONE;
        return http->is_complete ? HTTP_DONE : HTTP_MORE;
    }
    if (result == CHUNK_BAD || !feed(http, data, *used, data, piece) || http->is_complete != (result == CHUNK_DONE))
        return HTTP_BAD;
    return http->is_complete ? HTTP_DONE : HTTP_MORE;
}

bool http_ends_with_connection(const struct http *http)
{
    return http->is_endless;
}
