/* SPDX-License-Identifier: MPL-2.0
 *
 * Sizes and durations: the whole text or nothing, never rounded, never overflowed; what is printed reads back.
 */
#include <check.h>
#include <stdlib.h>

#include "shm/quantity.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define REFUSED       UINT64_MAX

static const struct {
    const char *text;
    uint64_t count, bytes, milliseconds;
} rows[] = {
    {"0", 0, 0, 0},
    {"1", 1, 1, 1000},
    {"007", 7, 7, 7000},
    {"10s", REFUSED, REFUSED, 10000},
    {"10S", REFUSED, REFUSED, 10000},
    {"500ms", REFUSED, REFUSED, 500},
    {"3m", REFUSED, 3u << 20, 180000},
    {"2h", REFUSED, REFUSED, 7200000},
    {"2d", REFUSED, REFUSED, 172800000},
    {"16k", REFUSED, 16384, REFUSED},
    {"16K", REFUSED, 16384, REFUSED},
    {"1g", REFUSED, 1u << 30, REFUSED},
    {"", REFUSED, REFUSED, REFUSED},
    {"k", REFUSED, REFUSED, REFUSED},
    {"s", REFUSED, REFUSED, REFUSED},
    {"-1", REFUSED, REFUSED, REFUSED},
    {"+1", REFUSED, REFUSED, REFUSED},
    {" 1", REFUSED, REFUSED, REFUSED},
    {"1 k", REFUSED, REFUSED, REFUSED},
    {"1.5m", REFUSED, REFUSED, REFUSED},
    {"1e3", REFUSED, REFUSED, REFUSED},
    {"0x10", REFUSED, REFUSED, REFUSED},
    {"1kb", REFUSED, REFUSED, REFUSED},
    {"1sec", REFUSED, REFUSED, REFUSED},
    {"18446744073709551614", 18446744073709551614u, 18446744073709551614u, REFUSED},
    {"18446744073709551616", REFUSED, REFUSED, REFUSED},
    {"99999999999999999999999", REFUSED, REFUSED, REFUSED},
    {"17179869184g", REFUSED, REFUSED, REFUSED},
    {"17179869183g", REFUSED, 17179869183u * (UINT64_C(1) << 30), REFUSED},
    {"18446744073709552s", REFUSED, REFUSED, REFUSED},
};

static void check_parsed(const char *text, bool is_taken, uint64_t number, uint64_t expected)
{
    ck_assert_msg(is_taken == (expected != REFUSED), "'%s'", text);
    if (is_taken)
        ck_assert_msg(number == expected, "'%s' gave %llu", text, (unsigned long long)number);
}

START_TEST(reads_all_or_nothing)
{
    struct slice text = slice_of(rows[_i].text);
    uint64_t number;
    bool is_taken = quantity_parse_count(text, &number);

    check_parsed(rows[_i].text, is_taken, number, rows[_i].count);
    is_taken = quantity_parse_size(text, &number);
    check_parsed(rows[_i].text, is_taken, number, rows[_i].bytes);
    is_taken = quantity_parse_duration(text, &number);
    check_parsed(rows[_i].text, is_taken, number, rows[_i].milliseconds);
}
END_TEST

static const struct {
    uint64_t number;
    const char *size, *duration;
} printed[] = {
    {0, "0", "0"},
    {1, "1", "1ms"},
    {999, "999", "999ms"},
    {1000, "1000", "1s"},
    {1024, "1k", "1024ms"},
    {90000, "90000", "90s"},
    {60000, "60000", "1m"},
    {3600000, "3600000", "1h"},
    {86400000, "84375k", "1d"},
    {128u << 20, "128m", "134217728ms"},
    {UINT64_MAX, "18446744073709551615", "18446744073709551615ms"},
};

START_TEST(prints_what_reads_back)
{
    char text[QUANTITY_TEXT_SIZE];
    uint64_t number;

    quantity_print_size(printed[_i].number, text);
    ck_assert_str_eq(text, printed[_i].size);
    ck_assert(quantity_parse_size(slice_of(text), &number));
    ck_assert(number == printed[_i].number);
    quantity_print_duration(printed[_i].number, text);
    ck_assert_str_eq(text, printed[_i].duration);
    ck_assert(quantity_parse_duration(slice_of(text), &number));
    ck_assert(number == printed[_i].number);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quantity");
    TCase *tests = tcase_create("quantity");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, reads_all_or_nothing, 0, LENGTH(rows));
    tcase_add_loop_test(tests, prints_what_reads_back, 0, LENGTH(printed));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
