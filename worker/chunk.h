/* SPDX-License-Identifier: MPL-2.0
 *
 * Chunked bodies (RFC 9112 7.1), written piece by piece, and taken strictly: a size of hex digits and CRLF, no
 * extensions, trailer fields checked like fields and then dropped. Works on bytes as they come; its state is a few
 * words of the connection.
 */
#ifndef FAIRVISOR_WORKER_CHUNK_H
#define FAIRVISOR_WORKER_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slice.h"
#include "worker/body.h"

struct chunk {
    uint64_t left;          /* bytes of the current chunk that are still to come; while in a size line: the size */
    uint64_t body_size;     /* bytes of all chunks announced so far */
    uint32_t trailer_bytes; /* seen so far */
    uint8_t state;
    uint8_t digits; /* of the current size line */
};

enum chunk_result { CHUNK_MORE, CHUNK_DONE, CHUNK_BAD, CHUNK_TOO_LARGE, CHUNK_TRAILER_TOO_LARGE };

void chunk_init(struct chunk *chunk);

/* Takes SIZE bytes and adds the chunks' data to BODY. *USED counts the bytes that belong to the message, its trailer
 * included; it is SIZE unless CHUNK_DONE. After anything but CHUNK_MORE the state must not be used again without
 * chunk_init. */
enum chunk_result chunk_feed(struct chunk *chunk, const char *data, size_t size, uint64_t max_body,
                             uint32_t max_trailer, struct body *body, size_t *used);

#define CHUNK_PREFIX_SIZE 20

/* What stands around a PIECE of a chunked body: the size line before it, written into PREFIX, and what follows it,
 * with the end of the body when it IS_LAST. Either may be empty. */
void chunk_frame(struct slice piece, bool is_last, char prefix[CHUNK_PREFIX_SIZE], struct slice *before,
                 struct slice *behind);

#endif
