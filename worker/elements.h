/* SPDX-License-Identifier: MPL-2.0
 *
 * A JSON array cut anywhere: says where each of its elements ends. Keeps no bytes. For answers that are streamed as one array; what the
 * elements say is read elsewhere.
 */
#ifndef FAIRVISOR_WORKER_ELEMENTS_H
#define FAIRVISOR_WORKER_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slice.h"

struct elements {
    bool is_array;     /* the value has begun, and is one */
    bool is_other;     /* it is none: there is nothing to divide */
    bool is_in_string;
    bool is_escaped;   /* likewise, behind a backslash */
    uint64_t depth;    /* containers that are open */
};

enum elements_kind {
    ELEMENTS_AROUND, /* the brackets of the array, and all that is no array */
    ELEMENTS_PART,   /* of an element, or what stands in front of it */
    ELEMENTS_END,    /* the last part of an element */
};

/* Reads on in BYTES, which are not empty: returns how many bytes make up the next piece, and its KIND. */
size_t elements_next(struct elements *elements, struct slice bytes, enum elements_kind *kind);

#endif
