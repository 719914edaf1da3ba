/* SPDX-License-Identifier: MPL-2.0
 *
 * The frames in which Bedrock streams (application/vnd.amazon.eventstream), cut anywhere: finds the JSON in them, also where a model's own
 * JSON stands in Base64 in a member "bytes". Allocates nothing, keeps a few bytes.
 */
#ifndef FAIRVISOR_WORKER_EVENTSTREAM_H
#define FAIRVISOR_WORKER_EVENTSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slice.h"

#define EVENTSTREAM_PRELUDE 12
#define EVENTSTREAM_ROOM    192 /* bytes that are decoded at once */

struct eventstream {
    uint8_t part;     /* eventstream.c's own */
    uint8_t wrapping; /* likewise: what is known of "bytes" */
    uint8_t matched;  /* bytes of what begins such a payload */
    uint8_t digits;   /* of Base64 that make no whole byte yet */
    uint32_t bits;    /* of these */
    uint32_t left;    /* bytes of the part at hand */
    uint32_t payload; /* bytes of the payload to come */
    bool is_broken;   /* these are no such frames: nothing more is told of them */
    unsigned char prelude[EVENTSTREAM_PRELUDE];
    char decoded[EVENTSTREAM_ROOM];
};

enum eventstream_kind { EVENTSTREAM_OTHER, EVENTSTREAM_DATA, EVENTSTREAM_END };

void eventstream_init(struct eventstream *stream);

/* Takes the next of BYTES, of which there is at least one, and returns how many; none now and then, never twice in a
 * row. EVENTSTREAM_DATA: *DATA is the next of the JSON, valid until the next call. EVENTSTREAM_END: the frame is
 * complete. Checksums are the client's to check. */
size_t eventstream_next(struct eventstream *stream, struct slice bytes, enum eventstream_kind *kind, struct slice *data);

#endif
