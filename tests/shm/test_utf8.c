/* SPDX-License-Identifier: MPL-2.0
 *
 * UTF-8 characters against the definition: every code point, every two first bytes.
 */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/utf8.h"

/* RFC 3629, section 3, by arithmetic. */
static size_t encode(uint32_t point, char bytes[4])
{
    size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (size_t i = size; i-- > 1; point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3F));
    bytes[0] = (char)(marks[size] | point);
    return size;
}

/* As Unicode names them: Cc, Bidi_Control, Zl, Zp. */
static bool is_control(uint32_t point)
{
    static const uint32_t others[] = {0x061C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202B, 0x202C,
                                      0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (point == others[i])
            return true;
    return point < 0x20 || (point >= 0x7F && point < 0xA0);
}

START_TEST(knows_every_code_point)
{
    for (uint32_t point = 0; point < 0x120000; point++) {
        char bytes[4];
        size_t size = encode(point, bytes);
        bool is_good = point < 0x110000 && (point < 0xD800 || point > 0xDFFF);

        ck_assert_uint_eq(utf8_size((struct slice){bytes, size}), is_good ? size : 0);
        if (size > 1)
            ck_assert_uint_eq(utf8_size((struct slice){bytes, size - 1}), 0);
        ck_assert(utf8_is_control(bytes, size) == is_control(point));
        if (is_good)
            ck_assert_uint_eq(utf8_point(bytes, size), point);
    }
}
END_TEST

START_TEST(refuses_overlong_forms_and_stray_bytes)
{
    static const char *const bad[] = {"\x80",         "\xBF",     "\xC0\x80",         "\xC1\xBF",
                                      "\xE0\x9F\xBF", "\xC3\x28", "\xF0\x8F\xBF\xBF", "\xF5\x80\x80\x80",
                                      "\xFE",         "\xFF"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_uint_eq(utf8_size(slice_of(bad[i])), 0);
    ck_assert_uint_eq(utf8_size(SLICE("")), 0);
    ck_assert_uint_eq(utf8_size((struct slice){"\0", 1}), 1);
}
END_TEST

START_TEST(tames_what_a_terminal_would_obey)
{
    static const struct {
        const char *text, *tamed;
    } rows[] = {
        {"", ""},
        {"/var/lib/\xC3\xA4 b%s", "/var/lib/\xC3\xA4 b%s"},
        {"\033]0;x\a\033[31m\n", "?]0;x??[31m?"},
        {"a\xC2\x9B" "2Jb", "a?2Jb"},          /* C1, two bytes */
        {"\xE2\x80\xAEtxt.exe", "?txt.exe"},   /* right to left, three */
        {"\xFFz\xC3", "?z?"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[64];

        snprintf(text, sizeof(text), "%s", rows[i].text);
        utf8_tame(text);
        ck_assert_str_eq(text, rows[i].tamed);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *tests = tcase_create("utf8");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, knows_every_code_point);
    tcase_add_test(tests, tames_what_a_terminal_would_obey);
    tcase_add_test(tests, refuses_overlong_forms_and_stray_bytes);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
