/* SPDX-License-Identifier: MPL-2.0
 *
 * From the members of a JWK to a key of libcrypto. A key that could not be used, or should not be, is refused with its
 * place; what stands in it is never repeated.
 */
#include "policy/jwks_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base64url.h"

#define MAX_EXPONENT_BITS 64
#define MAX_BINARY        (JWKS_MAX_SECRET > JWKS_MAX_RSA_BITS / 8 ? JWKS_MAX_SECRET : JWKS_MAX_RSA_BITS / 8)
#define MAX_TEXT          BASE64URL_TEXT_SIZE(MAX_BINARY)
#define MAX_BYTES         BASE64URL_BYTES_SIZE(MAX_TEXT)
#define MAX_POINT         (1 + 2 * 66)
#define UNCOMPRESSED      4 /* SEC 1, 2.3.3 */
#define SENTENCE_SIZE     512

/* The members that are looked at: MEMBER(name, is private to who signs). k is, too, but for kty oct. */
#define MEMBERS(MEMBER)    \
    MEMBER(kty, false)     \
    MEMBER(alg, false)     \
    MEMBER(kid, false)     \
    MEMBER(use, false)     \
    MEMBER(key_ops, false) \
    MEMBER(crv, false)     \
    MEMBER(x, false)       \
    MEMBER(y, false)       \
    MEMBER(n, false)       \
    MEMBER(e, false)       \
    MEMBER(k, false)       \
    MEMBER(d, true)        \
    MEMBER(p, true)        \
    MEMBER(q, true)        \
    MEMBER(dp, true)       \
    MEMBER(dq, true)       \
    MEMBER(qi, true)       \
    MEMBER(oth, true)

enum member {
#define SYMBOL(name, is_private) MEMBER_##name,
    MEMBERS(SYMBOL)
#undef SYMBOL
        MEMBER_COUNT
};

static const struct {
    const char *name;
    bool is_private;
} members[MEMBER_COUNT] = {
#define ROW(name, is_private) {#name, is_private},
    MEMBERS(ROW)
#undef ROW
};

/* A key on its way. */
struct reading {
    const struct jwks_key_source *source;
    uint32_t object;
    uint32_t values[MEMBER_COUNT]; /* JSON_NONE: not there */
    const struct jwt_algorithm *algorithm;
};

/* ---- complaints -------------------------------------------------------------------------------------------------- */

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

static bool refuse_libcrypto(const struct reading *reading, const char *sentence)
{
    ERR_clear_error();
    return jwks_key_refuse(reading->source, reading->object, "%s", sentence);
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

static bool find_members(struct reading *reading)
{
    const struct jwks_key_source *source = reading->source;
    struct slice name;

    for (int i = 0; i < MEMBER_COUNT; i++)
        reading->values[i] = JSON_NONE;
    if (json_type(source->json, reading->object) != JSON_OBJECT)
        return jwks_key_refuse(source, reading->object, "a key is an object (RFC 7517 4), not %s",
                               json_type_name(json_type(source->json, reading->object)));
    for (uint32_t at = json_first(source->json, reading->object); at != JSON_NONE; at = json_next(source->json, at)) {
        if (!json_text(source->json, at, source->region, &name))
            return failure_set(source->failure, EXIT_CODE_OS, "there is no memory for the keys of %s", source->file);
        for (int i = 0; i < MEMBER_COUNT; i++)
            if (slice_equal(name, slice_of(members[i].name)))
                reading->values[i] = json_value(source->json, at);
    }
    return true;
}

static bool has(const struct reading *reading, enum member member)
{
    return reading->values[member] != JSON_NONE;
}

static bool refuse_member(const struct reading *reading, enum member member, const char *sentence)
{
    return jwks_key_refuse(reading->source, has(reading, member) ? reading->values[member] : reading->object, "%s %s",
                           members[member].name, sentence);
}

/* The text of a member that must be there. */
static bool get_text(const struct reading *reading, enum member member, struct slice *text)
{
    const struct jwks_key_source *source = reading->source;

    if (!has(reading, member))
        return refuse_member(reading, member, "is missing");
    if (json_type(source->json, reading->values[member]) != JSON_STRING)
        return refuse_member(reading, member, "must be a string");
    if (!json_text(source->json, reading->values[member], source->region, text))
        return failure_set(source->failure, EXIT_CODE_OS, "there is no memory for the keys of %s", source->file);
    return true;
}

/* The bytes of a member that must be there. Taken from the document itself: an escape is no digit
 * of base64url, and a secret must not be copied on the way. */
static bool get_bytes(const struct reading *reading, enum member member, unsigned char out[MAX_BYTES], size_t *size)
{
    struct slice text;

    if (!has(reading, member) || json_type(reading->source->json, reading->values[member]) != JSON_STRING)
        return get_text(reading, member, &text);
    text = json_raw(reading->source->json, reading->values[member]);
    if (text.size > MAX_TEXT)
        return refuse_member(reading, member, "is too long");
    if (text.size == 0 || !base64url_decode(text, out, size))
        return refuse_member(reading, member, "must be base64url without padding (RFC 7515 2)");
    return true;
}

/* ---- what a key is for ------------------------------------------------------------------------------------------- */

static bool check_algorithm(struct reading *reading)
{
    char names[JWT_ALGORITHM_LIST_SIZE];
    struct slice text;

    if (!has(reading, MEMBER_alg))
        return refuse_member(
            reading, MEMBER_alg,
            "is missing: a key must name its algorithm, for a token is not asked; write it into the key");
    if (!get_text(reading, MEMBER_alg, &text))
        return false;
    reading->algorithm = jwt_algorithm_find(text);
    if (!reading->algorithm) {
        jwt_algorithm_list(names);
        return jwks_key_refuse(reading->source, reading->values[MEMBER_alg], "alg must be one of %s", names);
    }
    if (!get_text(reading, MEMBER_kty, &text))
        return false;
    if (slice_equal(text, slice_of(reading->algorithm->key_type)))
        return true;
    return jwks_key_refuse(reading->source, reading->values[MEMBER_kty], "a key whose alg is %s has the kty %s",
                           reading->algorithm->name, reading->algorithm->key_type);
}

/* A key to encrypt with, as issuers publish them beside the others. */
static bool is_to_encrypt(const struct reading *reading)
{
    const struct json *json = reading->source->json;

    return has(reading, MEMBER_use) && json_type(json, reading->values[MEMBER_use]) == JSON_STRING &&
           slice_equal(json_raw(json, reading->values[MEMBER_use]), SLICE("enc"));
}

static bool check_privacy(const struct reading *reading)
{
    for (int i = 0; i < MEMBER_COUNT; i++)
        if (members[i].is_private && has(reading, (enum member)i))
            return refuse_member(reading, (enum member)i,
                                 "is a part of a private key, which who verifies must not have: write the public key "
                                 "only, and think of this one as disclosed");
    if (has(reading, MEMBER_k) && reading->algorithm && reading->algorithm->family != JWT_ALGORITHM_HMAC)
        return refuse_member(reading, MEMBER_k, "is the secret of a key of kty oct, which this is not");
    return true;
}

static bool check_use(const struct reading *reading)
{
    const struct json *json = reading->source->json;
    struct slice text;

    if (has(reading, MEMBER_use)) {
        if (!get_text(reading, MEMBER_use, &text))
            return false;
        if (!slice_equal(text, SLICE("sig")))
            return refuse_member(reading, MEMBER_use, "is not sig: leave keys that sign nothing out of this set");
    }
    if (!has(reading, MEMBER_key_ops))
        return true;
    if (json_type(json, reading->values[MEMBER_key_ops]) != JSON_ARRAY)
        return refuse_member(reading, MEMBER_key_ops, "must be a list");
    for (uint32_t at = json_first(json, reading->values[MEMBER_key_ops]); at != JSON_NONE; at = json_next(json, at))
        if (json_type(json, at) == JSON_STRING && slice_equal(json_raw(json, at), SLICE("verify")))
            return true;
    return refuse_member(reading, MEMBER_key_ops,
                         "does not list verify: leave keys that verify nothing out of this set");
}

static bool read_id(const struct reading *reading, struct jwks_key *key)
{
    struct slice text;

    if (!has(reading, MEMBER_kid))
        return true;
    if (!get_text(reading, MEMBER_kid, &text))
        return false;
    if (text.size == 0 || text.size > JWKS_MAX_ID)
        return refuse_member(reading, MEMBER_kid, "must have 1 to 256 bytes; leave it out for a key without a name");
    key->id = malloc(text.size);
    if (!key->id)
        return failure_set(reading->source->failure, EXIT_CODE_OS, "there is no memory for the keys of %s",
                           reading->source->file);
    memcpy(key->id, text.data, text.size);
    key->id_size = text.size;
    return true;
}

/* ---- material ---------------------------------------------------------------------------------------------------- */

static EVP_PKEY *make_public_key(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (parameters && context && EVP_PKEY_fromdata_init(context) == 1 &&
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return key;
}

/* Does libcrypto find the public key sound? */
static bool is_sound(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    bool is_fine = context && EVP_PKEY_public_check(context) == 1;

    EVP_PKEY_CTX_free(context);
    return is_fine;
}

static bool check_rsa(const struct reading *reading, const BIGNUM *modulus, const BIGNUM *exponent)
{
    if (BN_num_bits(modulus) < JWKS_MIN_RSA_BITS)
        return jwks_key_refuse(reading->source, reading->values[MEMBER_n],
                               "n has %d bits; an RSA key needs %d at least (RFC 7518 3.3)", BN_num_bits(modulus),
                               JWKS_MIN_RSA_BITS);
    if (BN_num_bits(modulus) > JWKS_MAX_RSA_BITS)
        return jwks_key_refuse(reading->source, reading->values[MEMBER_n], "n has %d bits; at most %d are taken",
                               BN_num_bits(modulus), JWKS_MAX_RSA_BITS);
    if (!BN_is_odd(exponent) || BN_is_one(exponent) || BN_num_bits(exponent) > MAX_EXPONENT_BITS)
        return refuse_member(reading, MEMBER_e, "must be odd, 3 or more, and of 64 bits at most");
    return true;
}

static bool build_rsa(const struct reading *reading, const BIGNUM *modulus, const BIGNUM *exponent,
                      struct jwks_key *key)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();

    if (builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        key->key.public_key = make_public_key("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    return is_sound(key->key.public_key) ||
           refuse_libcrypto(reading, "n and e are no sound RSA key: n must be the product of two large primes");
}

static bool read_rsa(const struct reading *reading, struct jwks_key *key)
{
    unsigned char bytes[MAX_BYTES];
    BIGNUM *modulus = NULL, *exponent = NULL;
    bool is_read = false;
    size_t size;

    if (!get_bytes(reading, MEMBER_n, bytes, &size))
        return false;
    modulus = BN_bin2bn(bytes, (int)size, NULL);
    if (!get_bytes(reading, MEMBER_e, bytes, &size))
        goto out;
    exponent = BN_bin2bn(bytes, (int)size, NULL);
    if (!modulus || !exponent)
        refuse_libcrypto(reading, "libcrypto cannot hold this key");
    else
        is_read = check_rsa(reading, modulus, exponent) && build_rsa(reading, modulus, exponent, key);
out:
    BN_free(modulus);
    BN_free(exponent);
    return is_read;
}

static bool read_coordinate(const struct reading *reading, enum member member, unsigned char *out)
{
    unsigned char bytes[MAX_BYTES];
    size_t expected = reading->algorithm->coordinate_size, size;

    if (!get_bytes(reading, member, bytes, &size))
        return false;
    if (size != expected)
        return jwks_key_refuse(
            reading->source, reading->values[member],
            "%s has %zu bytes; a coordinate of %s has %zu, leading zeros included (RFC 7518 6.2.1.2)",
            members[member].name, size, reading->algorithm->curve, expected);
    memcpy(out, bytes, size);
    return true;
}

/* The crv, which must be the one of the algorithm where that names one. */
static bool read_curve(const struct reading *reading, struct slice *curve)
{
    const struct jwt_algorithm *algorithm = reading->algorithm;

    if (!get_text(reading, MEMBER_crv, curve))
        return false;
    if (!algorithm->curve || slice_equal(*curve, slice_of(algorithm->curve)))
        return true;
    return jwks_key_refuse(reading->source, reading->values[MEMBER_crv], "a key whose alg is %s has the crv %s",
                           algorithm->name, algorithm->curve);
}

static bool read_ec(const struct reading *reading, struct jwks_key *key)
{
    const struct jwt_algorithm *algorithm = reading->algorithm;
    unsigned char point[MAX_POINT] = {UNCOMPRESSED};
    OSSL_PARAM_BLD *builder;
    struct slice curve;

    if (!read_curve(reading, &curve))
        return false;
    if (!read_coordinate(reading, MEMBER_x, point + 1) ||
        !read_coordinate(reading, MEMBER_y, point + 1 + algorithm->coordinate_size))
        return false;
    builder = OSSL_PARAM_BLD_new();
    if (builder && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, algorithm->curve, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * algorithm->coordinate_size) ==
            1)
        key->key.public_key = make_public_key("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return is_sound(key->key.public_key) || refuse_libcrypto(reading, "the point (x, y) does not lie on the curve");
}

static bool read_okp(const struct reading *reading, struct jwks_key *key)
{
    static const struct {
        const char *name, *type;
        size_t size;
    } curves[] = {{"Ed25519", "ED25519", 32}, {"Ed448", "ED448", 57}};
    unsigned char bytes[MAX_BYTES];
    struct slice curve;
    size_t size;

    if (!read_curve(reading, &curve))
        return false;
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (!slice_equal(curve, slice_of(curves[i].name)))
            continue;
        if (!get_bytes(reading, MEMBER_x, bytes, &size))
            return false;
        if (size != curves[i].size)
            return jwks_key_refuse(reading->source, reading->values[MEMBER_x], "x has %zu bytes; a key of %s has %zu",
                                   size, curves[i].name, curves[i].size);
        key->key.public_key = EVP_PKEY_new_raw_public_key_ex(NULL, curves[i].type, NULL, bytes, size);
        return key->key.public_key || refuse_libcrypto(reading, "libcrypto does not take this key");
    }
    return refuse_member(reading, MEMBER_crv, "must be Ed25519 or Ed448");
}

static bool keep_secret(const struct reading *reading, const unsigned char *bytes, size_t size, struct jwks_key *key)
{
    if (size < reading->algorithm->hash_size)
        return jwks_key_refuse(reading->source, reading->values[MEMBER_k],
                               "k has %zu bytes; %s needs %zu at least (RFC 7518 3.2)", size, reading->algorithm->name,
                               reading->algorithm->hash_size);
    key->key.secret = malloc(size);
    if (!key->key.secret)
        return failure_set(reading->source->failure, EXIT_CODE_OS, "there is no memory for the keys of %s",
                           reading->source->file);
    memcpy(key->key.secret, bytes, size);
    key->key.secret_size = size;
    return true;
}

static bool read_secret(const struct reading *reading, struct jwks_key *key)
{
    unsigned char bytes[MAX_BYTES];
    size_t size;
    bool is_read = get_bytes(reading, MEMBER_k, bytes, &size) && keep_secret(reading, bytes, size, key);

    OPENSSL_cleanse(bytes, sizeof(bytes));
    return is_read;
}

static bool read_material(const struct reading *reading, struct jwks_key *key)
{
    switch (reading->algorithm->family) {
    case JWT_ALGORITHM_HMAC:
        return read_secret(reading, key);
    case JWT_ALGORITHM_PKCS1:
    case JWT_ALGORITHM_PSS:
        return read_rsa(reading, key);
    case JWT_ALGORITHM_ECDSA:
        return read_ec(reading, key);
    case JWT_ALGORITHM_EDDSA:
        return read_okp(reading, key);
    }
    return false;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

bool jwks_key_read(const struct jwks_key_source *source, uint32_t token, struct jwks_key *key, bool *is_left_out)
{
    struct reading reading = {.source = source, .object = token};

    *key = (struct jwks_key){.id = NULL};
    *is_left_out = false;
    if (!find_members(&reading))
        return false;
    if (is_to_encrypt(&reading)) {
        *is_left_out = true;
        return check_privacy(&reading);
    }
    if (!check_algorithm(&reading) || !check_privacy(&reading) || !check_use(&reading) ||
        !read_id(&reading, key))
        return false;
    key->key.algorithm = reading.algorithm;
    return read_material(&reading, key);
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
