/* SPDX-License-Identifier: MPL-2.0
 *
 * A worker that does not count hangs after so many looks, and after nothing else.
 */
#include "master/pulse.h"

#include <check.h>
#include <stdlib.h>

#define PERIOD   INT64_C(2500000000) /* of 10 s */
#define HANG_MS  10000
#define LOOKS    4

static struct pulse pulse;

static void set_up(void)
{
    pulse_begin(&pulse, HANG_MS, 7, 0);
}

START_TEST(one_that_counts_lives)
{
    for (uint32_t i = 1; i < 100; i++)
        ck_assert(!pulse_has_stopped(&pulse, 7 + i, i * PERIOD));
}
END_TEST

START_TEST(one_that_stopped_is_told_once)
{
    ck_assert(!pulse_has_stopped(&pulse, 8, PERIOD));
    for (int64_t look = 2; look < 20; look++)
        ck_assert_int_eq(pulse_has_stopped(&pulse, 8, look * PERIOD), look == 1 + LOOKS);
}
END_TEST

START_TEST(one_count_is_enough)
{
    uint32_t beats = 7;

    for (int64_t look = 1; look < 100; look++) {
        beats += look % (LOOKS - 1) == 0;
        ck_assert(!pulse_has_stopped(&pulse, beats, look * PERIOD));
    }
}
END_TEST

START_TEST(looks_before_their_time_are_none)
{
    for (int i = 0; i < 100; i++)
        ck_assert(!pulse_has_stopped(&pulse, 7, PERIOD - 1));
}
END_TEST

/* The machine slept, or the master was stopped: it had no chance to see anything, and that is one look. */
START_TEST(time_without_looks_is_one_look)
{
    ck_assert(!pulse_has_stopped(&pulse, 7, 1000 * PERIOD));
    ck_assert(!pulse_has_stopped(&pulse, 7, 1000 * PERIOD + 1));
    ck_assert_int_eq(pulse.next_look_ns, 1001 * PERIOD);
}
END_TEST

START_TEST(the_count_may_begin_anew)
{
    pulse_begin(&pulse, HANG_MS, UINT32_MAX, 0);
    ck_assert(!pulse_has_stopped(&pulse, UINT32_MAX, PERIOD));
    ck_assert(!pulse_has_stopped(&pulse, 0, 2 * PERIOD));
    ck_assert_uint_eq(pulse.misses, 0);
}
END_TEST

START_TEST(zero_looks_never)
{
    pulse_begin(&pulse, 0, 7, 0);
    for (int64_t look = 1; look < 100; look++)
        ck_assert(!pulse_has_stopped(&pulse, 7, look * PERIOD));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pulse");
    TCase *tests = tcase_create("pulse");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, one_that_counts_lives);
    tcase_add_test(tests, one_that_stopped_is_told_once);
    tcase_add_test(tests, one_count_is_enough);
    tcase_add_test(tests, looks_before_their_time_are_none);
    tcase_add_test(tests, time_without_looks_is_one_look);
    tcase_add_test(tests, the_count_may_begin_anew);
    tcase_add_test(tests, zero_looks_never);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
