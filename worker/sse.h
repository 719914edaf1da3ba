/* SPDX-License-Identifier: MPL-2.0
 *
 * Server-sent events (WHATWG HTML, 9.2) cut anywhere: says which bytes are data, and where an event ends. Keeps no bytes.
 */
#ifndef FAIRVISOR_WORKER_SSE_H
#define FAIRVISOR_WORKER_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slice.h"

struct sse {
    uint8_t state;      /* sse.c's own */
    bool is_after_cr;   /* a line feed that comes now belongs to the line before */
    bool has_data;      /* the event at hand has a line of data already */
    bool has_begun;     /* a byte order mark would be none any more */
    unsigned name_size; /* of the field's name so far; more than `name` holds is no name we know */
    char name[4];
};

enum sse_kind {
    SSE_OTHER, /* names, comments, ends of lines */
    SSE_DATA,  /* part of the event's data */
    SSE_END,   /* the empty line that ends an event */
};

void sse_init(struct sse *sse);

/* Reads on in BYTES, which are not empty: returns how many bytes make up the next piece, and its KIND; DATA are those of SSE_DATA. */
size_t sse_next(struct sse *sse, struct slice bytes, enum sse_kind *kind, struct slice *data);

#endif
