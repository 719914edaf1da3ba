/* SPDX-License-Identifier: MPL-2.0
 *
 * The bearer token of a made-up request, looked at as a worker looks at that of a real one: by the key set and the rules of the
 * settings.
 */
#ifndef FAIRVISOR_CLI_BEARER_H
#define FAIRVISOR_CLI_BEARER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/claims.h"
#include "policy/jwt.h"
#include "shm/failure.h"
#include "shm/settings.h"

struct bearer {
    struct claims *claims;  /* owned; NULL: there are none */
    enum jwt_fault fault;   /* of a token; JWT_GOOD without jwt_keys_file, when nothing is verified */
    bool is_token;          /* false: no bearer token, or one that is no JWT (an API key) */
    bool is_verified;       /* by a key of jwt_keys_file, or found bad without one */
    struct failure failure; /* why jwt_keys_file, which is set, could not be read; code EXIT_CODE_OK: it could, or is not set */
};

/* Looks at AUTHORIZATION, the value of the request's field, at NOW_US of the wall clock. IS_REPEATED: there are more of
 * them. When the key set cannot be read, claims that are wrong without it (an exp that is over) are faults all the same. */
void bearer_judge(const struct settings *settings, struct slice authorization, bool is_repeated, int64_t now_us,
                  struct bearer *bearer);
void bearer_free(struct bearer *bearer);

#endif
