/* SPDX-License-Identifier: MPL-2.0
 *
 * The bundle file, read once: what is vetted, sealed and kept is always the same bytes.
 */
#ifndef FAIRVISOR_MASTER_SOURCE_H
#define FAIRVISOR_MASTER_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/failure.h"
#include "shm/sealed.h"
#include "shm/slice.h"

struct source {
    char *bytes; /* owned */
    size_t size;
    char digest[SEALED_DIGEST_SIZE];
    bool is_pushed; /* it came through the door */
};

/* Reads PATH, a regular file of at most LOAD_MAX_BYTES. EXIT_CODE_NO_INPUT when there is none, EXIT_CODE_PERMISSION,
 * EXIT_CODE_BAD_BUNDLE for what cannot be a bundle. */
bool source_read(const char *path, struct source *source, struct failure *failure);

/* The same for the bytes of a sealed memfd, which nobody can change any more; FD stays the caller's. EXIT_CODE_USAGE for
 * any other kind of file. */
bool source_take(int fd, struct source *source, struct failure *failure);
void source_free(struct source *source);

/* What a sentence calls it behind "the bundle": PATH, unless it was pushed. */
const char *source_name(const struct source *source, const char *path);

#endif
