/* SPDX-License-Identifier: MPL-2.0
 *
 * The claims of a JSON Web Token (RFC 7519), read from the value of an Authorization field. The signature is not looked
 * at here: these are the bearer's own words.
 */
#ifndef FAIRVISOR_POLICY_CLAIMS_H
#define FAIRVISOR_POLICY_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slice.h"

#define CLAIMS_MAX_TOKEN 8192

struct claims;

/* Reads the claims out of "Bearer <token>" (scheme without case). NULL when there is no bearer token, it is no JWT (an
 * API key), or it is malformed in any way; the caller frees the result. */
struct claims *claims_read(struct slice authorization);
void claims_free(struct claims *claims);

/* Text of a top-level claim: a string as it is, an integer or boolean in its JSON spelling. false for absent, empty and
 * other types. The slice lives as long as the claims. */
bool claims_find(const struct claims *claims, struct slice name, struct slice *value);

#endif
