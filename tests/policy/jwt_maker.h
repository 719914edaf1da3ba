/* SPDX-License-Identifier: MPL-2.0
 *
 * The other side of policy/jwt.h: makes keys with libcrypto, writes them as JWKs, signs tokens. Shares no code with
 * what is tested. Everything that fails here fails the test.
 */
#ifndef FAIRVISOR_TESTS_POLICY_JWT_MAKER_H
#define FAIRVISOR_TESTS_POLICY_JWT_MAKER_H

#include <check.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/slice.h"

#define MAKER_JWK_SIZE   8192
#define MAKER_SET_SIZE   (2 * MAKER_JWK_SIZE)
#define MAKER_TOKEN_SIZE 32768

struct maker_kind {
    const char *alg, *kty, *crv;
    size_t half; /* bytes of a coordinate */
    const EVP_MD *(*hash)(void);
    bool is_pss;
};

static const struct maker_kind maker_kinds[] = {
    {"HS256", "oct", NULL, 0, EVP_sha256, false},    {"HS384", "oct", NULL, 0, EVP_sha384, false},
    {"HS512", "oct", NULL, 0, EVP_sha512, false},    {"RS256", "RSA", NULL, 0, EVP_sha256, false},
    {"RS384", "RSA", NULL, 0, EVP_sha384, false},    {"RS512", "RSA", NULL, 0, EVP_sha512, false},
    {"PS256", "RSA", NULL, 0, EVP_sha256, true},     {"PS384", "RSA", NULL, 0, EVP_sha384, true},
    {"PS512", "RSA", NULL, 0, EVP_sha512, true},     {"ES256", "EC", "P-256", 32, EVP_sha256, false},
    {"ES384", "EC", "P-384", 48, EVP_sha384, false}, {"ES512", "EC", "P-521", 66, EVP_sha512, false},
    {"EdDSA", "OKP", "Ed25519", 32, NULL, false},    {"EdDSA", "OKP", "Ed448", 57, NULL, false},
    {"Ed25519", "OKP", "Ed25519", 32, NULL, false},  {"Ed448", "OKP", "Ed448", 57, NULL, false},
};
#define MAKER_KINDS ((int)(sizeof(maker_kinds) / sizeof(maker_kinds[0])))

struct maker_key {
    const struct maker_kind *kind;
    EVP_PKEY *pkey;           /* NULL for oct */
    unsigned char secret[64]; /* of oct */
};

static inline size_t maker_base64url(const void *bytes, size_t size, char *out)
{
    int length = EVP_EncodeBlock((unsigned char *)out, bytes, (int)size);

    while (length > 0 && out[length - 1] == '=')
        length--;
    for (int i = 0; i < length; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    out[length] = '\0';
    return (size_t)length;
}

static inline struct maker_key maker_key(const struct maker_kind *kind)
{
    struct maker_key key = {.kind = kind};

    if (strcmp(kind->kty, "oct") == 0)
        for (size_t i = 0; i < sizeof(key.secret); i++)
            key.secret[i] = (unsigned char)(i * 7 + 13);
    else if (strcmp(kind->kty, "RSA") == 0)
        key.pkey = EVP_RSA_gen(2048);
    else if (strcmp(kind->kty, "EC") == 0)
        key.pkey = EVP_EC_gen(kind->crv);
    else
        key.pkey = EVP_PKEY_Q_keygen(NULL, NULL, kind->crv);
    ck_assert(key.pkey || strcmp(kind->kty, "oct") == 0);
    return key;
}

static inline void maker_number(const EVP_PKEY *pkey, const char *parameter, size_t size, char *out)
{
    unsigned char bytes[2048];
    BIGNUM *number = NULL;

    ck_assert_int_eq(EVP_PKEY_get_bn_param(pkey, parameter, &number), 1);
    if (size == 0)
        size = (size_t)BN_num_bytes(number);
    ck_assert_int_eq(BN_bn2binpad(number, bytes, (int)size), (int)size);
    maker_base64url(bytes, size, out);
    BN_free(number);
}

/* The members that hold the key: "kty":...,"n":... without braces, alg and kid. */
static inline const char *maker_members(const struct maker_key *key, char members[MAKER_JWK_SIZE])
{
    const struct maker_kind *kind = key->kind;
    char a[3072], b[3072];
    size_t size = 57;

    if (strcmp(kind->kty, "oct") == 0) {
        maker_base64url(key->secret, sizeof(key->secret), a);
        snprintf(members, MAKER_JWK_SIZE, "\"kty\":\"oct\",\"k\":\"%s\"", a);
    } else if (strcmp(kind->kty, "RSA") == 0) {
        maker_number(key->pkey, OSSL_PKEY_PARAM_RSA_N, 0, a);
        maker_number(key->pkey, OSSL_PKEY_PARAM_RSA_E, 0, b);
        snprintf(members, MAKER_JWK_SIZE, "\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"", a, b);
    } else if (strcmp(kind->kty, "EC") == 0) {
        maker_number(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, kind->half, a);
        maker_number(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, kind->half, b);
        snprintf(members, MAKER_JWK_SIZE, "\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"", kind->crv, a, b);
    } else {
        unsigned char bytes[57];

        ck_assert_int_eq(EVP_PKEY_get_raw_public_key(key->pkey, bytes, &size), 1);
        maker_base64url(bytes, size, a);
        snprintf(members, MAKER_JWK_SIZE, "\"kty\":\"OKP\",\"crv\":\"%s\",\"x\":\"%s\"", kind->crv, a);
    }
    return members;
}

/* A set of this key alone. KID may be NULL. */
static inline const char *maker_set(const struct maker_key *key, const char *kid, char set[MAKER_SET_SIZE])
{
    char members[MAKER_JWK_SIZE];

    snprintf(set, MAKER_SET_SIZE, "{\"keys\":[{\"alg\":\"%s\",%s%s%s%s}]}", key->kind->alg, maker_members(key, members),
             kid ? ",\"kid\":\"" : "", kid ? kid : "", kid ? "\"" : "");
    return set;
}

static inline size_t maker_ecdsa_halves(const unsigned char *der, size_t size, size_t half, unsigned char *out)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);

    ck_assert_ptr_nonnull(pair);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, (int)half), (int)half);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + half, (int)half), (int)half);
    ECDSA_SIG_free(pair);
    return 2 * half;
}

/* How a signature is made; all 0: as it should be. */
struct maker_way {
    bool as_der;     /* ECDSA: leave it as libcrypto makes it */
    int salt_length; /* PSS: this many bytes of salt, 0: as the hash has; -1: none */
};

static inline size_t maker_sign(const struct maker_key *key, struct slice input, struct maker_way way,
                                unsigned char out[2048])
{
    const struct maker_kind *kind = key->kind;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *context;
    unsigned char signature[2048];
    size_t size = sizeof(signature);
    unsigned mac = 0;

    if (!key->pkey) {
        ck_assert_ptr_nonnull(HMAC(kind->hash(), key->secret, sizeof(key->secret), (const unsigned char *)input.data,
                                   input.size, out, &mac));
        EVP_MD_CTX_free(digest);
        return mac;
    }
    ck_assert_int_eq(EVP_DigestSignInit(digest, &context, kind->hash ? kind->hash() : NULL, NULL, key->pkey), 1);
    if (kind->is_pss) {
        int salt = way.salt_length == 0 ? RSA_PSS_SALTLEN_DIGEST : way.salt_length < 0 ? 0 : way.salt_length;

        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt), 1);
    }
    ck_assert_int_eq(EVP_DigestSign(digest, signature, &size, (const unsigned char *)input.data, input.size), 1);
    EVP_MD_CTX_free(digest);
    if (strcmp(kind->kty, "EC") == 0 && !way.as_der)
        return maker_ecdsa_halves(signature, size, kind->half, out);
    memcpy(out, signature, size);
    return size;
}

/* HEADER.PAYLOAD of the texts; returns its length. */
static inline size_t maker_input(struct slice header, struct slice payload, char *out)
{
    size_t used = maker_base64url(header.data, header.size, out);

    out[used++] = '.';
    return used + maker_base64url(payload.data, payload.size, out + used);
}

static inline struct slice maker_append(char *out, size_t used, const void *signature, size_t size)
{
    out[used++] = '.';
    used += maker_base64url(signature, size, out + used);
    return (struct slice){out, used};
}

static inline struct slice maker_token_way(const struct maker_key *key, const char *header, struct slice payload,
                                           struct maker_way way, char out[MAKER_TOKEN_SIZE])
{
    unsigned char signature[2048];
    size_t used = maker_input(slice_of(header), payload, out);

    return maker_append(out, used, signature, maker_sign(key, (struct slice){out, used}, way, signature));
}

/* HEADER and PAYLOAD, signed by KEY. */
static inline struct slice maker_token(const struct maker_key *key, const char *header, const char *payload,
                                       char out[MAKER_TOKEN_SIZE])
{
    return maker_token_way(key, header, slice_of(payload), (struct maker_way){.as_der = false}, out);
}

#endif
