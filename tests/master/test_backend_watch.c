/* SPDX-License-Identifier: MPL-2.0
 *
 * An upstream that fails is told of once, and once when it answers again; one that comes and goes, once a minute.
 */
#include "master/backend_watch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/counters.h"
#include "tests/shm/arena_fixture.h"

static void ignore_signal(void *context, int signal, const struct ucred *from)
{
    (void)context;
    (void)signal;
    (void)from;
}

/* What one look at SECOND writes to the log, after ANSWERS and FAILURES more. */
static const char *look(struct backend_watch *watch, struct arena_fixture *fixture, int64_t second, int64_t answers,
                        int64_t failures)
{
    struct moment now = {.wall_ns = (1000 + second) * NANOSECONDS_PER_SECOND,
                         .boot_ns = second * NANOSECONDS_PER_SECOND};
    static char text[1024];
    int ends[2], console = dup(STDERR_FILENO);
    ssize_t got;

    counters_add(&fixture->arena.slots[second % 3], COUNTER_upstream_200, answers);
    counters_add(&fixture->arena.slots[second % 5], COUNTER_upstream_refused, failures);
    counters_add(&fixture->arena.slots[0], COUNTER_upstream_leaving, 100); /* no fault of the upstream's */
    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    backend_watch_look(watch, now);
    dup2(console, STDERR_FILENO);
    close(console);
    got = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    ck_assert_int_ge(got, 0);
    text[got] = '\0';
    return text;
}

/* Looks one after the other; a line is expected where SAID is not NULL. */
static const struct {
    int64_t second, answers, failures;
    const char *said;
    int64_t since; /* second since which it fails then; 0: it does not */
} looks[] = {
    {2, 0, 0, NULL, 0},
    {4, 10, 0, NULL, 0},
    {6, 10, 9, NULL, 0}, /* some failed, most did not */
    {8, 2, 3, "the upstream http://127.0.0.1:9 fails: 3 of the last 5 requests had no complete answer, for no connection can be made", 8},
    {10, 0, 7, NULL, 8},
    {12, 0, 0, NULL, 8}, /* nobody asked */
    {14, 5, 1, "the upstream http://127.0.0.1:9 answers again: 11 requests failed in 6 s", 0},
    {16, 5, 0, NULL, 0},
    {18, 0, 5, NULL, 18}, /* told less than a minute before */
    {20, 5, 0, NULL, 0},
    {66, 0, 5, NULL, 66},
    {68, 0, 5, "fails: 5 of the last 5 requests", 66},
    {70, 1, 0, "answers again: 10 requests failed in 4 s", 0},
};

START_TEST(it_is_told_when_it_changes)
{
    static struct settings settings;
    static struct loop loop;
    struct arena_fixture fixture;
    struct backend_watch watch;
    struct failure failure;

    settings_default(&settings);
    snprintf(settings.backend_url, sizeof(settings.backend_url), "http://127.0.0.1:9");
    arena_fixture_open(&fixture, "backend-watch", ARENA_MIN_SIZE, NULL);
    counters_add(&fixture.arena.slots[1], COUNTER_upstream_reset, 70); /* before our time */
    ck_assert(loop_init(&loop, ignore_signal, NULL, &failure));
    backend_watch_init(&watch, &loop, &fixture.arena, &settings);
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        const char *said = look(&watch, &fixture, looks[i].second, looks[i].answers, looks[i].failures);
        int64_t since = looks[i].since ? (1000 + looks[i].since) * NANOSECONDS_PER_SECOND : 0;

        if (looks[i].said)
            ck_assert_msg(strstr(said, looks[i].said) != NULL, "at %lld: %s", (long long)looks[i].second, said);
        else
            ck_assert_msg(said[0] == '\0', "at %lld: %s", (long long)looks[i].second, said);
        ck_assert_int_eq(watch.failing_since_ns, since);
    }
    arena_fixture_close(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backend_watch");
    TCase *tests = tcase_create("backend_watch");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, it_is_told_when_it_changes);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
