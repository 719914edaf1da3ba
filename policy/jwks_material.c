/* SPDX-License-Identifier: MPL-2.0
 *
 * From the numbers of a JWK to a key of libcrypto: see jwks_material.h.
 */
#include "policy/jwks_material.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EXPONENT_BITS 64
#define MAX_POINT         (1 + 2 * 66)
#define UNCOMPRESSED      4 /* SEC 1, 2.3.3 */

static bool refuse_libcrypto(const struct jwks_reading *reading, const char *sentence)
{
    ERR_clear_error();
    return jwks_key_refuse(reading->source, reading->object, "%s", sentence);
}

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

static bool check_rsa(const struct jwks_reading *reading, const BIGNUM *modulus, const BIGNUM *exponent)
{
    if (BN_num_bits(modulus) < JWKS_MIN_RSA_BITS)
        return jwks_key_refuse(reading->source, reading->values[JWKS_MEMBER_n],
                               "n has %d bits; an RSA key needs %d at least (RFC 7518 3.3)", BN_num_bits(modulus),
                               JWKS_MIN_RSA_BITS);
    if (BN_num_bits(modulus) > JWKS_MAX_RSA_BITS)
        return jwks_key_refuse(reading->source, reading->values[JWKS_MEMBER_n], "n has %d bits; at most %d are taken",
                               BN_num_bits(modulus), JWKS_MAX_RSA_BITS);
    if (!BN_is_odd(exponent) || BN_is_one(exponent) || BN_num_bits(exponent) > MAX_EXPONENT_BITS)
        return jwks_members_refuse(reading, JWKS_MEMBER_e, "must be odd, 3 or more, and of 64 bits at most");
    return true;
}

static bool build_rsa(const struct jwks_reading *reading, const BIGNUM *modulus, const BIGNUM *exponent,
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

static bool read_rsa(const struct jwks_reading *reading, struct jwks_key *key)
{
    unsigned char bytes[JWKS_MEMBERS_MOST];
    BIGNUM *modulus = NULL, *exponent = NULL;
    bool is_read = false;
    size_t size;

    if (!jwks_members_bytes(reading, JWKS_MEMBER_n, bytes, &size))
        return false;
    modulus = BN_bin2bn(bytes, (int)size, NULL);
    if (!jwks_members_bytes(reading, JWKS_MEMBER_e, bytes, &size))
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

static bool read_coordinate(const struct jwks_reading *reading, enum jwks_member member, unsigned char *out)
{
    unsigned char bytes[JWKS_MEMBERS_MOST];
    size_t expected = reading->algorithm->coordinate_size, size;

    if (!jwks_members_bytes(reading, member, bytes, &size))
        return false;
    if (size != expected)
        return jwks_key_refuse(
            reading->source, reading->values[member],
            "%s has %zu bytes; a coordinate of %s has %zu, leading zeros included (RFC 7518 6.2.1.2)",
            jwks_members_table[member].name, size, reading->algorithm->curve, expected);
    memcpy(out, bytes, size);
    return true;
}

/* The crv, which must be the one of the algorithm where that names one. */
static bool read_curve(const struct jwks_reading *reading, struct slice *curve)
{
    const struct jwt_algorithm *algorithm = reading->algorithm;

    if (!jwks_members_text(reading, JWKS_MEMBER_crv, curve))
        return false;
    if (!algorithm->curve || slice_equal(*curve, slice_of(algorithm->curve)))
        return true;
    return jwks_key_refuse(reading->source, reading->values[JWKS_MEMBER_crv], "a key whose alg is %s has the crv %s",
                           algorithm->name, algorithm->curve);
}

static bool read_ec(const struct jwks_reading *reading, struct jwks_key *key)
{
    const struct jwt_algorithm *algorithm = reading->algorithm;
    unsigned char point[MAX_POINT] = {UNCOMPRESSED};
    OSSL_PARAM_BLD *builder;
    struct slice curve;

    if (!read_curve(reading, &curve))
        return false;
    if (!read_coordinate(reading, JWKS_MEMBER_x, point + 1) ||
        !read_coordinate(reading, JWKS_MEMBER_y, point + 1 + algorithm->coordinate_size))
        return false;
    builder = OSSL_PARAM_BLD_new();
    if (builder && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, algorithm->curve, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * algorithm->coordinate_size) ==
            1)
        key->key.public_key = make_public_key("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return is_sound(key->key.public_key) || refuse_libcrypto(reading, "the point (x, y) does not lie on the curve");
}

/* Points of so small an order that anybody can sign for them: the y of each as it is written (RFC 8032 5.1.2, 5.2.2), without the sign
 * of x, also with the prime added. Libcrypto takes them. */
static const struct small_point {
    size_t size;
    unsigned char bytes[57];
} small_points[] = {
    {32, {0}},
    {32, {1}},
    {32, {0xec, [1 ... 30] = 0xff, 0x7f}},
    {32, {0xed, [1 ... 30] = 0xff, 0x7f}},
    {32, {0xee, [1 ... 30] = 0xff, 0x7f}},
    {32, {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
          0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}},
    {32, {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
          0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}},
    {57, {0}},
    {57, {1}},
    {57, {0xfe, [1 ... 27] = 0xff, 0xfe, [29 ... 55] = 0xff}},
    {57, {[0 ... 27] = 0xff, 0xfe, [29 ... 55] = 0xff}},
    {57, {[28 ... 55] = 0xff}},
};

static bool has_small_order(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(small_points) / sizeof(small_points[0]); i++)
        if (small_points[i].size == size && memcmp(bytes, small_points[i].bytes, size - 1) == 0 &&
            (bytes[size - 1] & 0x7f) == small_points[i].bytes[size - 1])
            return true;
    return false;
}

static bool read_okp(const struct jwks_reading *reading, struct jwks_key *key)
{
    static const struct {
        const char *name, *type;
        size_t size;
    } curves[] = {{"Ed25519", "ED25519", 32}, {"Ed448", "ED448", 57}};
    unsigned char bytes[JWKS_MEMBERS_MOST];
    struct slice curve;
    size_t size;

    if (!read_curve(reading, &curve))
        return false;
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (!slice_equal(curve, slice_of(curves[i].name)))
            continue;
        if (!jwks_members_bytes(reading, JWKS_MEMBER_x, bytes, &size))
            return false;
        if (size != curves[i].size)
            return jwks_key_refuse(reading->source, reading->values[JWKS_MEMBER_x],
                                   "x has %zu bytes; a key of %s has %zu", size, curves[i].name, curves[i].size);
        if (has_small_order(bytes, size))
            return jwks_members_refuse(reading, JWKS_MEMBER_x, "is a point of small order, for which anybody can sign");
        key->key.public_key = EVP_PKEY_new_raw_public_key_ex(NULL, curves[i].type, NULL, bytes, size);
        return key->key.public_key || refuse_libcrypto(reading, "libcrypto does not take this key");
    }
    return jwks_members_refuse(reading, JWKS_MEMBER_crv, "must be Ed25519 or Ed448");
}

static bool keep_secret(const struct jwks_reading *reading, const unsigned char *bytes, size_t size,
                        struct jwks_key *key)
{
    if (size < reading->algorithm->hash_size)
        return jwks_key_refuse(reading->source, reading->values[JWKS_MEMBER_k],
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

static bool read_secret(const struct jwks_reading *reading, struct jwks_key *key)
{
    unsigned char bytes[JWKS_MEMBERS_MOST];
    size_t size;
    bool is_read = jwks_members_bytes(reading, JWKS_MEMBER_k, bytes, &size) && keep_secret(reading, bytes, size, key);

    OPENSSL_cleanse(bytes, sizeof(bytes));
    return is_read;
}

bool jwks_material_read(const struct jwks_reading *reading, struct jwks_key *key)
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
