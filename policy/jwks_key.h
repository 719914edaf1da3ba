/* SPDX-License-Identifier: MPL-2.0
 *
 * One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037) of a set of keys that verify. Private to
 * policy/jwks*.c.
 */
#ifndef FAIRVISOR_POLICY_JWKS_KEY_H
#define FAIRVISOR_POLICY_JWKS_KEY_H

#include "policy/json.h"
#include "policy/jwks.h"
#include "policy/region.h"
#include "shm/failure.h"

/* Where a key stands, for complaints. */
struct jwks_key_source {
    const char *file;
    struct slice text;
    const struct json *json;
    struct region *region; /* for texts with escapes; never a secret */
    size_t number;         /* of the key in its set, from 1 */
    struct failure *failure;
};

/* Fills FAILURE with "FILE:LINE:COLUMN: key N: " and the sentence and returns false. */
bool jwks_key_refuse(const struct jwks_key_source *source, uint32_t token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads the object TOKEN into KEY, or finds that it is there to encrypt: *IS_LEFT_OUT, and KEY stays empty.
 * jwks_key_free also after false. */
bool jwks_key_read(const struct jwks_key_source *source, uint32_t token, struct jwks_key *key, bool *is_left_out);

/* Wipes and frees what the key holds. */
void jwks_key_free(struct jwks_key *key);

#endif
