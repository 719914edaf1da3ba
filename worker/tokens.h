/* SPDX-License-Identifier: MPL-2.0
 *
 * The claims of tokens seen lately, found by the very bytes of the Authorization value, so that a client that repeats
 * its token does not have it parsed again. Bounded: TOKENS_SLOTS entries of at most TOKENS_MAX_SIZE bytes; a new token
 * takes the place of the one that shares its slot.
 */
#ifndef FAIRVISOR_WORKER_TOKENS_H
#define FAIRVISOR_WORKER_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/claims.h"
#include "shm/slice.h"

#define TOKENS_SLOTS    256
#define TOKENS_MAX_SIZE (CLAIMS_MAX_TOKEN + 16) /* the scheme in front */

struct tokens {
    struct tokens_entry {
        uint64_t hash;
        char *text; /* NULL: free */
        size_t size;
        struct claims *claims; /* NULL: this value holds no claims */
    } * entries;
};

/* Allocates the table; false when memory is out. */
bool tokens_init(struct tokens *tokens);
void tokens_fini(struct tokens *tokens);

/* The claims of an AUTHORIZATION value, or NULL. They live until the next call. */
const struct claims *tokens_claims(struct tokens *tokens, struct slice authorization);

#endif
