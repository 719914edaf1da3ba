/* SPDX-License-Identifier: MPL-2.0
 *
 * How both clocks are read: what is told is what they say, and a step of the wall clock is seen soon.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shm/moment.h"

#define MILLISECOND INT64_C(1000000)
#define HOUR        (3600 * NANOSECONDS_PER_SECOND)

static int64_t boot_ns = 5 * HOUR, wall_ns = INT64_C(1700000000) * NANOSECONDS_PER_SECOND;
static int wall_reads;

/* In place of the system's. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    int64_t ns = id == CLOCK_BOOTTIME ? boot_ns : wall_ns;

    if (id != CLOCK_BOOTTIME && id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, id, now);
    wall_reads += id == CLOCK_REALTIME;
    *now = (struct timespec){.tv_sec = ns / NANOSECONDS_PER_SECOND, .tv_nsec = ns % NANOSECONDS_PER_SECOND};
    return 0;
}

static void pass(int64_t ns)
{
    boot_ns += ns;
    wall_ns += ns;
}

static void must_tell_both(void)
{
    struct moment now = moment_now();

    ck_assert_int_eq(now.boot_ns, boot_ns);
    ck_assert_int_eq(now.wall_ns, wall_ns);
}

START_TEST(tells_what_the_clocks_say)
{
    static const int64_t steps[] = {0, 1, 999, MILLISECOND - 1, MILLISECOND, MILLISECOND + 1, HOUR, 24 * HOUR};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        pass(steps[i]);
        must_tell_both();
    }
    ck_assert_int_eq(moment_boot_ns(), boot_ns);
    ck_assert_int_eq(moment_wall_s(), wall_ns / NANOSECONDS_PER_SECOND);
}
END_TEST

START_TEST(sees_a_step_of_the_wall_clock_within_a_millisecond)
{
    static const int64_t steps[] = {HOUR, -HOUR, 400 * 24 * HOUR, -INT64_C(1700000000) * NANOSECONDS_PER_SECOND};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        moment_now();
        wall_ns += steps[i];
        pass(MILLISECOND + 1);
        must_tell_both();
    }
}
END_TEST

START_TEST(counts_what_a_suspended_machine_slept)
{
    moment_now();
    pass(8 * HOUR);
    must_tell_both();
}
END_TEST

START_TEST(reads_the_wall_clock_once_a_millisecond)
{
    for (int i = 0; i < 1000; i++) {
        pass(MILLISECOND / 100);
        must_tell_both();
    }
    ck_assert_int_ge(wall_reads, 9);
    ck_assert_int_le(wall_reads, 11);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("moment");
    TCase *tests = tcase_create("moment");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, tells_what_the_clocks_say);
    tcase_add_test(tests, sees_a_step_of_the_wall_clock_within_a_millisecond);
    tcase_add_test(tests, counts_what_a_suspended_machine_slept);
    tcase_add_test(tests, reads_the_wall_clock_once_a_millisecond);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
