/* SPDX-License-Identifier: MPL-2.0
 *
 * Message framing of one connection: where a request ends and whether the next one may follow. The one place that knows
 * the HTTP parser library; what it is fed has passed head.c, response.c and chunk.c before, and both must agree on every
 * end. A message without a body, or with one that ends after a given length or with the connection, has no end to find:
 * the library is not asked about it.
 */
#ifndef FAIRVISOR_WORKER_HTTP_H
#define FAIRVISOR_WORKER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <http_parser.h>

#include "worker/chunk.h"
#include "worker/head.h"
#include "worker/response.h"

struct http {
    http_parser parser;
    struct chunk chunk;
    uint64_t content_left; /* of a Content-Length body */
    bool is_chunked;
    bool is_endless; /* a response whose body ends with the connection */
    bool is_complete; /* the current request, body included, has been seen whole */
    bool keeps_alive; /* by version and Connection field */
};

enum http_result { HTTP_MORE, HTTP_DONE, HTTP_BAD, HTTP_TOO_LARGE };

/* Once per process: the library's own cap on heads is kept above ours. */
void http_set_limit(uint64_t max_header_bytes);

void http_init(struct http *http);

/* Takes a whole head that head_parse accepted, BYTES being its head->size bytes: those in which its fields lie. HTTP_DONE:
 * there is no body; HTTP_MORE: one follows; HTTP_BAD: the library reads it differently, answer 400. */
enum http_result http_begin(struct http *http, const struct head *head, const char *bytes);

/* Takes SIZE bytes behind the head, *USED of which belong to this request, and adds the body among them to BODY.
 * HTTP_TOO_LARGE: more than MAX_BODY. */
enum http_result http_body(struct http *http, const char *data, size_t size, uint64_t max_body, struct body *body,
                           size_t *used);

/* Takes the head of a response that response_parse accepted, BYTES being its response->size bytes, in which its fields
 * lie; HTTP is made for it here. Otherwise like http_begin. */
enum http_result http_begin_response(struct http *http, const struct response *response, const char *bytes);

/* Takes SIZE bytes behind a head, *USED of which belong to this message, and moves the body among them together: it is
 * PIECE then, which lies in DATA. HTTP_TOO_LARGE: more than MAX_BODY in all. */
enum http_result http_piece(struct http *http, char *data, size_t size, uint64_t max_body, struct slice *piece,
                            size_t *used);

/* Whether the end of the connection is the end of the message. */
bool http_ends_with_connection(const struct http *http);

#endif
