/* SPDX-License-Identifier: MPL-2.0
 *
 * The cryptographic library fails, wherever it is asked: a good signature then verifies nothing, and a later one does again. The
 * linker puts the functions of this file in front of the library's.
 */
#include <limits.h>
#include <string.h>

#include "policy/jwt_algorithm.h"
#include "tests/policy/jwt_maker.h"

#define INPUT "eyJhIjoieCJ9.eyJhIjoieCJ9"

static const char *failing = ""; /* the function that fails ... */
static int passing;              /* ... after so many calls that do not */
static int result_instead;       /* what it returns then, where that is a number */

static bool fails(const char *function)
{
    return strcmp(failing, function) == 0 && passing-- == 0;
}

/* A function of the library that returns RESULT when it is to fail. */
#define FAULTY(type, result, name, parameters, arguments)                                                              \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails(#name) ? (type)(result) : __real_##name arguments;                                                \
    }

FAULTY(unsigned char *, NULL, HMAC,
       (const EVP_MD *hash, const void *key, int key_size, const unsigned char *data, size_t size, unsigned char *out,
        unsigned *out_size),
       (hash, key, key_size, data, size, out, out_size))
FAULTY(EVP_MD_CTX *, NULL, EVP_MD_CTX_new, (void), ())
FAULTY(int, result_instead, EVP_DigestVerifyInit,
       (EVP_MD_CTX *digest, EVP_PKEY_CTX **context, const EVP_MD *hash, ENGINE *engine, EVP_PKEY *key),
       (digest, context, hash, engine, key))
FAULTY(int, result_instead, EVP_DigestVerify,
       (EVP_MD_CTX *digest, const unsigned char *signature, size_t signature_size, const unsigned char *data, size_t size),
       (digest, signature, signature_size, data, size))
FAULTY(int, result_instead, EVP_PKEY_CTX_set_rsa_padding, (EVP_PKEY_CTX *context, int padding), (context, padding))
FAULTY(int, result_instead, EVP_PKEY_CTX_set_rsa_pss_saltlen, (EVP_PKEY_CTX *context, int size), (context, size))
FAULTY(BIGNUM *, NULL, BN_bin2bn, (const unsigned char *bytes, int size, BIGNUM *number), (bytes, size, number))
FAULTY(ECDSA_SIG *, NULL, ECDSA_SIG_new, (void), ())
FAULTY(int, result_instead, ECDSA_SIG_set0, (ECDSA_SIG *pair, BIGNUM *r, BIGNUM *s), (pair, r, s))
FAULTY(int, result_instead, i2d_ECDSA_SIG, (const ECDSA_SIG *pair, unsigned char **out), (pair, out))

static const struct {
    const char *algorithm, *function;
    int passing, result;
} cases[] = {
    {"HS256", "HMAC", 0, 0},
    {"RS256", "EVP_MD_CTX_new", 0, 0},
    {"RS256", "EVP_DigestVerifyInit", 0, 0},
    {"EdDSA", "EVP_DigestVerifyInit", 0, 0},
    {"EdDSA", "EVP_DigestVerify", 0, 0},
    {"RS256", "EVP_DigestVerify", 0, 0},
    {"RS256", "EVP_DigestVerify", 0, -1},
    {"RS256", "EVP_DigestVerify", 0, 2},
    {"PS256", "EVP_PKEY_CTX_set_rsa_padding", 0, 0},
    {"PS256", "EVP_PKEY_CTX_set_rsa_padding", 0, -2},
    {"PS256", "EVP_PKEY_CTX_set_rsa_pss_saltlen", 0, 0},
    {"PS256", "EVP_PKEY_CTX_set_rsa_pss_saltlen", 0, -2},
    {"ES256", "BN_bin2bn", 0, 0},
    {"ES256", "BN_bin2bn", 1, 0},
    {"ES256", "ECDSA_SIG_new", 0, 0},
    {"ES256", "ECDSA_SIG_set0", 0, 0},
    {"ES256", "i2d_ECDSA_SIG", 0, 0},
    {"ES256", "i2d_ECDSA_SIG", 0, -1},
    {"ES256", "i2d_ECDSA_SIG", 0, INT_MAX},
    {"ES256", "i2d_ECDSA_SIG", 1, 0},
    {"ES256", "i2d_ECDSA_SIG", 1, -1},
};
#define CASES ((int)(sizeof(cases) / sizeof(cases[0])))

static const struct maker_kind *kind_of(const char *algorithm)
{
    for (int i = 0; i < MAKER_KINDS; i++)
        if (strcmp(maker_kinds[i].alg, algorithm) == 0)
            return &maker_kinds[i];
    ck_abort_msg("no kind %s", algorithm);
}

START_TEST(a_library_that_fails_verifies_nothing)
{
    struct maker_key made = maker_key(kind_of(cases[_i].algorithm));
    struct jwt_algorithm_key key = {.algorithm = jwt_algorithm_find(slice_of(cases[_i].algorithm)),
                                    .public_key = made.pkey,
                                    .secret = made.secret,
                                    .secret_size = sizeof(made.secret)};
    unsigned char bytes[2048];
    struct slice signature = {(const char *)bytes,
                              maker_sign(&made, SLICE(INPUT), (struct maker_way){.as_der = false}, bytes)};

    ck_assert(jwt_algorithm_verify(&key, SLICE(INPUT), signature));
    failing = cases[_i].function;
    passing = cases[_i].passing;
    result_instead = cases[_i].result;
    ck_assert_msg(!jwt_algorithm_verify(&key, SLICE(INPUT), signature), "%s", failing);
    ck_assert_msg(passing < 0, "%s was not asked", failing);
    failing = "";
    ck_assert(jwt_algorithm_verify(&key, SLICE(INPUT), signature));
    EVP_PKEY_free(made.pkey);
}
END_TEST

START_TEST(all_names_fit_their_list)
{
    char list[JWT_ALGORITHM_LIST_SIZE];

    jwt_algorithm_list(list);
    ck_assert_ptr_nonnull(strstr(list, "HS256, "));
    ck_assert_str_eq(list + strlen(list) - 7, ", Ed448");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jwt_library");
    TCase *tcase = tcase_create("jwt_library");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_library_that_fails_verifies_nothing, 0, CASES);
    tcase_add_test(tcase, all_names_fit_their_list);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
