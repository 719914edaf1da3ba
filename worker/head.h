/* SPDX-License-Identifier: MPL-2.0
 *
 * The head of a request (RFC 9112 sections 2 to 6), taken strictly: what two programs could read in two ways is
 * refused. Works in one pass over bytes that lie in one piece, copies nothing, allocates nothing.
 *
 * Taken: lines that end in CRLF; a known method; a target in origin, absolute or (OPTIONS only) asterisk form of
 * printable ASCII; HTTP/1.0 or 1.1; names that are tokens with the colon right behind; exactly one Host on 1.1; at most
 * one Content-Length of 1 to 18 digits; at most one Transfer-Encoding, `chunked`, on 1.1 and without Content-Length.
 */
#ifndef FAIRVISOR_WORKER_HEAD_H
#define FAIRVISOR_WORKER_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/facts.h"
#include "shm/slice.h"

enum head_field {
#define FIELD(symbol, name) HEAD_FIELD_##symbol,
#include "worker/head_fields.def"
#undef FIELD
    HEAD_FIELD_COUNT
};

struct head_limits {
    size_t bytes;  /* of the whole head, from the request line to the empty line */
    size_t fields; /* and of room in the caller's array */
};

struct head {
    struct slice method;
    struct slice target;
    struct slice host; /* the authority of an absolute target, else the Host field; may be empty on 1.0 */
    struct fact_field *fields;
    size_t field_count;
    size_t size;                      /* of the head in bytes */
    uint64_t content_length;          /* 0 without one */
    uint16_t first[HEAD_FIELD_COUNT]; /* index + 1 in `fields` of each known field; 0 = absent */
    uint32_t repeated;                /* bit per enum head_field that occurred more than once */
    uint8_t minor;                    /* of HTTP/1.x */
    bool is_chunked;
    bool has_content_length;
    bool expects_continue;
    bool is_expectation_unknown; /* an Expect that is not 100-continue */
    uint16_t status;             /* refused: the answer */
    const char *cause;           /* refused: one sentence for the client */
};

enum head_result { HEAD_COMPLETE, HEAD_INCOMPLETE, HEAD_REFUSED };

/* Reads the head at the start of DATA into HEAD and FIELDS. All slices point into DATA. HEAD_INCOMPLETE: call again
 * with more bytes; HEAD_REFUSED: answer head->status (400, 414, 431, 501, 505) and close. */
enum head_result head_parse(const char *data, size_t size, const struct head_limits *limits, struct fact_field *fields,
                            struct head *head);

/* The value of a known field; an empty slice with NULL data when it is absent. The first one when it is repeated. */
static inline struct slice head_value(const struct head *head, enum head_field field)
{
    return head->first[field] ? head->fields[head->first[field] - 1].value : (struct slice){0};
}

static inline bool head_has(const struct head *head, enum head_field field)
{
    return head->first[field] != 0;
}

static inline bool head_is_repeated(const struct head *head, enum head_field field)
{
    return head->repeated >> field & 1;
}

/* Whether BYTE may stand in a token (RFC 9110 5.6.2). */
bool head_is_token(struct slice text);

/* Whether the comma list VALUE has TOKEN, but for case. */
bool head_has_token(struct slice value, struct slice token);

/* Whether NAME, a valid token, is the known FIELD but for case. */
bool head_is_named(struct slice name, enum head_field field);

/* Whether ONE line of a trailer section may hold BYTE in a name, or in a value. For chunk.c. */
bool head_is_name_byte(unsigned char byte);
bool head_is_value_byte(unsigned char byte);

#endif
