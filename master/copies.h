/* SPDX-License-Identifier: MPL-2.0
 *
 * The files that keys of a policy are looked up in (enum settings_reference), copied: what is vetted is what every
 * worker of a generation reads, whoever writes to the files meanwhile, and workers need no right to open them.
 */
#ifndef FAIRVISOR_MASTER_COPIES_H
#define FAIRVISOR_MASTER_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/failure.h"
#include "shm/settings.h"

#define COPIES_MAX_LIST     (UINT64_C(64) << 20) /* bytes of a text file */
#define COPIES_MAX_DATABASE (UINT64_C(1) << 30)
#define COPIES_MAX_KEYS     (UINT64_C(1) << 20) /* of a key set (JWKS_MAX_BYTES), a certificate or a key */

struct copies {
    int fds[SETTINGS_REFERENCES]; /* sealed memfds, owned; -1: not set */
    bool shows_key;               /* the file of tls_key can be read by everybody */
};

/* Copies every file that SETTINGS name, and the packaged one where none is named and it is there. false with all of
 * them closed: EXIT_CODE_NO_INPUT, EXIT_CODE_PERMISSION, EXIT_CODE_BAD_CONFIG for what is no regular file or too large.
 */
bool copies_make(const struct settings *settings, struct copies *copies, struct failure *failure);

/* Closes them. Also fits a struct whose descriptors are all 0: one that was never made. */
void copies_close(struct copies *copies);

#endif
