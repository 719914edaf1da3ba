/* SPDX-License-Identifier: MPL-2.0
 *
 * The head of an upstream's response (RFC 9112 sections 4 to 6), taken as strictly as a request's: what two programs
 * could read in two ways is refused, and the client is answered 502. Copies nothing, allocates nothing.
 *
 * Taken: HTTP/1.0 or 1.1 and a status of 100 to 599; lines that end in CRLF; names that are tokens with the colon right
 * behind; no folded lines, no control bytes; at most one Content-Length of 1 to 18 digits; at most one
 * Transfer-Encoding, `chunked`, on 1.1 and without Content-Length.
 */
#ifndef FAIRVISOR_WORKER_RESPONSE_H
#define FAIRVISOR_WORKER_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/facts.h"
#include "shm/slice.h"

#define RESPONSE_MAX_BYTES   65536 /* of a head */
#define RESPONSE_MAX_FIELDS  256
#define RESPONSE_IDLE_UNTOLD UINT32_MAX

enum response_field {
#define FIELD(symbol, name) RESPONSE_FIELD_##symbol,
#include "worker/response_fields.def"
#undef FIELD
    RESPONSE_FIELD_COUNT,
    RESPONSE_FIELD_OTHER = RESPONSE_FIELD_COUNT
};

/* How its body ends. */
enum response_framing {
    RESPONSE_BODYLESS,     /* there is none, whatever the fields say */
    RESPONSE_COUNTED,      /* after content_length bytes */
    RESPONSE_CHUNKED,      /* with the last chunk */
    RESPONSE_CONNECTION,   /* with the connection */
};

struct response {
    unsigned status;
    struct slice reason; /* may be empty */
    struct fact_field *fields;
    uint8_t *kinds; /* enum response_field of each */
    uint16_t first[RESPONSE_FIELD_COUNT]; /* index + 1 in `fields` of the first of each known field; 0 = absent */
    uint32_t repeated;                    /* bit per enum response_field that occurred more than once */
    size_t field_count;
    size_t size;             /* of the head in bytes */
    uint64_t content_length; /* 0 without one */
    enum response_framing framing;
    uint8_t minor; /* of HTTP/1.x */
    bool has_content_length;
    uint32_t idle_ms;  /* so long, its connection may be idle and be used again; RESPONSE_IDLE_UNTOLD */
    bool keeps_alive;  /* by version and Connection: once the body is complete, another request may be sent */
    bool lists_fields; /* Connection lists more than keep-alive */
    bool is_upgrade;   /* 101 with Upgrade: websocket and Connection: upgrade */
    const char *cause; /* refused: a clause for the log, "its head has ..." */
};

enum response_result { RESPONSE_COMPLETE, RESPONSE_INCOMPLETE, RESPONSE_REFUSED };

/* Where a response's fields go: RESPONSE_MAX_FIELDS of each. */
struct response_room {
    struct fact_field fields[RESPONSE_MAX_FIELDS];
    uint8_t kinds[RESPONSE_MAX_FIELDS];
};

/* Reads the head at the start of DATA into RESPONSE and ROOM. All slices point into DATA. IS_HEAD: it answers a HEAD. */
enum response_result response_parse(struct slice data, bool is_head, struct response_room *room,
                                    struct response *response);

/* The value of the first field of a KIND; NULL data when there is none. */
static inline struct slice response_value(const struct response *response, enum response_field kind)
{
    return response->first[kind] ? response->fields[response->first[kind] - 1].value : (struct slice){0};
}

/* Whether some Connection field of RESPONSE lists NAME. */
bool response_is_listed(const struct response *response, struct slice name);

#endif
