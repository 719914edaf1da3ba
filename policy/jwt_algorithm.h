/* SPDX-License-Identifier: MPL-2.0
 *
 * The signature algorithms of JSON Web Tokens (RFC 7518 section 3, RFC 8037, RFC 9864) and the check of one signature. Which
 * algorithm is used is a fact about the key; what a token says of it is not asked here.
 */
#ifndef FAIRVISOR_POLICY_JWT_ALGORITHM_H
#define FAIRVISOR_POLICY_JWT_ALGORITHM_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

#include "shm/slice.h"

enum jwt_algorithm_family {
    JWT_ALGORITHM_HMAC,  /* HS256 ...; kty oct */
    JWT_ALGORITHM_PKCS1, /* RS256 ...; kty RSA */
    JWT_ALGORITHM_PSS,   /* PS256 ...; kty RSA */
    JWT_ALGORITHM_ECDSA, /* ES256 ...; kty EC */
    JWT_ALGORITHM_EDDSA, /* EdDSA, and the names of RFC 9864; kty OKP */
};

struct jwt_algorithm {
    const char *name; /* alg */
    enum jwt_algorithm_family family;
    const char *key_type;        /* kty */
    const char *curve;           /* crv of the key; NULL where there is none, or more than one will do */
    size_t coordinate_size;      /* bytes of a coordinate of the curve, and of each half of its signatures */
    size_t hash_size;            /* bytes; the least size of an HMAC key, too */
    const EVP_MD *(*hash)(void); /* NULL for EdDSA */
};

/* A key in the form its algorithm wants it. */
struct jwt_algorithm_key {
    const struct jwt_algorithm *algorithm;
    EVP_PKEY *public_key;  /* NULL for HMAC */
    unsigned char *secret; /* of HMAC */
    size_t secret_size;
};

/* The algorithm of a name, to the letter; NULL for an unknown one, which "none" is. */
const struct jwt_algorithm *jwt_algorithm_find(struct slice name);

/* "HS256, HS384, ...": all names. */
#define JWT_ALGORITHM_LIST_SIZE 128
void jwt_algorithm_list(char text[JWT_ALGORITHM_LIST_SIZE]);

/* Is SIGNATURE the one of INPUT under KEY? false also when libcrypto fails. */
bool jwt_algorithm_verify(const struct jwt_algorithm_key *key, struct slice input, struct slice signature);

#endif
