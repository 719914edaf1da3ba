/* SPDX-License-Identifier: MPL-2.0
 *
 * What a JSON Web Key verifies with: the public key, or the secret, that its members hold (RFC 7518 section 6, RFC 8037).
 * A weak or unsound one is refused. Private to policy/jwks*.c.
 */
#ifndef FAIRVISOR_POLICY_JWKS_MATERIAL_H
#define FAIRVISOR_POLICY_JWKS_MATERIAL_H

#include "policy/jwks_members.h"

/* Reads it into KEY, which owns it, for the algorithm in READING. Fills FAILURE and returns false when that is not
 * possible; jwks_key_free also then. */
bool jwks_material_read(const struct jwks_reading *reading, struct jwks_key *key);

#endif
