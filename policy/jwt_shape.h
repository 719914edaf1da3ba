/* SPDX-License-Identifier: MPL-2.0
 *
 * The outside of a token: the compact form of RFC 7515 (section 3.1), three parts of base64url with dots between, and
 * its header. What it says is not believed here, and nothing is verified.
 */
#ifndef FAIRVISOR_POLICY_JWT_SHAPE_H
#define FAIRVISOR_POLICY_JWT_SHAPE_H

#include <stdbool.h>

#include "policy/json.h"
#include "policy/region.h"
#include "shm/slice.h"

#define JWT_SHAPE_MAX_SIZE 8192 /* bytes; a longer token is nobody's */

/* The parts as they stand in the token. */
struct jwt_shape {
    struct slice header, payload, signature;
    struct slice input; /* header and payload with their dot: what is signed */
};

struct jwt_header {
    struct slice algorithm; /* alg */
    struct slice key_id;    /* kid; data is NULL when there is none */
    bool has_critical;      /* crit is there: something must be understood that is not (RFC 7515 4.1.11) */
};

/* The token behind "Bearer " (RFC 6750 2.1; the scheme without case); empty when there is none. */
struct slice jwt_shape_bearer(struct slice authorization);

/* Whether BEARER means to be a token of three parts, good or bad: it has exactly two dots, or one of its words has. Other bearers are
 * API keys. */
bool jwt_shape_is_meant(struct slice bearer);

/* false unless TOKEN is three parts, none of them empty, and not too long. Their digits are looked at when they are
 * decoded. */
bool jwt_shape_split(struct slice token, struct jwt_shape *shape);

/* Decodes PART into memory of REGION. false for what base64url does not write, or when memory is out. */
bool jwt_shape_decode(struct region *region, struct slice part, struct slice *bytes);

/* The JSON object without a repeated name that BYTES are; NULL when they are not, or memory is out. The caller frees
 * it. */
struct json *jwt_shape_parse(struct slice bytes);

/* Reads the header. false when alg is missing, alg or kid is not a string, or memory is out. */
bool jwt_shape_header(const struct json *json, struct region *region, struct jwt_header *header);

#endif
