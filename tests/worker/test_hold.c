/* SPDX-License-Identifier: MPL-2.0
 *
 * Answers held back: never early, and gone without a trace when they are given up.
 */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "worker/hold.h"

#define HOLDS 4

struct waiting {
    struct hold *hold;
    int *turn;
    int came; /* at which turn; 0 = not */
    int64_t since_ns, delay_ms, took_ns;
};

static int64_t boot_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void on_over(void *context)
{
    struct waiting *waiting = context;

    waiting->took_ns = boot_ns() - waiting->since_ns;
    waiting->came = ++*waiting->turn;
    ck_assert(hold_is_over(waiting->hold));
    ck_assert(slice_equal(hold_answer(waiting->hold), SLICE("the answer")));
    hold_free(waiting->hold);
    waiting->hold = NULL;
}

static void begin(struct waiting *waiting, uv_loop_t *loop, int64_t delay_ms, int *turn)
{
    char answer[] = "the answer"; /* copied: this one goes */

    *waiting = (struct waiting){.turn = turn, .since_ns = boot_ns(), .delay_ms = delay_ms};
    waiting->hold = hold_new(loop, (struct slice){answer, sizeof(answer) - 1}, (uint64_t)delay_ms, on_over, waiting);
    ck_assert_ptr_nonnull(waiting->hold);
    ck_assert(!hold_is_over(waiting->hold));
}

START_TEST(comes_and_never_early)
{
    static const int64_t delays[HOLDS] = {60, 1, 120, 30};
    struct waiting waiting[HOLDS];
    uv_loop_t loop;
    int turn = 0;

    ck_assert_int_eq(uv_loop_init(&loop), 0);
    for (int i = 0; i < HOLDS; i++)
        begin(&waiting[i], &loop, delays[i], &turn);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    for (int i = 0; i < HOLDS; i++) {
        ck_assert_int_gt(waiting[i].came, 0);
        ck_assert_int_ge(waiting[i].took_ns, waiting[i].delay_ms * INT64_C(1000000));
    }
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

START_TEST(is_given_up)
{
    struct waiting kept, left;
    uv_loop_t loop;
    int turn = 0;

    ck_assert_int_eq(uv_loop_init(&loop), 0);
    begin(&left, &loop, 1, &turn);
    begin(&kept, &loop, 2, &turn);
    hold_free(left.hold);
    hold_free(NULL);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(left.came, 0);
    ck_assert_int_eq(kept.came, 1);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("hold");
    Suite *suite = suite_create("worker/hold");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, comes_and_never_early);
    tcase_add_test(tcase, is_given_up);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
