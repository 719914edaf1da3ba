/* SPDX-License-Identifier: MPL-2.0
 *
 * A cache from tokens to claims, in sets. The hash is the identity: an attacker who does not know its key cannot make
 * two tokens meet, and tokens themselves are not kept in memory.
 */
#include "worker/tokens.h"

#include <stdlib.h>
#include <sys/random.h>

#include "shm/siphash.h"

bool tokens_init(struct tokens *tokens, const struct jwks *keys, const struct jwt_rules *rules)
{
    *tokens = (struct tokens){.keys = keys, .rules = *rules};
    tokens->entries = calloc((size_t)TOKENS_SETS * TOKENS_WAYS, sizeof(*tokens->entries));
    return tokens->entries &&
           getrandom(tokens->hash_key, sizeof(tokens->hash_key), 0) == (ssize_t)sizeof(tokens->hash_key);
}

void tokens_fini(struct tokens *tokens)
{
    for (size_t i = 0; tokens->entries && i < (size_t)TOKENS_SETS * TOKENS_WAYS; i++)
        claims_free(tokens->entries[i].claims);
    claims_free(tokens->passing);
    free(tokens->entries);
    *tokens = (struct tokens){.entries = NULL};
}

static struct tokens_entry *find(struct tokens_entry *set, const uint64_t hash[2])
{
    for (int i = 0; i < TOKENS_WAYS; i++)
        if (set[i].claims && set[i].hash[0] == hash[0] && set[i].hash[1] == hash[1])
            return &set[i];
    return NULL;
}

static bool is_good_at(const struct jwt_span *span, int64_t now_us)
{
    return now_us >= span->from_us && now_us < span->until_us;
}

/* A free place, one whose token is over, or the one that was used least lately; freed. */
static struct tokens_entry *make_room(struct tokens_entry *set, int64_t now_us)
{
    struct tokens_entry *place = &set[0];

    for (int i = 0; i < TOKENS_WAYS; i++) {
        if (!set[i].claims || now_us >= set[i].span.until_us) {
            place = &set[i];
            break;
        }
        if (set[i].used_at < place->used_at)
            place = &set[i];
    }
    claims_free(place->claims);
    *place = (struct tokens_entry){.claims = NULL};
    return place;
}

static struct claims *verify(const struct tokens *tokens, struct slice token, int64_t now_us, struct jwt_span *span,
                             enum jwt_fault *fault)
{
    struct claims *claims = NULL;
    struct jwt jwt;

    *fault = jwt_open(token, tokens->keys, &jwt);
    if (*fault == JWT_GOOD)
        *fault = jwt_check(&jwt, &tokens->rules, now_us, &claims, span);
    jwt_close(&jwt);
    return claims;
}

/* Claims that are not kept live until the next question. */
static void keep(struct tokens *tokens, struct tokens_entry *set, const uint64_t hash[2], struct claims *claims,
                 const struct jwt_span *span, int64_t now_us)
{
    struct tokens_entry *place;

    if (claims_size(claims) > TOKENS_MAX_CLAIMS) {
        tokens->passing = claims;
        return;
    }
    place = make_room(set, now_us);
    *place = (struct tokens_entry){{hash[0], hash[1]}, claims, *span, tokens->clock};
}

struct tokens_answer tokens_ask(struct tokens *tokens, struct slice authorization, int64_t now_us)
{
    struct slice token = jwt_shape_bearer(authorization);
    struct tokens_answer answer = {.is_token = token.size > 0 && jwt_shape_is_meant(token)};
    struct jwt_span span = {INT64_MIN, INT64_MAX};
    struct tokens_entry *set, *found;
    struct claims *claims;
    uint64_t hash[2];

    claims_free(tokens->passing);
    tokens->passing = NULL;
    if (!answer.is_token)
        return answer;
    siphash_of(tokens->hash_key, token.data, token.size, hash);
    set = &tokens->entries[(hash[0] % TOKENS_SETS) * TOKENS_WAYS];
    tokens->clock++;
    found = find(set, hash);
    if (found && is_good_at(&found->span, now_us)) {
        found->used_at = tokens->clock;
        answer.claims = found->claims;
        answer.was_kept = true;
        return answer;
    }
    claims = tokens->keys ? verify(tokens, token, now_us, &span, &answer.fault) : claims_read(authorization);
    answer.claims = claims;
    if (claims)
        keep(tokens, set, hash, claims, &span, now_us);
    return answer;
}
