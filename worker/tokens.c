/* SPDX-License-Identifier: MPL-2.0
 *
 * A cache from tokens to claims, in sets. A keyed hash says where to look, and all bytes of a token are compared: two
 * tokens are never taken for one, whatever the hash is worth. They are compared only when their hashes agree, so the time
 * that takes tells nothing about a token to somebody who does not have it.
 */
#include "worker/tokens.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define STEP ((size_t)16) /* bytes of a token that are mixed in at once */

bool tokens_init(struct tokens *tokens, const struct jwks *keys, const struct jwt_rules *rules)
{
    *tokens = (struct tokens){.keys = keys, .rules = *rules};
    tokens->entries = calloc((size_t)TOKENS_SETS * TOKENS_WAYS, sizeof(*tokens->entries));
    return tokens->entries &&
           getrandom(tokens->hash_key, sizeof(tokens->hash_key), 0) == (ssize_t)sizeof(tokens->hash_key);
}

/* The bytes of a token are a secret, and go before their memory does. */
static void forget(struct tokens_entry *entry)
{
    claims_free(entry->claims);
    if (entry->token)
        explicit_bzero(entry->token, entry->token_size);
    free(entry->token);
    *entry = (struct tokens_entry){.claims = NULL};
}

void tokens_fini(struct tokens *tokens)
{
    for (size_t i = 0; tokens->entries && i < (size_t)TOKENS_SETS * TOKENS_WAYS; i++)
        forget(&tokens->entries[i]);
    claims_free(tokens->passing);
    free(tokens->entries);
    *tokens = (struct tokens){.entries = NULL};
}

/* ---- finding ------------------------------------------------------------------------------------------------------- */

static uint64_t load_word(const char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* All bits of A and B in one word. */
static uint64_t multiply(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mix(uint64_t hash, const char *bytes, const uint64_t key[2])
{
    return multiply(load_word(bytes) ^ key[0], load_word(bytes + STEP / 2) ^ key[1] ^ hash);
}

/* The last step may take bytes a second time; a token shorter than a step is filled up with zeros. */
static uint64_t hash_of(struct slice token, const uint64_t key[2])
{
    char last[STEP] = {0};
    uint64_t hash = token.size;
    size_t used = 0;

    for (; token.size - used > STEP; used += STEP)
        hash = mix(hash, token.data + used, key);
    if (token.size >= STEP)
        memcpy(last, token.data + token.size - STEP, STEP);
    else
        memcpy(last, token.data, token.size);
    return multiply(mix(hash, last, key) ^ key[0], key[1]);
}

static struct tokens_entry *find(struct tokens_entry *set, uint64_t hash, struct slice token)
{
    for (int i = 0; i < TOKENS_WAYS; i++)
        if (set[i].claims && set[i].hash == hash && slice_equal((struct slice){set[i].token, set[i].token_size}, token))
            return &set[i];
    return NULL;
}

/* ---- keeping ------------------------------------------------------------------------------------------------------- */

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
    forget(place);
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
static void keep(struct tokens *tokens, struct tokens_entry *set, uint64_t hash, struct slice token,
                 struct claims *claims, const struct jwt_span *span, int64_t now_us)
{
    bool is_small = claims_size(claims) <= TOKENS_MAX_CLAIMS && token.size <= JWT_SHAPE_MAX_SIZE;
    char *copy = is_small ? malloc(token.size) : NULL;

    if (!copy) {
        tokens->passing = claims;
        return;
    }
    memcpy(copy, token.data, token.size);
    *make_room(set, now_us) = (struct tokens_entry){hash, copy, token.size, claims, *span, tokens->clock};
}

struct tokens_answer tokens_ask(struct tokens *tokens, struct slice authorization, int64_t now_us)
{
    struct slice token = jwt_shape_bearer(authorization);
    struct tokens_answer answer = {.is_token = token.size > 0 && jwt_shape_is_meant(token)};
    struct jwt_span span = {INT64_MIN, INT64_MAX};
    struct tokens_entry *set, *found;
    struct claims *claims;
    uint64_t hash;

    claims_free(tokens->passing);
    tokens->passing = NULL;
    if (!answer.is_token)
        return answer;
    hash = hash_of(token, tokens->hash_key);
    set = &tokens->entries[(hash % TOKENS_SETS) * TOKENS_WAYS];
    tokens->clock++;
    found = find(set, hash, token);
    if (found && is_good_at(&found->span, now_us)) {
        found->used_at = tokens->clock;
        answer.claims = found->claims;
        answer.was_kept = true;
        return answer;
    }
    claims = tokens->keys ? verify(tokens, token, now_us, &span, &answer.fault) : claims_read(authorization);
    answer.claims = claims;
    if (claims)
        keep(tokens, set, hash, token, claims, &span, now_us);
    return answer;
}
