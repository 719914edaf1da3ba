/* SPDX-License-Identifier: MPL-2.0
 *
 * The name of a bundle's bytes.
 */
#ifndef FAIRVISOR_POLICY_DIGEST_H
#define FAIRVISOR_POLICY_DIGEST_H

#include <stdbool.h>

#include "shm/slice.h"

#define DIGEST_TEXT_SIZE 65

/* Writes the SHA-256 of TEXT in lower-case hex and a NUL, as sha256sum(1) prints it. false when libcrypto fails; OUT is
 * an empty string then. */
bool digest_hex(struct slice text, char out[DIGEST_TEXT_SIZE]);

#endif
