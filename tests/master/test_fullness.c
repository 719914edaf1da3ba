/* SPDX-License-Identifier: MPL-2.0
 *
 * A full arena is told of in the log: at once, then not more than once a minute, with what came since the last line.
 */
#include "master/fullness.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/counters.h"
#include "tests/shm/arena_fixture.h"

#define SECOND NANOSECONDS_PER_SECOND

static void ignore_signal(void *context, int signal, const struct ucred *from)
{
    (void)from;
    (void)context;
    (void)signal;
}

/* What one look at NOW_S writes to the log. */
static const char *look(struct fullness *fullness, int64_t now_s)
{
    static char text[1024];
    int ends[2], console = dup(STDERR_FILENO);
    ssize_t got;

    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    fullness_look(fullness, now_s * SECOND);
    dup2(console, STDERR_FILENO);
    close(console);
    got = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    ck_assert_int_ge(got, 0);
    text[got] = '\0';
    return text;
}

START_TEST(a_full_arena_is_told_once_a_minute)
{
    static struct loop loop;
    struct arena_fixture fixture;
    struct fullness fullness;
    struct failure failure;

    arena_fixture_open(&fixture, "fullness", ARENA_MIN_SIZE, NULL);
    counters_add(&fixture.arena.slots[1], COUNTER_state_full, 7);
    ck_assert(loop_init(&loop, ignore_signal, NULL, &failure));
    fullness_init(&fullness, &loop, &fixture.arena); /* what a master before us has told */
    ck_assert_str_eq(look(&fullness, 100), "");
    counters_add(&fixture.arena.slots[0], COUNTER_state_full, 3);
    counters_add(&fixture.arena.slots[5], COUNTER_state_full, 2);
    ck_assert_ptr_nonnull(strstr(look(&fullness, 105), "shared memory is full: 5 limits found no cell"));
    ck_assert_str_eq(look(&fullness, 110), "");
    counters_add(&fixture.arena.slots[5], COUNTER_state_full, 1000);
    ck_assert_str_eq(look(&fullness, 164), "");
    ck_assert_ptr_nonnull(strstr(look(&fullness, 165), "1000 limits"));
    ck_assert_str_eq(look(&fullness, 1000), "");
    arena_fixture_close(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fullness");
    TCase *tests = tcase_create("fullness");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_full_arena_is_told_once_a_minute);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
