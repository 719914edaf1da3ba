/* SPDX-License-Identifier: MPL-2.0
 *
 * A set of keys that verify tokens: a JSON Web Key Set (RFC 7517 section 5). Every key names its algorithm; private and
 * weak keys are refused; a set is taken whole or not at all. Only keys that are there to encrypt, which issuers publish
 * beside the others, are counted and left out. Immutable once made.
 */
#ifndef FAIRVISOR_POLICY_JWKS_H
#define FAIRVISOR_POLICY_JWKS_H

#include <stddef.h>

#include "policy/jwt_algorithm.h"
#include "shm/failure.h"
#include "shm/slice.h"

#define JWKS_MAX_BYTES    ((size_t)1 << 20)
#define JWKS_MAX_KEYS     128
#define JWKS_MAX_ID       256  /* bytes of a kid */
#define JWKS_MIN_RSA_BITS 2048 /* RFC 7518 3.3 */
#define JWKS_MAX_RSA_BITS 8192 /* a larger one is slow enough to be an attack */
#define JWKS_MAX_SECRET   4096 /* bytes of an HMAC key */

struct jwks_key {
    struct jwt_algorithm_key key;
    char *id; /* kid, owned; NULL when there is none */
    size_t id_size;
};

struct jwks {
    size_t count;
    size_t left_out; /* keys whose use is enc */
    struct jwks_key keys[JWKS_MAX_KEYS];
};

/* Reads TEXT, which FILE holds. NULL with FAILURE filled, EXIT_CODE_BAD_CONFIG, when it is not such a set: its sentence
 * names file, line, column and key, and never a key's material. The caller frees the result, and wipes TEXT. */
struct jwks *jwks_parse(const char *file, struct slice text, struct failure *failure);

/* Wipes and frees the keys. NULL is fine. */
void jwks_free(struct jwks *jwks);

#endif
