/* SPDX-License-Identifier: MPL-2.0
 *
 * Who has waited too long, on a clock of the test's own.
 */
#include <check.h>
#include <stddef.h>
#include <stdlib.h>

#include "worker/timeouts.h"

static const uint64_t limits[TIMEOUT_KINDS] = {[TIMEOUT_HEAD] = 4000,
                                               [TIMEOUT_BODY] = 4000,
                                               [TIMEOUT_IDLE] = 8000,
                                               [TIMEOUT_WRITE] = 4000,
                                               [TIMEOUT_LINGER] = 4000,
                                               [TIMEOUT_HELD] = TIMEOUTS_NEVER,
                                               [TIMEOUT_UPSTREAM_CONNECT] = 4000,
                                               [TIMEOUT_UPSTREAM_SILENT] = 4000,
                                               [TIMEOUT_UPSTREAM_BUSY] = TIMEOUTS_NEVER,
                                               [TIMEOUT_UPSTREAM_IDLE] = 8000};

struct waiting {
    int expired;
    struct timeout timeout;
};

static struct timeouts timeouts;
static struct waiting waiting[3];

static void expire(struct timeout *timeout)
{
    struct waiting *who = (struct waiting *)((char *)timeout - offsetof(struct waiting, timeout));

    who->expired++;
    timeouts_stop(timeout);
}

/* The clock is moved as far as that; the second tick is not late. */
static void pass_to(uint64_t now_ms)
{
    timeouts_tick(&timeouts, now_ms, expire);
    timeouts_tick(&timeouts, now_ms, expire);
}

static void setup(void)
{
    timeouts_init(&timeouts, limits, 1000);
    for (int i = 0; i < 3; i++)
        waiting[i] = (struct waiting){.timeout.kind = TIMEOUT_NONE};
}

static void expect(int first, int second, int third)
{
    ck_assert_int_eq(waiting[0].expired, first);
    ck_assert_int_eq(waiting[1].expired, second);
    ck_assert_int_eq(waiting[2].expired, third);
}

START_TEST(ends_in_order_never_early)
{
    ck_assert_uint_eq(timeouts.tick_ms, 500);
    timeouts_start(&timeouts, &waiting[0].timeout, TIMEOUT_HEAD);
    timeouts_start(&timeouts, &waiting[2].timeout, TIMEOUT_IDLE);
    pass_to(2000);
    timeouts_start(&timeouts, &waiting[1].timeout, TIMEOUT_HEAD);
    pass_to(5499); /* the first may have begun at 1499 */
    expect(0, 0, 0);
    pass_to(5500);
    expect(1, 0, 0);
    pass_to(6500);
    expect(1, 1, 0);
    pass_to(9500);
    expect(1, 1, 1);
    pass_to(99999);
    expect(1, 1, 1);
}
END_TEST

START_TEST(begins_anew)
{
    timeouts_start(&timeouts, &waiting[0].timeout, TIMEOUT_IDLE);
    timeouts_start(&timeouts, &waiting[1].timeout, TIMEOUT_IDLE);
    pass_to(5000);
    timeouts_start(&timeouts, &waiting[0].timeout, TIMEOUT_IDLE);
    pass_to(9500);
    expect(0, 1, 0);
    pass_to(13500);
    expect(1, 1, 0);
}
END_TEST

START_TEST(stops)
{
    timeouts_start(&timeouts, &waiting[0].timeout, TIMEOUT_BODY);
    timeouts_stop(&waiting[0].timeout);
    timeouts_stop(&waiting[0].timeout);
    pass_to(99999);
    expect(0, 0, 0);
}
END_TEST

START_TEST(shortens_for_those_who_wait)
{
    timeouts_start(&timeouts, &waiting[0].timeout, TIMEOUT_IDLE);
    pass_to(9000);
    timeouts_shorten(&timeouts, TIMEOUT_IDLE, 1000);
    timeouts_shorten(&timeouts, TIMEOUT_IDLE, 5000);
    pass_to(10000);
    expect(0, 0, 0);
    pass_to(10500);
    expect(1, 0, 0);
}
END_TEST

START_TEST(a_late_tick_ends_nothing)
{
    timeouts_start(&timeouts, &waiting[0].timeout, TIMEOUT_IDLE);
    timeouts_start(&timeouts, &waiting[1].timeout, TIMEOUT_IDLE);
    timeouts_tick(&timeouts, 2000, expire);
    timeouts_tick(&timeouts, 60000, expire); /* the worker was stopped */
    expect(0, 0, 0);
    timeouts_start(&timeouts, &waiting[0].timeout, TIMEOUT_HEAD); /* its request had come */
    timeouts_tick(&timeouts, 60500, expire);
    expect(0, 1, 0);
    timeouts_tick(&timeouts, 64500, expire); /* late again */
    expect(0, 1, 0);
    timeouts_tick(&timeouts, 69500, expire); /* and never on time, which is no way to stay */
    expect(1, 1, 0);
}
END_TEST

START_TEST(reports_all)
{
    timeouts_start(&timeouts, &waiting[0].timeout, TIMEOUT_HEAD);
    timeouts_start(&timeouts, &waiting[1].timeout, TIMEOUT_IDLE);
    timeouts_start(&timeouts, &waiting[2].timeout, TIMEOUT_LINGER);
    timeouts_expire_all(&timeouts, expire);
    expect(1, 1, 1);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("timeouts");
    Suite *suite = suite_create("worker/timeouts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, ends_in_order_never_early);
    tcase_add_test(tcase, begins_anew);
    tcase_add_test(tcase, stops);
    tcase_add_test(tcase, shortens_for_those_who_wait);
    tcase_add_test(tcase, a_late_tick_ends_nothing);
    tcase_add_test(tcase, reports_all);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
