/* SPDX-License-Identifier: MPL-2.0
 *
 * Whole files in memory.
 */
#ifndef FAIRVISOR_CLI_INPUT_H
#define FAIRVISOR_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/failure.h"
#include "shm/slice.h"

struct input {
    char *data;
    size_t size, room;
};

/* Reads all of PATH, or of standard input for "-", up to LOAD_MAX_BYTES. input_free also after false. */
bool input_read(const char *path, struct input *input, struct failure *failure);
void input_free(struct input *input);

static inline struct slice input_slice(const struct input *input)
{
    return (struct slice){input->data, input->size};
}

/* PATH as messages name it. */
const char *input_name(const char *path);

#endif
