/* SPDX-License-Identifier: MPL-2.0
 *
 * SipHash-2-4-128 against OpenSSL's, for every length and every way of cutting the input.
 */
#include <check.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "shm/siphash.h"

static const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

static void openssl_siphash(const unsigned char *data, size_t size, uint64_t out[2])
{
    unsigned char raw_key[16];
    size_t length = 0;
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(algorithm);

    memcpy(raw_key, key, sizeof(raw_key));
    ck_assert(EVP_MAC_init(context, raw_key, sizeof(raw_key), NULL));
    ck_assert(EVP_MAC_update(context, data, size));
    ck_assert(EVP_MAC_final(context, (unsigned char *)out, &length, 16));
    ck_assert_uint_eq(length, 16);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(algorithm);
}

START_TEST(agrees_with_openssl)
{
    unsigned char data[100];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 7);
    for (size_t size = 0; size <= sizeof(data); size++) {
        uint64_t expected[2], got[2];

        openssl_siphash(data, size, expected);
        siphash_of(key, data, size, got);
        ck_assert_mem_eq(got, expected, sizeof(expected));
    }
}
END_TEST

START_TEST(cutting_the_input_changes_nothing)
{
    unsigned char data[40] = "what is cut in three is still the same";

    for (size_t a = 0; a <= sizeof(data); a++)
        for (size_t b = a; b <= sizeof(data); b++) {
            uint64_t whole[2], cut[2];
            struct siphash hash;

            siphash_of(key, data, sizeof(data), whole);
            siphash_init(&hash, key);
            siphash_update(&hash, data, a);
            siphash_update(&hash, data + a, b - a);
            siphash_update(&hash, data + b, sizeof(data) - b);
            siphash_final(&hash, cut);
            ck_assert_mem_eq(whole, cut, sizeof(cut));
        }
}
END_TEST

static void hash_of_pair(const char *left, const char *right, uint64_t out[2])
{
    struct siphash hash;

    siphash_init(&hash, key);
    siphash_update_value(&hash, slice_of(left));
    siphash_update_value(&hash, slice_of(right));
    siphash_final(&hash, out);
}

START_TEST(values_never_run_together)
{
    uint64_t a[2], b[2];

    hash_of_pair("a|b", "c", a);
    hash_of_pair("a", "b|c", b);
    ck_assert_mem_ne(a, b, sizeof(a));
    hash_of_pair("", "ab", a);
    hash_of_pair("ab", "", b);
    ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

static size_t pad(unsigned char *out, size_t at)
{
    while (at % 8 != 0)
        out[at++] = 0;
    return at;
}

/* SIZE bytes of DATA with their length in front, as siphash.h has it, behind the AT bytes in OUT; returns how many these are then. */
static size_t write_value(const unsigned char *data, size_t size, unsigned char *out, size_t at)
{
    at = pad(out, at);
    out[at++] = (unsigned char)(size < 0xfe ? size : 0xfe);
    if (size >= 0xfe) {
        at = pad(out, at);
        for (unsigned i = 0; i < 8; i++)
            out[at++] = (unsigned char)((uint64_t)size >> (8 * i));
    }
    memcpy(out + at, data, size);
    return pad(out, at + size);
}

START_TEST(values_are_words_their_length_and_themselves)
{
    unsigned char data[600], written[1280] = "offset!";

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 11 + 0x80);
    for (size_t offset = 0; offset < 8; offset++)
        for (size_t size = 0; size <= sizeof(data); size++) {
            unsigned char *value = size ? malloc(size) : NULL; /* of its own, so that a byte too many is seen */
            size_t total;
            uint64_t expected[2], got[2];
            struct siphash hash;

            if (size)
                memcpy(value, data, size);
            memcpy(written, "offset!", 8);
            total = write_value(data, size, written, offset);
            siphash_of(key, written, total, expected);
            siphash_init(&hash, key);
            siphash_update(&hash, written, offset);
            siphash_update_value(&hash, (struct slice){(char *)value, size});
            siphash_final(&hash, got);
            ck_assert_mem_eq(got, expected, sizeof(expected));
            total = write_value(data, size, written, total);
            siphash_of(key, written, total, expected);
            siphash_update_value(&hash, (struct slice){(char *)value, size});
            siphash_final(&hash, got);
            ck_assert_mem_eq(got, expected, sizeof(expected));
            free(value);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("siphash");
    TCase *tests = tcase_create("siphash");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, agrees_with_openssl);
    tcase_add_test(tests, cutting_the_input_changes_nothing);
    tcase_add_test(tests, values_never_run_together);
    tcase_add_test(tests, values_are_words_their_length_and_themselves);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
