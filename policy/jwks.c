/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads key sets: a JSON object with a list of keys. Members that this file does not know are not looked at, as RFC
 * 7517 demands; those of the keys that it knows must be right.
 */
#include "policy/jwks.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "policy/jwks_key.h"

#define MAX_JSON_TOKENS ((size_t)JWKS_MAX_KEYS * 64)

static bool refuse_memory(const struct jwks_key_source *source)
{
    return failure_set(source->failure, EXIT_CODE_OS, "there is no memory for the keys of %s", source->file);
}

/* Complaints about the whole document. */
static bool refuse(const struct jwks_key_source *source, size_t offset, const char *sentence)
{
    uint32_t line, column;

    json_place(source->text, offset, &line, &column);
    return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s:%u:%u: %s", source->file, line, column, sentence);
}

/* The list of keys; JSON_NONE when there is none. */
static uint32_t find_list(const struct jwks_key_source *source)
{
    struct slice name;

    for (uint32_t at = json_first(source->json, JSON_ROOT); at != JSON_NONE; at = json_next(source->json, at))
        if (json_text(source->json, at, source->region, &name) && slice_equal(name, SLICE("keys")))
            return json_value(source->json, at);
    return JSON_NONE;
}

static bool is_named_twice(const struct jwks *jwks, const struct jwks_key *key)
{
    for (size_t i = 0; key->id && i < jwks->count; i++)
        if (jwks->keys[i].id &&
            slice_equal((struct slice){jwks->keys[i].id, jwks->keys[i].id_size}, (struct slice){key->id, key->id_size}))
            return true;
    return false;
}

static bool read_keys(struct jwks_key_source *source, uint32_t list, struct jwks *jwks)
{
    for (uint32_t at = json_first(source->json, list); at != JSON_NONE; at = json_next(source->json, at)) {
        struct jwks_key *key = &jwks->keys[jwks->count];
        bool is_read, is_left_out;

        source->number = jwks->count + jwks->left_out + 1;
        if (source->number > JWKS_MAX_KEYS)
            return jwks_key_refuse(source, at, "a set may have %d keys at most", JWKS_MAX_KEYS);
        is_read = jwks_key_read(source, at, key, &is_left_out);
        if (is_read && is_named_twice(jwks, key))
            is_read = jwks_key_refuse(source, at, "an earlier key has the same kid; give each key a kid of its own");
        if (!is_read) {
            jwks_key_free(key);
            return false;
        }
        jwks->left_out += is_left_out;
        jwks->count += !is_left_out;
    }
    return true;
}

static bool read_document(struct jwks_key_source *source, struct jwks *jwks)
{
    const struct json *json = source->json;
    uint32_t list, name;
    size_t repeated;

    if (!json_duplicates(json, &name, 1, &repeated))
        return refuse_memory(source);
    if (repeated > 0)
        return refuse(source, json_offset(json, name), "a name stands twice in one object; keep one of them");
    if (json_type(json, JSON_ROOT) != JSON_OBJECT)
        return refuse(source, json_offset(json, JSON_ROOT),
                      "a key set is an object with the list \"keys\" (RFC 7517 5)");
    list = find_list(source);
    if (list == JSON_NONE || json_type(json, list) != JSON_ARRAY)
        return refuse(source, json_offset(json, list == JSON_NONE ? JSON_ROOT : list),
                      "the list \"keys\" is missing: a key set is {\"keys\": [KEY, ...]} (RFC 7517 5)");
    if (json_count(json, list) == 0)
        return refuse(source, json_offset(json, list),
                      "the set has no key, so that no token would verify; leave its setting out if that is meant");
    if (!read_keys(source, list, jwks))
        return false;
    return jwks->count > 0 || refuse(source, json_offset(json, list),
                                     "every key of the set is there to encrypt (use is enc), so that no token would "
                                     "verify; add the keys that sign");
}

static bool read_text(struct jwks_key_source *source, struct jwks *jwks)
{
    static const struct json_gate_limits limits = {JWKS_MAX_BYTES, MAX_JSON_TOKENS};
    struct json_gate_fault fault = {0, "there is no memory for it"};
    struct json *json;
    bool is_read;

    if (!source->region)
        return refuse_memory(source);
    json = json_parse(source->text, &limits, &fault);
    if (!json)
        return refuse(source, fault.offset, fault.sentence);
    source->json = json;
    is_read = read_document(source, jwks);
    json_free(json);
    return is_read;
}

struct jwks *jwks_parse(const char *file, struct slice text, struct failure *failure)
{
    struct jwks_key_source source = {.file = file, .text = text, .region = region_new(), .failure = failure};
    struct jwks *jwks = calloc(1, sizeof(*jwks));
    bool is_read = jwks ? read_text(&source, jwks) : refuse_memory(&source);

    region_free(source.region);
    if (is_read)
        return jwks;
    jwks_free(jwks);
    return NULL;
}

void jwks_free(struct jwks *jwks)
{
    for (size_t i = 0; jwks && i < jwks->count; i++)
        jwks_key_free(&jwks->keys[i]);
    free(jwks);
}
