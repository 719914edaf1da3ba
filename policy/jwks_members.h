/* SPDX-License-Identifier: MPL-2.0
 *
 * The members of one JSON Web Key on its way, by name. Private to policy/jwks*.c.
 */
#ifndef FAIRVISOR_POLICY_JWKS_MEMBERS_H
#define FAIRVISOR_POLICY_JWKS_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/base64url.h"
#include "policy/jwks_key.h"

/* Bytes that one member may hold, and room for them decoded. */
#define JWKS_MEMBERS_LARGEST (JWKS_MAX_SECRET > JWKS_MAX_RSA_BITS / 8 ? JWKS_MAX_SECRET : JWKS_MAX_RSA_BITS / 8)
#define JWKS_MEMBERS_TEXT    BASE64URL_TEXT_SIZE(JWKS_MEMBERS_LARGEST)
#define JWKS_MEMBERS_MOST    BASE64URL_BYTES_SIZE(JWKS_MEMBERS_TEXT)

/* The members that are looked at: MEMBER(name, is private to who signs). k is, too, but for kty oct. */
#define JWKS_MEMBERS(MEMBER) \
    MEMBER(kty, false)       \
    MEMBER(alg, false)       \
    MEMBER(kid, false)       \
    MEMBER(use, false)       \
    MEMBER(key_ops, false)   \
    MEMBER(crv, false)       \
    MEMBER(x, false)         \
    MEMBER(y, false)         \
    MEMBER(n, false)         \
    MEMBER(e, false)         \
    MEMBER(k, false)         \
    MEMBER(d, true)          \
    MEMBER(p, true)          \
    MEMBER(q, true)          \
    MEMBER(dp, true)         \
    MEMBER(dq, true)         \
    MEMBER(qi, true)         \
    MEMBER(oth, true)

enum jwks_member {
#define SYMBOL(name, is_private) JWKS_MEMBER_##name,
    JWKS_MEMBERS(SYMBOL)
#undef SYMBOL
    JWKS_MEMBER_COUNT
};

struct jwks_members_row {
    const char *name;
    bool is_private;
};
extern const struct jwks_members_row jwks_members_table[JWKS_MEMBER_COUNT];

/* A key on its way. */
struct jwks_reading {
    const struct jwks_key_source *source;
    uint32_t object;                    /* its token */
    uint32_t values[JWKS_MEMBER_COUNT]; /* JSON_NONE: not there */
    const struct jwt_algorithm *algorithm;
};

/* Finds the values of all members of reading->object. Each of these fills FAILURE and returns false when it cannot. */
bool jwks_members_find(struct jwks_reading *reading);

bool jwks_members_has(const struct jwks_reading *reading, enum jwks_member member);

/* Refuses the key for MEMBER, at its place or, where it is missing, the key's; SENTENCE goes on behind its name. Returns
 * false. */
bool jwks_members_refuse(const struct jwks_reading *reading, enum jwks_member member, const char *sentence);

/* The text of a member that must be there. Borrowed from the document or its region. */
bool jwks_members_text(const struct jwks_reading *reading, enum jwks_member member, struct slice *text);

/* The bytes, at least one, of a member that must be there and is base64url. */
bool jwks_members_bytes(const struct jwks_reading *reading, enum jwks_member member,
                        unsigned char out[JWKS_MEMBERS_MOST], size_t *size);

#endif
