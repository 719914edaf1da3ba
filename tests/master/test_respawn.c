/* SPDX-License-Identifier: MPL-2.0
 *
 * The delay before a dead worker is replaced grows, is capped, and is forgotten after a good life.
 */
#include "master/respawn.h"

#include <check.h>
#include <stdlib.h>

#define MILLISECONDS INT64_C(1000000)
#define SECONDS      INT64_C(1000000000)

START_TEST(first_death_is_replaced_at_once)
{
    struct respawn respawn = {0};

    ck_assert_int_eq(respawn_delay(&respawn, 0, false), 0);
}
END_TEST

START_TEST(quick_deaths_double_the_delay_up_to_the_cap)
{
    static const int64_t expected[] = {0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    struct respawn respawn = {0};

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        ck_assert_int_eq(respawn_delay(&respawn, 9 * SECONDS, false), expected[i] * MILLISECONDS);
}
END_TEST

START_TEST(a_worker_that_served_is_waited_for_a_second_at_most)
{
    static const int64_t expected[] = {0, 100, 200, 400, 800, 1000, 1000};
    struct respawn respawn = {0};

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        ck_assert_int_eq(respawn_delay(&respawn, 9 * SECONDS, true), expected[i] * MILLISECONDS);
}
END_TEST

START_TEST(long_life_is_forgiven)
{
    struct respawn respawn = {0};

    for (int i = 0; i < 5; i++)
        respawn_delay(&respawn, 1, false);
    ck_assert_int_eq(respawn_delay(&respawn, 10 * SECONDS, false), 0);
    ck_assert_int_eq(respawn_delay(&respawn, 1, false), 0);
    ck_assert_int_eq(respawn_delay(&respawn, 1, false), 100 * MILLISECONDS);
}
END_TEST

START_TEST(delay_never_overflows)
{
    struct respawn respawn = {.quick_deaths = UINT32_MAX - 1};

    ck_assert_int_eq(respawn_delay(&respawn, 1, false), 10 * SECONDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("respawn");
    TCase *tests = tcase_create("delay");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, first_death_is_replaced_at_once);
    tcase_add_test(tests, quick_deaths_double_the_delay_up_to_the_cap);
    tcase_add_test(tests, a_worker_that_served_is_waited_for_a_second_at_most);
    tcase_add_test(tests, long_life_is_forgiven);
    tcase_add_test(tests, delay_never_overflows);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
