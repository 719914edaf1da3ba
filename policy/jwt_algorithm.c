/* SPDX-License-Identifier: MPL-2.0
 *
 * Hands signatures to libcrypto in the form it knows: ECDSA's halves as DER, PSS with its salt as long as the hash,
 * MACs compared in constant time.
 */
#include "policy/jwt_algorithm.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>

#define DER_MAX_SIZE 160 /* of two numbers of 66 bytes each */

static const struct jwt_algorithm algorithms[] = {
    {"HS256", JWT_ALGORITHM_HMAC, "oct", NULL, 0, 32, EVP_sha256},
    {"HS384", JWT_ALGORITHM_HMAC, "oct", NULL, 0, 48, EVP_sha384},
    {"HS512", JWT_ALGORITHM_HMAC, "oct", NULL, 0, 64, EVP_sha512},
    {"RS256", JWT_ALGORITHM_PKCS1, "RSA", NULL, 0, 32, EVP_sha256},
    {"RS384", JWT_ALGORITHM_PKCS1, "RSA", NULL, 0, 48, EVP_sha384},
    {"RS512", JWT_ALGORITHM_PKCS1, "RSA", NULL, 0, 64, EVP_sha512},
    {"PS256", JWT_ALGORITHM_PSS, "RSA", NULL, 0, 32, EVP_sha256},
    {"PS384", JWT_ALGORITHM_PSS, "RSA", NULL, 0, 48, EVP_sha384},
    {"PS512", JWT_ALGORITHM_PSS, "RSA", NULL, 0, 64, EVP_sha512},
    {"ES256", JWT_ALGORITHM_ECDSA, "EC", "P-256", 32, 32, EVP_sha256},
    {"ES384", JWT_ALGORITHM_ECDSA, "EC", "P-384", 48, 48, EVP_sha384},
    {"ES512", JWT_ALGORITHM_ECDSA, "EC", "P-521", 66, 64, EVP_sha512},
    {"EdDSA", JWT_ALGORITHM_EDDSA, "OKP", NULL, 0, 0, NULL},
    {"Ed25519", JWT_ALGORITHM_EDDSA, "OKP", "Ed25519", 0, 0, NULL},
    {"Ed448", JWT_ALGORITHM_EDDSA, "OKP", "Ed448", 0, 0, NULL},
};
#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

const struct jwt_algorithm *jwt_algorithm_find(struct slice name)
{
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (slice_equal(slice_of(algorithms[i].name), name))
            return &algorithms[i];
    return NULL;
}

void jwt_algorithm_list(char text[JWT_ALGORITHM_LIST_SIZE])
{
    size_t used = 0;

    for (size_t i = 0; i < ALGORITHMS && used < JWT_ALGORITHM_LIST_SIZE; i++)
        used += (size_t)snprintf(text + used, JWT_ALGORITHM_LIST_SIZE - used, "%s%s", i > 0 ? ", " : "",
                                 algorithms[i].name);
}

static const unsigned char *bytes_of(struct slice text)
{
    return (const unsigned char *)text.data;
}

static bool verify_mac(const struct jwt_algorithm_key *key, struct slice input, struct slice signature)
{
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    return HMAC(key->algorithm->hash(), key->secret, (int)key->secret_size, bytes_of(input), input.size, expected,
                &size) &&
           size == signature.size && CRYPTO_memcmp(expected, signature.data, size) == 0;
}

static bool set_pss(EVP_PKEY_CTX *context)
{
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool verify_public(const struct jwt_algorithm_key *key, struct slice input, struct slice signature)
{
    const struct jwt_algorithm *algorithm = key->algorithm;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *context; /* belongs to digest */
    bool is_good = digest &&
                   EVP_DigestVerifyInit(digest, &context, algorithm->hash ? algorithm->hash() : NULL, NULL,
                                        key->public_key) == 1 &&
                   (algorithm->family != JWT_ALGORITHM_PSS || set_pss(context)) &&
                   EVP_DigestVerify(digest, bytes_of(signature), signature.size, bytes_of(input), input.size) == 1;

    EVP_MD_CTX_free(digest);
    if (!is_good)
        ERR_clear_error();
    return is_good;
}

/* As long as the modulus (RFC 8017 8.1.2, 8.2.2): libcrypto takes one of PSS without its leading zeros, too, and then there are two
 * spellings of one token. */
static bool verify_rsa(const struct jwt_algorithm_key *key, struct slice input, struct slice signature)
{
    return signature.size == (size_t)EVP_PKEY_get_size(key->public_key) && verify_public(key, input, signature);
}

/* The halves R and S as the DER that libcrypto takes (RFC 7518 3.4). Returns its size, 0 when it cannot be made. */
static size_t make_der(struct slice signature, unsigned char der[DER_MAX_SIZE])
{
    int half = (int)(signature.size / 2), size = 0;
    BIGNUM *r = BN_bin2bn(bytes_of(signature), half, NULL), *s = BN_bin2bn(bytes_of(signature) + half, half, NULL);
    ECDSA_SIG *pair = ECDSA_SIG_new();

    if (r && s && pair && ECDSA_SIG_set0(pair, r, s)) {
        r = s = NULL;
        size = i2d_ECDSA_SIG(pair, NULL);
        size = size > 0 && size <= DER_MAX_SIZE ? i2d_ECDSA_SIG(pair, &der) : 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return size > 0 ? (size_t)size : 0;
}

static bool verify_ecdsa(const struct jwt_algorithm_key *key, struct slice input, struct slice signature)
{
    unsigned char der[DER_MAX_SIZE];
    size_t size;

    if (signature.size != 2 * key->algorithm->coordinate_size)
        return false;
    size = make_der(signature, der);
    return size > 0 && verify_public(key, input, (struct slice){(const char *)der, size});
}

bool jwt_algorithm_verify(const struct jwt_algorithm_key *key, struct slice input, struct slice signature)
{
    switch (key->algorithm->family) {
    case JWT_ALGORITHM_HMAC:
        return verify_mac(key, input, signature);
    case JWT_ALGORITHM_ECDSA:
        return verify_ecdsa(key, input, signature);
    case JWT_ALGORITHM_PKCS1:
    case JWT_ALGORITHM_PSS:
        return verify_rsa(key, input, signature);
    case JWT_ALGORITHM_EDDSA:
        return verify_public(key, input, signature);
    }
    return false;
}
