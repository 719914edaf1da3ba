/* SPDX-License-Identifier: MPL-2.0
 *
 * Whole files in memory.
 */
#ifndef FAIRVISOR_CLI_INPUT_H
#define FAIRVISOR_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "shm/failure.h"
#include "shm/slice.h"

struct input {
    char *data;
    size_t size, room;
};

/* Reads all of PATH, or of standard input for "-", up to LOAD_MAX_BYTES. input_free also after false. */
bool input_read(const char *path, struct input *input, struct failure *failure);

/* The same of a file that the service reads or writes, where a fifo, for which everybody would wait, is a mistake. */
bool input_read_regular(const char *path, struct input *input, struct failure *failure);

/* The same of the body of a request, up to as much as max_body_bytes can be. */
bool input_read_body(const char *path, struct input *input, struct failure *failure);

/* The first line of standard input, without its end, for a value that is not to stand among the words of a command, where
 * every user of the machine can read it. At most SIZE - 1 bytes; a longer or an empty one is a failure. */
bool input_read_value(char *text, size_t size, struct failure *failure);

/* The same of any size, as logs have. */
bool input_read_log(const char *path, struct input *input, struct failure *failure);
void input_free(struct input *input);

static inline struct slice input_slice(const struct input *input)
{
    return (struct slice){input->data, input->size};
}

/* Loads the bundle in PATH as it would be loaded now. On failure the complaints are on standard error. */
bool input_load(const char *path, struct bundle **bundle, struct failure *failure);

/* The same, as it was loaded at the wall-clock time NOW_S. */
bool input_load_at(const char *path, int64_t now_s, struct bundle **bundle, struct failure *failure);

/* The same of the bytes in INPUT, which are those of PATH. */
bool input_parse_at(const struct input *input, const char *path, int64_t now_s, struct bundle **bundle, struct failure *failure);

/* PATH as messages name it. */
const char *input_name(const char *path);

#endif
