/* SPDX-License-Identifier: MPL-2.0
 *
 * What is changed in the body of a request to a model on its way: its usage asked for, its completion made shorter. Everything else stays
 * as it is, byte for byte.
 */
#ifndef FAIRVISOR_POLICY_BODY_EDIT_H
#define FAIRVISOR_POLICY_BODY_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slice.h"

#define BODY_EDIT_SPLICES 16
#define BODY_EDIT_TEXT    64

struct body_splice {
    size_t offset, removed; /* of the body, in bytes */
    size_t size;
    char text[BODY_EDIT_TEXT]; /* instead of what is removed */
};

struct body_edit {
    bool asks_usage;     /* stream_options.include_usage was not asked for and is now */
    bool streams;        /* the answer will be a stream of chat or legacy completions */
    bool told_usage;     /* the client asked for the usage of the stream itself */
    size_t count;
    struct body_splice splices[BODY_EDIT_SPLICES]; /* ascending */
};

/* Whether the completion that BODY asks for at PATH can be made shorter. */
bool body_edit_can_clamp(struct slice path, struct slice body);

/* Plans the changes of BODY for PATH (normalized): usage of a stream is asked for when ASKS_USAGE, every figure that says how long a
 * completion may be is at most CLAMP (0: stays as it is). false when the body is no JSON object, has too much to change or
 * memory is out: nothing must be changed then. */
bool body_edit_plan(struct slice path, struct slice body, bool asks_usage, int64_t clamp, struct body_edit *edit);

#endif
