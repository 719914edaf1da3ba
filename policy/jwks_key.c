/* SPDX-License-Identifier: MPL-2.0
 *
 * What one JWK is for: its algorithm, its use, its name. A key that could not be used, or should not be, is refused with
 * its place; what stands in it is never repeated.
 */
#include "policy/jwks_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/jwks_material.h"

#define SENTENCE_SIZE 512

bool jwks_key_refuse(const struct jwks_key_source *source, uint32_t token, const char *format, ...)
{
    char sentence[SENTENCE_SIZE];
    uint32_t line, column;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    json_place(source->text, json_offset(source->json, token), &line, &column);
    return failure_set(source->failure, EXIT_CODE_BAD_CONFIG, "%s:%u:%u: key %zu: %s", source->file, line, column,
                       source->number, sentence);
}

static bool check_algorithm(struct jwks_reading *reading)
{
    char names[JWT_ALGORITHM_LIST_SIZE];
    struct slice text;

    if (!jwks_members_has(reading, JWKS_MEMBER_alg))
        return jwks_members_refuse(
            reading, JWKS_MEMBER_alg,
            "is missing: a key must name its algorithm, for a token is not asked; write it into the key");
    if (!jwks_members_text(reading, JWKS_MEMBER_alg, &text))
        return false;
    reading->algorithm = jwt_algorithm_find(text);
    if (!reading->algorithm) {
        jwt_algorithm_list(names);
        return jwks_key_refuse(reading->source, reading->values[JWKS_MEMBER_alg], "alg must be one of %s", names);
    }
    if (!jwks_members_text(reading, JWKS_MEMBER_kty, &text))
        return false;
    if (slice_equal(text, slice_of(reading->algorithm->key_type)))
        return true;
    return jwks_key_refuse(reading->source, reading->values[JWKS_MEMBER_kty], "a key whose alg is %s has the kty %s",
                           reading->algorithm->name, reading->algorithm->key_type);
}

/* A key to encrypt with, as issuers publish them beside the others. */
static bool is_to_encrypt(const struct jwks_reading *reading)
{
    const struct json *json = reading->source->json;

    return jwks_members_has(reading, JWKS_MEMBER_use) &&
           json_type(json, reading->values[JWKS_MEMBER_use]) == JSON_STRING &&
           slice_equal(json_raw(json, reading->values[JWKS_MEMBER_use]), SLICE("enc"));
}

static bool check_privacy(const struct jwks_reading *reading)
{
    for (int i = 0; i < JWKS_MEMBER_COUNT; i++)
        if (jwks_members_table[i].is_private && jwks_members_has(reading, (enum jwks_member)i))
            return jwks_members_refuse(
                reading, (enum jwks_member)i,
                "is a part of a private key, which who verifies must not have: write the public key "
                "only, and think of this one as disclosed");
    if (jwks_members_has(reading, JWKS_MEMBER_k) && reading->algorithm &&
        reading->algorithm->family != JWT_ALGORITHM_HMAC)
        return jwks_members_refuse(reading, JWKS_MEMBER_k, "is the secret of a key of kty oct, which this is not");
    return true;
}

static bool check_use(const struct jwks_reading *reading)
{
    const struct json *json = reading->source->json;
    uint32_t uses = reading->values[JWKS_MEMBER_key_ops];
    struct slice text;

    if (jwks_members_has(reading, JWKS_MEMBER_use)) {
        if (!jwks_members_text(reading, JWKS_MEMBER_use, &text))
            return false;
        if (!slice_equal(text, SLICE("sig")))
            return jwks_members_refuse(reading, JWKS_MEMBER_use,
                                       "is not sig: leave keys that sign nothing out of this set");
    }
    if (!jwks_members_has(reading, JWKS_MEMBER_key_ops))
        return true;
    if (json_type(json, uses) != JSON_ARRAY)
        return jwks_members_refuse(reading, JWKS_MEMBER_key_ops, "must be a list");
    for (uint32_t at = json_first(json, uses); at != JSON_NONE; at = json_next(json, at))
        if (json_type(json, at) == JSON_STRING && slice_equal(json_raw(json, at), SLICE("verify")))
            return true;
    return jwks_members_refuse(reading, JWKS_MEMBER_key_ops,
                               "does not list verify: leave keys that verify nothing out of this set");
}

static bool read_id(const struct jwks_reading *reading, struct jwks_key *key)
{
    struct slice text;

    if (!jwks_members_has(reading, JWKS_MEMBER_kid))
        return true;
    if (!jwks_members_text(reading, JWKS_MEMBER_kid, &text))
        return false;
    if (text.size == 0 || text.size > JWKS_MAX_ID)
        return jwks_members_refuse(reading, JWKS_MEMBER_kid,
                                   "must have 1 to 256 bytes; leave it out for a key without a name");
    key->id = malloc(text.size);
    if (!key->id)
        return failure_set(reading->source->failure, EXIT_CODE_OS, "there is no memory for the keys of %s",
                           reading->source->file);
    memcpy(key->id, text.data, text.size);
    key->id_size = text.size;
    return true;
}

bool jwks_key_read(const struct jwks_key_source *source, uint32_t token, struct jwks_key *key, bool *is_left_out)
{
    struct jwks_reading reading = {.source = source, .object = token};

    *key = (struct jwks_key){.id = NULL};
    *is_left_out = false;
    if (!jwks_members_find(&reading))
        return false;
    if (is_to_encrypt(&reading)) {
        *is_left_out = true;
        return check_privacy(&reading);
    }
    if (!check_algorithm(&reading) || !check_privacy(&reading) || !check_use(&reading) ||
        !read_id(&reading, key))
        return false;
    key->key.algorithm = reading.algorithm;
    return jwks_material_read(&reading, key);
}

void jwks_key_free(struct jwks_key *key)
{
    EVP_PKEY_free(key->key.public_key);
    if (key->key.secret)
        OPENSSL_cleanse(key->key.secret, key->key.secret_size);
    free(key->key.secret);
    free(key->id);
    *key = (struct jwks_key){.id = NULL};
}
