/* SPDX-License-Identifier: MPL-2.0
 *
 * A request's body, as far as somebody wants to look into it. What arrives in one piece within one read is only pointed
 * at; anything else is gathered in memory of its own, which is there until the answer is made. The gathered bodies of
 * all connections together are bounded: ten thousand slow clients with a megabyte each must not be able to fill the
 * machine.
 */
#ifndef FAIRVISOR_WORKER_BODY_H
#define FAIRVISOR_WORKER_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slice.h"

/* Shared by all bodies of a worker; in bytes. */
struct body_store {
    size_t held;
    size_t most;
};

struct body {
    struct body_store *store; /* NULL: nobody wants this body, and its bytes are dropped */
    struct slice bytes;       /* so far: in `own`, or in what was added */
    char *own;
    size_t room;  /* of `own` */
    bool is_lost; /* memory or the store was full; `bytes` are not whole */
};

/* Begins a body that STORE pays for, or that is dropped (NULL). BODY is empty: zeroed, or ended. */
void body_begin(struct body *body, struct body_store *store);

/* Appends SIZE bytes of DATA, which must stay where they are until body_keep or body_end. */
void body_add(struct body *body, const char *data, size_t size);

/* Makes the bytes independent of what was added. false: they are not whole any more, and never will be. */
bool body_keep(struct body *body);

/* Frees what was gathered. Again: nothing. */
void body_end(struct body *body);

#endif
