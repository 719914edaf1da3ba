/* SPDX-License-Identifier: MPL-2.0
 *
 * Decimal numbers: exact or refused, and printed back in one form.
 */
#include "policy/decimal.h"

#include <check.h>
#include <stdlib.h>

static const struct {
    const char *text;
    enum decimal_result result;
    int64_t millionths;
    const char *printed;
} rows[] = {
    {"0", DECIMAL_OK, 0, "0"},
    {"-0", DECIMAL_OK, 0, "0"},
    {"0.000000000000000000000000000000", DECIMAL_OK, 0, "0"},
    {"0e999999999999999999999999", DECIMAL_OK, 0, "0"},
    {"1", DECIMAL_OK, 1000000, "1"},
    {"-2", DECIMAL_OK, -2000000, "-2"},
    {"-0.5", DECIMAL_OK, -500000, "-0.5"},
    {"1.5", DECIMAL_OK, 1500000, "1.5"},
    {"0.000001", DECIMAL_OK, 1, "0.000001"},
    {"1e-6", DECIMAL_OK, 1, "0.000001"},
    {"10E-7", DECIMAL_OK, 1, "0.000001"},
    {"1e3", DECIMAL_OK, 1000000000, "1000"},
    {"1E+3", DECIMAL_OK, 1000000000, "1000"},
    {"12.50e1", DECIMAL_OK, 125000000, "125"},
    {"100000000000000000000e-20", DECIMAL_OK, 1000000, "1"},
    {"0.00000000000000000000012e22", DECIMAL_OK, 1200000, "1.2"},
    {"1.000000000000000000000000000000000000", DECIMAL_OK, 1000000, "1"},
    {"10203040506.070809e-3", DECIMAL_NOT_EXACT, 10203040506071, "10203040.506071"},
    {"1020304.050607", DECIMAL_OK, INT64_C(1020304050607), "1020304.050607"},
    {"9007199254.740992", DECIMAL_OK, DECIMAL_MAX, "9007199254.740992"},
    {"-9007199254.740992", DECIMAL_OK, -DECIMAL_MAX, "-9007199254.740992"},
    {"9007199254.740993", DECIMAL_TOO_LARGE, 0, NULL},
    {"9999999999999999", DECIMAL_TOO_LARGE, 0, NULL},
    {"99999999999999999999999999999999999", DECIMAL_TOO_LARGE, 0, NULL},
    {"1e10", DECIMAL_TOO_LARGE, 0, NULL},
    {"1e300", DECIMAL_TOO_LARGE, 0, NULL},
    {"1e99999999999999999999999", DECIMAL_TOO_LARGE, 0, NULL},
    {"-1e99999999999999999999999", DECIMAL_TOO_LARGE, 0, NULL},
    {"1e-99999999999999999999999", DECIMAL_NOT_EXACT, 1, "0.000001"},
    {"0.0000001", DECIMAL_NOT_EXACT, 1, "0.000001"},
    {"0.00000099", DECIMAL_NOT_EXACT, 1, "0.000001"},
    {"0.0000019", DECIMAL_NOT_EXACT, 2, "0.000002"},
    {"1.0000001", DECIMAL_NOT_EXACT, 1000001, "1.000001"},
    {"-1.0000001", DECIMAL_NOT_EXACT, -1000001, "-1.000001"},
    {"0.30000000000000004", DECIMAL_NOT_EXACT, 300001, "0.300001"},
    {"25.000000000000004", DECIMAL_NOT_EXACT, 25000001, "25.000001"},
    {"25.00000000000000000000000000000004", DECIMAL_NOT_EXACT, 25000001, "25.000001"},
    {"99.9999999", DECIMAL_NOT_EXACT, 100000000, "100"},
    {"9007199254.7409911", DECIMAL_NOT_EXACT, DECIMAL_MAX, "9007199254.740992"},
    {"9007199254.7409921", DECIMAL_TOO_LARGE, 0, NULL},
    {"123456789.12345678901234567890", DECIMAL_NOT_EXACT, INT64_C(123456789123457), "123456789.123457"},
    {"1e-7", DECIMAL_NOT_EXACT, 1, "0.000001"},
    {"123456789012345678901234567890.1", DECIMAL_TOO_LARGE, 0, NULL},
    {"", DECIMAL_MALFORMED, 0, NULL},
    {"-", DECIMAL_MALFORMED, 0, NULL},
    {"+1", DECIMAL_MALFORMED, 0, NULL},
    {"01", DECIMAL_MALFORMED, 0, NULL},
    {"1.", DECIMAL_MALFORMED, 0, NULL},
    {".5", DECIMAL_MALFORMED, 0, NULL},
    {"1e", DECIMAL_MALFORMED, 0, NULL},
    {"1e+", DECIMAL_MALFORMED, 0, NULL},
    {"1 ", DECIMAL_MALFORMED, 0, NULL},
    {" 1", DECIMAL_MALFORMED, 0, NULL},
    {"1,5", DECIMAL_MALFORMED, 0, NULL},
    {"0x1", DECIMAL_MALFORMED, 0, NULL},
    {"1e5e5", DECIMAL_MALFORMED, 0, NULL},
    {"NaN", DECIMAL_MALFORMED, 0, NULL},
};

START_TEST(rows_hold)
{
    char printed[DECIMAL_TEXT_SIZE];
    int64_t millionths, again;

    ck_assert_msg(decimal_parse(slice_of(rows[_i].text), &millionths) == rows[_i].result, "%s", rows[_i].text);
    if (!rows[_i].printed)
        return;
    ck_assert_int_eq(millionths, rows[_i].millionths);
    ck_assert_uint_eq(decimal_print(millionths, printed), strlen(rows[_i].printed));
    ck_assert_str_eq(printed, rows[_i].printed);
    ck_assert_int_eq(decimal_parse(slice_of(printed), &again), DECIMAL_OK);
    ck_assert_int_eq(again, millionths);
}
END_TEST

START_TEST(printing_comes_back)
{
    uint64_t state = 42;

    for (int i = 0; i < 100000; i++) {
        char printed[DECIMAL_TEXT_SIZE];
        int64_t number, again;

        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        number = (int64_t)(state >> 10) % DECIMAL_MAX >> (state % 40);
        if (state & 1)
            number = -number;
        ck_assert(decimal_parse((struct slice){printed, decimal_print(number, printed)}, &again) == DECIMAL_OK);
        ck_assert_int_eq(again, number);
    }
}
END_TEST

START_TEST(extremes_are_printed)
{
    char printed[DECIMAL_TEXT_SIZE];

    decimal_print(INT64_MIN, printed);
    ck_assert_str_eq(printed, "-9223372036854.775808");
    decimal_print(INT64_MAX, printed);
    ck_assert_str_eq(printed, "9223372036854.775807");
}
END_TEST

START_TEST(long_numbers_are_linear)
{
    size_t size = 4 << 20;
    char *text = malloc(size);
    int64_t millionths;

    ck_assert_ptr_nonnull(text);
    memset(text, '0', size);
    text[0] = '1';
    ck_assert_int_eq(decimal_parse((struct slice){text, size}, &millionths), DECIMAL_TOO_LARGE);
    text[1] = '.';
    ck_assert_int_eq(decimal_parse((struct slice){text, size}, &millionths), DECIMAL_OK);
    ck_assert_int_eq(millionths, 1000000);
    text[size - 1] = '1';
    ck_assert_int_eq(decimal_parse((struct slice){text, size}, &millionths), DECIMAL_NOT_EXACT);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decimal");
    TCase *tcase = tcase_create("decimal");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, rows_hold, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, printing_comes_back);
    tcase_add_test(tcase, extremes_are_printed);
    tcase_add_test(tcase, long_numbers_are_linear);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
