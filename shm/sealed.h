/* SPDX-License-Identifier: MPL-2.0
 *
 * The policy bundle as it travels from the master to every worker: its very bytes in a sealed memfd, behind a header.
 */
#ifndef FAIRVISOR_SHM_SEALED_H
#define FAIRVISOR_SHM_SEALED_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slice.h"

#define SEALED_DIGEST_SIZE 65 /* SHA-256 in hex and a NUL: what sha256sum(1) prints for the bundle file */

struct sealed_header {
    uint32_t magic;
    uint32_t generation;
    uint64_t length;      /* of the bytes that follow the header */
    int64_t loaded_at_ns; /* wall clock of this load */
    char digest[SEALED_DIGEST_SIZE];
};

struct sealed {
    const struct sealed_header *header;
    struct slice bytes; /* the bundle as it was in the file; lives as long as the mapping */
};

/* Makes a memfd of the header and BYTES and seals it against any change. Returns it (close-on-exec; the caller
 * owns it), or -1 with errno. */
int sealed_create(uint32_t generation, int64_t loaded_at_ns, const char *digest, struct slice bytes);

/* Maps FD privately and read-only and checks its seals, magic and length. The mapping is never undone. false with errno
 * (EPROTO when the bytes are not ours). */
bool sealed_map(int fd, struct sealed *sealed);

#endif
