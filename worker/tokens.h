/* SPDX-License-Identifier: MPL-2.0
 *
 * What bearer tokens say, verified when there are keys, and kept: a client that repeats its token does not have it
 * verified again. A token is known by all its bytes, which are kept with its claims, in a process that cannot be dumped,
 * and wiped with them. It is kept until it expires, until the reload that makes a new process, or until one of its set
 * that was used more lately needs the place. Bounded: TOKENS_SETS sets of TOKENS_WAYS claims of at most TOKENS_MAX_CLAIMS
 * bytes, with their tokens. Tokens that are not good are never kept, so that nobody without a key can push out those that
 * are.
 */
#ifndef FAIRVISOR_WORKER_TOKENS_H
#define FAIRVISOR_WORKER_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/claims.h"
#include "policy/jwks.h"
#include "policy/jwt.h"
#include "shm/slice.h"

#define TOKENS_SETS       512
#define TOKENS_WAYS       4
#define TOKENS_MAX_CLAIMS 4096

struct tokens {
    const struct jwks *keys; /* NULL: claims are read, and nothing is verified */
    struct jwt_rules rules;
    uint64_t hash_key[2];
    uint64_t clock; /* counts questions, to tell who was used last */
    struct tokens_entry {
        uint64_t hash;
        char *token; /* owned */
        size_t token_size;
        struct claims *claims; /* NULL: free */
        struct jwt_span span;
        uint64_t used_at;
    } * entries;
    struct claims *passing; /* of the last answer, when they are not kept */
};

struct tokens_answer {
    const struct claims *claims; /* until the next question; NULL: there are none */
    enum jwt_fault fault;        /* of a token that was verified */
    bool is_token;               /* false: no bearer token, or one that is no JWT (an API key) */
    bool was_kept;
};

/* KEYS and what RULES point to must outlive TOKENS. false when memory is out, or randomness. */
bool tokens_init(struct tokens *tokens, const struct jwks *keys, const struct jwt_rules *rules);
void tokens_fini(struct tokens *tokens);

/* What the AUTHORIZATION value of a request says. Without keys there are no faults: a token that cannot be read has no
 * claims. */
struct tokens_answer tokens_ask(struct tokens *tokens, struct slice authorization, int64_t now_us);

#endif
