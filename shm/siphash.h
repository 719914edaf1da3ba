/* SPDX-License-Identifier: MPL-2.0
 *
 * SipHash-2-4 with 128 bits of output (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012): the keyed hash of
 * everything an attacker may choose. The state can be copied half way, so that a common beginning is absorbed once.
 */
#ifndef FAIRVISOR_SHM_SIPHASH_H
#define FAIRVISOR_SHM_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#include "shm/slice.h"

struct siphash {
    uint64_t v[4];
    uint64_t tail;  /* bytes not yet absorbed, little endian */
    uint64_t total; /* bytes given so far */
};

void siphash_init(struct siphash *hash, const uint64_t key[2]);
void siphash_update(struct siphash *hash, const void *data, size_t size);

/* Absorbs the length of BYTES (1 byte, or a word that is 0xfe and one that is the length) and then BYTES, in words of 8 bytes, little
 * endian: zeros fill the last one, and before all that the one that siphash_update may have left open. So lists of values never run
 * together. No value begins with SIPHASH_NO_VALUE. */
#define SIPHASH_NO_VALUE 0xff
void siphash_update_value(struct siphash *hash, struct slice bytes);

/* Ends a copy of HASH; HASH itself may go on. */
void siphash_final(const struct siphash *hash, uint64_t out[2]);

/* All in one. */
void siphash_of(const uint64_t key[2], const void *data, size_t size, uint64_t out[2]);

#endif
