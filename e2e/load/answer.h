/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads one HTTP/1.x answer from bytes as they come, by its framing alone (RFC 9112 section 6.3).
 */
#ifndef FAIRVISOR_E2E_LOAD_ANSWER_H
#define FAIRVISOR_E2E_LOAD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_HEAD_SIZE    16384
#define ANSWER_COUNTED_SIZE 96

enum answer_phase {
    ANSWER_HEAD,
    ANSWER_BODY,       /* `left` bytes to come */
    ANSWER_CHUNK_LINE, /* a chunk-size line, or the empty line behind a chunk */
    ANSWER_CHUNK,      /* `left` bytes of a chunk and its CRLF to come */
    ANSWER_TRAILER,
    ANSWER_TO_CLOSE, /* the body ends with the connection */
    ANSWER_DONE,
    ANSWER_BAD,
};

struct answer {
    enum answer_phase phase;
    int status;
    bool keeps_open; /* the connection may carry another request */
    bool has_started;
    uint64_t left;
    size_t head_size;
    size_t line_size;
    char head[ANSWER_HEAD_SIZE];
    char line[64];
    char counted[ANSWER_COUNTED_SIZE]; /* value of the header that the caller wants counted; "" when absent */
};

/* Begins a new answer. */
void answer_init(struct answer *answer);

/* Takes SIZE bytes; returns how many belonged to this answer. `phase` tells whether it is complete or bad. COUNTED is
 * the name of a header to keep, or NULL; IS_HEAD says that the request was HEAD. */
size_t answer_take(struct answer *answer, const char *bytes, size_t size, const char *counted, bool is_head);

#endif
