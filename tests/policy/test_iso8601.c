/* SPDX-License-Identifier: MPL-2.0
 *
 * Times: one form, real days only, there and back.
 */
#include "policy/iso8601.h"

#include <check.h>

static const struct {
    const char *text;
    int64_t seconds; /* -1: refused */
} rows[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-12-31T23:59:59Z", 31535999},
    {"1972-02-29T00:00:00Z", 68169600},
    {"2000-02-29T12:00:00Z", 951825600},
    {"2000-03-01T00:00:00Z", 951868800},
    {"2026-01-01T00:00:00Z", 1767225600},
    {"2038-01-19T03:14:08Z", INT64_C(2147483648)},
    {"2100-03-01T00:00:00Z", INT64_C(4107542400)},
    {"9999-12-31T23:59:59Z", INT64_C(253402300799)},
    {"1969-12-31T23:59:59Z", -1},
    {"2100-02-29T00:00:00Z", -1},
    {"2026-02-29T00:00:00Z", -1},
    {"2026-04-31T00:00:00Z", -1},
    {"2026-00-01T00:00:00Z", -1},
    {"2026-13-01T00:00:00Z", -1},
    {"2026-01-00T00:00:00Z", -1},
    {"2026-01-32T00:00:00Z", -1},
    {"2026-01-01T24:00:00Z", -1},
    {"2026-01-01T00:60:00Z", -1},
    {"2016-12-31T23:59:60Z", -1},
    {"2026-01-01T00:00:00", -1},
    {"2026-01-01T00:00:00z", -1},
    {"2026-01-01t00:00:00Z", -1},
    {"2026-01-01 00:00:00Z", -1},
    {"2026-01-01T00:00:00.5Z", -1},
    {"2026-01-01T00:00:00+00:00", -1},
    {"2026-1-1T00:00:00Z", -1},
    {"20260101T000000Z", -1},
    {"+026-01-01T00:00:00Z", -1},
    {"2026-01-01T00:00:00Z ", -1},
    {"", -1},
};

START_TEST(rows_hold)
{
    char printed[ISO8601_TEXT_SIZE];
    int64_t seconds = -1;

    ck_assert_msg(iso8601_parse(slice_of(rows[_i].text), &seconds) == (rows[_i].seconds >= 0), "%s", rows[_i].text);
    if (rows[_i].seconds < 0)
        return;
    ck_assert_int_eq(seconds, rows[_i].seconds);
    iso8601_print(seconds, printed);
    ck_assert_str_eq(printed, rows[_i].text);
}
END_TEST

START_TEST(every_day_comes_back)
{
    char printed[ISO8601_TEXT_SIZE];
    int64_t again;

    for (int64_t day = 0; day < 200000; day++) {
        iso8601_print(day * 86400 + day % 86400, printed);
        ck_assert(iso8601_parse(slice_of(printed), &again));
        ck_assert_int_eq(again, day * 86400 + day % 86400);
    }
}
END_TEST

START_TEST(out_of_range_is_clamped)
{
    char printed[ISO8601_TEXT_SIZE];

    iso8601_print(INT64_MIN, printed);
    ck_assert_str_eq(printed, "1970-01-01T00:00:00Z");
    iso8601_print(INT64_MAX, printed);
    ck_assert_str_eq(printed, "9999-12-31T23:59:59Z");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("iso8601");
    TCase *tcase = tcase_create("iso8601");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, rows_hold, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, every_day_comes_back);
    tcase_add_test(tcase, out_of_range_is_clamped);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
