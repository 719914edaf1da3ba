/* SPDX-License-Identifier: MPL-2.0
 *
 * Tokens whose signature is verified with a set of keys, and whose claims are then held against the rules of RFC 7519
 * (section 4.1). The key decides the algorithm. Opening a token looks at nothing but its form and its signature, so
 * that any payload can be verified; checking it makes claims of the payload.
 */
#ifndef FAIRVISOR_POLICY_JWT_H
#define FAIRVISOR_POLICY_JWT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/claims.h"
#include "policy/jwks.h"
#include "policy/jwt_shape.h"
#include "policy/region.h"

/* A token without kid is tried with this many keys of its algorithm; when the set has more of them, it is refused. */
#define JWT_MAX_TRIED 8

enum jwt_fault {
    JWT_GOOD,
#define FAULT(symbol, cause, sentence) JWT_##symbol,
#include "policy/jwt_faults.def"
#undef FAULT
    JWT_FAULTS
};

struct jwt_fault_row {
    const char *name;     /* for machines */
    const char *cause;    /* for the bearer */
    const char *sentence; /* for the operator */
};
extern const struct jwt_fault_row jwt_faults[JWT_FAULTS];

/* What a token must say beside being signed. */
struct jwt_rules {
    struct slice issuer;   /* empty: any, and none */
    struct slice audience; /* empty: any, and none */
    int64_t leeway_us;     /* how far the clocks of the issuer and of this machine may differ */
};

/* A token that was opened. */
struct jwt {
    struct region *region;      /* all of this lives in it */
    struct slice header;        /* JSON; data is NULL when it could not be decoded */
    struct slice payload;       /* the same; any bytes */
    const struct jwks_key *key; /* that verified it; NULL: none did */
};

/* When a token is good: from FROM_US on and before UNTIL_US, wall clock in microseconds, with the leeway in them. */
struct jwt_span {
    int64_t from_us, until_us;
};

/* Takes TOKEN apart and verifies its signature. JWT is filled as far as it goes, also for a fault; jwt_close always. */
enum jwt_fault jwt_open(struct slice token, const struct jwks *keys, struct jwt *jwt);
void jwt_close(struct jwt *jwt);

/* Holds the payload of an opened JWT against RULES: exp is required and over, nbf and iat in the future refuse; iss and
 * aud are looked at when RULES name one. *CLAIMS, owned by the caller, and *SPAN are set for JWT_GOOD. */
enum jwt_fault jwt_check(const struct jwt *jwt, const struct jwt_rules *rules, int64_t now_us, struct claims **claims,
                         struct jwt_span *span);

#endif
