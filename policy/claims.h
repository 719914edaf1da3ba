/* SPDX-License-Identifier: MPL-2.0
 *
 * The claims of a JSON Web Token (RFC 7519) that keys of a policy may ask for.
 */
#ifndef FAIRVISOR_POLICY_CLAIMS_H
#define FAIRVISOR_POLICY_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/json.h"
#include "policy/jwt_shape.h"
#include "shm/slice.h"

#define CLAIMS_MAX_TOKEN JWT_SHAPE_MAX_SIZE

struct claims;

/* Reads the claims out of "Bearer <token>" (scheme without case). The signature is not looked at: these are the
 * bearer's own words. NULL when there is no bearer token, it is no JWT (an API key), or it is malformed in any way; the
 * caller frees the result. */
struct claims *claims_read(struct slice authorization);

/* The claims of a payload, an object; copied, for the caller to free. NULL when memory is out. */
struct claims *claims_of(const struct json *payload);

void claims_free(struct claims *claims);

/* Bytes of memory that the claims take. */
size_t claims_size(const struct claims *claims);

/* Text of a top-level claim: a string as it is, an integer or boolean in its JSON spelling. false for absent, empty and
 * other types. The slice lives as long as the claims. */
bool claims_find(const struct claims *claims, struct slice name, struct slice *value);

#endif
