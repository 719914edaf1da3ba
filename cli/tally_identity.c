/* SPDX-License-Identifier: MPL-2.0
 *
 * Identities are told apart by a keyed 128-bit hash; their texts are made once.
 */
#include "cli/tally_identity.h"

#include <stdlib.h>
#include <string.h>

#include "shm/siphash.h"

static bool grow(struct tally *tally)
{
    size_t room = 2 * tally->room;
    struct tally_identity **larger = calloc(room, sizeof(struct tally_identity *));

    if (!larger)
        return false;
    for (size_t i = 0; i < tally->room; i++) {
        size_t at;

        if (!tally->table[i])
            continue;
        for (at = tally->table[i]->key[0] & (room - 1); larger[at];)
            at = (at + 1) & (room - 1);
        larger[at] = tally->table[i];
    }
    free(tally->table);
    tally->table = larger;
    tally->room = room;
    return true;
}

static size_t find_place(const struct tally *tally, const uint64_t key[2])
{
    size_t at = key[0] & (tally->room - 1);

    while (tally->table[at] && memcmp(tally->table[at]->key, key, sizeof(tally->table[at]->key)) != 0)
        at = (at + 1) & (tally->room - 1);
    return at;
}

static char *put(char *at, struct slice text)
{
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

/* "key=value, key=value" of the keys of RULE in the request at hand. Measures when OUT is NULL. */
static size_t tell_keys(struct tally *tally, const struct rule *rule, char *out)
{
    size_t size = 0;

    for (uint32_t i = 0; i < rule->key_count; i++) {
        struct slice value;
        const struct slice parts[] = {i > 0 ? SLICE(", ") : SLICE(""), tally->bundle->descriptors[rule->keys[i]].text,
                                      SLICE("="), {NULL, 0}};

        if (!decide_key(tally->decider, rule->keys[i], &value))
            value = SLICE("(missing)");
        for (size_t j = 0; j < 3; j++) {
            out = out ? put(out, parts[j]) : NULL;
            size += parts[j].size;
        }
        out = out ? put(out, value) : NULL;
        size += value.size;
    }
    return size;
}

static struct slice copy_text(struct tally *tally, struct slice text)
{
    struct slice copy = {NULL, 0};

    if (!region_copy(tally->region, text, &copy))
        tally->is_out_of_memory = true;
    return copy;
}

static struct slice identity_of_rule(struct tally *tally, const struct rule *rule)
{
    size_t size = tell_keys(tally, rule, NULL);
    char *text;

    if (rule->key_count == 0)
        return SLICE("(all requests together)");
    text = region_take(tally->region, size + 1, 1);
    if (!text) {
        tally->is_out_of_memory = true;
        return SLICE("");
    }
    tell_keys(tally, rule, text);
    return (struct slice){text, size};
}

static void hash_rule(struct tally *tally, const struct tally_row *row, uint64_t key[2])
{
    static const uint64_t no_key[2];
    struct siphash hash;

    siphash_init(&hash, no_key);
    siphash_update(&hash, &row, sizeof(row));
    for (uint32_t i = 0; i < row->rule->key_count; i++) {
        struct slice value = {NULL, 0};

        decide_key(tally->decider, row->rule->keys[i], &value);
        siphash_update_value(&hash, value);
    }
    siphash_final(&hash, key);
}

static void hash_text(const struct tally_row *row, struct slice text, uint64_t key[2])
{
    static const uint64_t no_key[2];
    struct siphash hash;

    siphash_init(&hash, no_key);
    siphash_update(&hash, &row, sizeof(row));
    siphash_update_value(&hash, text);
    siphash_final(&hash, key);
}

static struct tally_identity *add_identity(struct tally *tally, size_t place, struct tally_row *row,
                                           const uint64_t key[2], struct slice text)
{
    struct tally_identity *identity = region_take(tally->region, 1, sizeof(*identity));

    if (!identity) {
        tally->is_out_of_memory = true;
        return NULL;
    }
    memcpy(identity->key, key, sizeof(identity->key));
    identity->row = row;
    identity->text = text;
    tally->table[place] = identity;
    tally->count++;
    row->identities++;
    if (tally->count * 2 > tally->room && !grow(tally))
        tally->is_out_of_memory = true;
    return identity;
}

struct tally_identity *tally_identity_find(struct tally *tally, struct tally_row *row, struct slice text)
{
    uint64_t key[2];
    size_t place;

    if (row->rule)
        hash_rule(tally, row, key);
    else
        hash_text(row, text, key);
    place = find_place(tally, key);
    if (tally->table[place])
        return tally->table[place];
    if (tally->count >= TALLY_MAX_IDENTITIES || tally->is_out_of_memory) {
        tally->untold++;
        return NULL;
    }
    return add_identity(tally, place, row, key,
                        row->rule ? identity_of_rule(tally, row->rule) : copy_text(tally, text));
}
