/* SPDX-License-Identifier: MPL-2.0
 *
 * Bytes on their way out: one growing buffer per worker, filled by headers, reply and metrics, emptied by conn.
 * Every append checks its room; when memory runs out the rest is dropped and `is_short` says so: whoever would send the
 * bytes must close the connection instead.
 */
#ifndef FAIRVISOR_WORKER_OUTBOX_H
#define FAIRVISOR_WORKER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shm/slice.h"

struct outbox {
    char *data;
    size_t used;
    size_t size;
    size_t rest_size; /* what outbox_clear shrinks back to */
    bool is_short;
};

/* Allocates SIZE bytes, the size the box returns to when it is cleared. false when memory is out. */
bool outbox_init(struct outbox *box, size_t size);
void outbox_fini(struct outbox *box);

/* Forgets the content, and gives back what it grew by. */
void outbox_clear(struct outbox *box);

/* Makes room for MORE bytes behind `used`. false (and is_short) when memory is out. */
bool outbox_grow(struct outbox *box, size_t more);

static inline void outbox_add(struct outbox *box, struct slice text)
{
    if (text.size > box->size - box->used && !outbox_grow(box, text.size))
        return;
    memcpy(box->data + box->used, text.data, text.size);
    box->used += text.size;
}

/* NUMBER in decimal, somewhere in ROOM. */
#define OUTBOX_NUMBER_SIZE 20 /* digits of UINT64_MAX */
struct slice outbox_spell(uint64_t number, char room[OUTBOX_NUMBER_SIZE]);

/* A number in decimal. */
void outbox_number(struct outbox *box, uint64_t number);

/* The inside of a JSON string (RFC 8259): quotes, backslashes and control bytes escaped. */
void outbox_json(struct outbox *box, struct slice text);

/* The inside of a structured field string (RFC 9651 3.3.3): printable ASCII, others as '?'. */
void outbox_quoted(struct outbox *box, struct slice text);

#endif
