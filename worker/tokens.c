/* SPDX-License-Identifier: MPL-2.0
 *
 * A direct-mapped cache from token bytes to claims. A hash finds the slot, the bytes themselves decide.
 */
#include "worker/tokens.h"

#include <stdlib.h>
#include <string.h>

bool tokens_init(struct tokens *tokens)
{
    tokens->entries = calloc(TOKENS_SLOTS, sizeof(*tokens->entries));
    return tokens->entries != NULL;
}

static void forget(struct tokens_entry *entry)
{
    claims_free(entry->claims);
    free(entry->text);
    *entry = (struct tokens_entry){0};
}

void tokens_fini(struct tokens *tokens)
{
    for (size_t i = 0; tokens->entries && i < TOKENS_SLOTS; i++)
        forget(&tokens->entries[i]);
    free(tokens->entries);
    tokens->entries = NULL;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* Spreads tokens over slots. Whoever makes two tokens meet only has them parsed more often. */
static uint64_t hash_bytes(struct slice text)
{
    uint64_t hash = text.size;
    uint64_t word = 0;
    size_t at = 0;

    for (; text.size - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, text.data + at, sizeof(word));
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, text.data + at, text.size - at);
    return mix(mix(hash, word), 0);
}

const struct claims *tokens_claims(struct tokens *tokens, struct slice authorization)
{
    uint64_t hash;
    struct tokens_entry *entry;

    if (authorization.size == 0 || authorization.size > TOKENS_MAX_SIZE)
        return NULL;
    hash = hash_bytes(authorization);
    entry = &tokens->entries[hash % TOKENS_SLOTS];
    if (entry->text && entry->hash == hash && slice_equal((struct slice){entry->text, entry->size}, authorization))
        return entry->claims;
    forget(entry);
    entry->text = malloc(authorization.size);
    if (!entry->text)
        return NULL;
    memcpy(entry->text, authorization.data, authorization.size);
    entry->size = authorization.size;
    entry->hash = hash;
    entry->claims = claims_read(authorization);
    return entry->claims;
}
