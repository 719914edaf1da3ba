/* SPDX-License-Identifier: MPL-2.0
 *
 * base64url against OpenSSL's base64, for every length and every value of a byte, there and back; and what is no base64url.
 */
#include <check.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base64url.h"

#define SIZE_MOST 300

/* What OpenSSL makes of it, with the two other digits and without the padding. */
static size_t expected_of(const unsigned char *bytes, size_t size, char *out)
{
    size_t length = (size_t)EVP_EncodeBlock((unsigned char *)out, bytes, (int)size);

    for (char *c = out; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    while (length > 0 && out[length - 1] == '=')
        length--;
    return length;
}

START_TEST(agrees_with_openssl)
{
    char expected[SIZE_MOST * 2];

    for (size_t size = 0; size <= SIZE_MOST; size++) {
        size_t length, back;
        unsigned char *bytes = malloc(size + 1), *decoded; /* each of its own, so that a byte too many is seen */
        char *text;

        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)(i * 37 + size * 5);
        length = expected_of(bytes, size, expected);
        bytes = realloc(bytes, size ? size : 1);
        text = malloc(length ? length : 1);
        decoded = malloc(size ? size : 1);
        ck_assert_uint_eq(base64url_encode((struct slice){(char *)bytes, size}, text), length);
        ck_assert_mem_eq(text, expected, length);
        ck_assert(base64url_decode((struct slice){text, length}, decoded, &back));
        ck_assert_uint_eq(back, size);
        ck_assert_mem_eq(decoded, bytes, size);
        free(bytes);
        free(text);
        free(decoded);
    }
}
END_TEST

START_TEST(every_digit_is_written_in_every_place)
{
    for (unsigned digit = 0; digit < 64; digit++)
        for (size_t place = 0; place < 20; place++) {
            unsigned char bytes[15] = {0}, back[15];
            char expected[32], text[32];
            size_t size;

            for (unsigned bit = 0; bit < 6; bit++)
                if (digit >> (5 - bit) & 1)
                    bytes[(place * 6 + bit) / 8] |= (unsigned char)(0x80 >> ((place * 6 + bit) % 8));
            expected_of(bytes, sizeof(bytes), expected);
            ck_assert_uint_eq(base64url_encode((struct slice){(char *)bytes, sizeof(bytes)}, text), 20);
            ck_assert_mem_eq(text, expected, 20);
            ck_assert(base64url_decode((struct slice){text, 20}, back, &size));
            ck_assert_mem_eq(back, bytes, sizeof(bytes));
        }
}
END_TEST

START_TEST(other_text_is_refused)
{
    static const char *const bad[] = {"A",    "AAAAA", "AA=", "AA==", "AA+A", "AA/A",
                                      "AA A", "AB",    "AAB", "AAAA\n", "\xc3\xa9" "AA"};
    unsigned char out[16];
    size_t size;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!base64url_decode(slice_of(bad[i]), out, &size), "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base64url");
    TCase *tests = tcase_create("base64url");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, agrees_with_openssl);
    tcase_add_test(tests, every_digit_is_written_in_every_place);
    tcase_add_test(tests, other_text_is_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
