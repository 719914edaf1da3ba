/* SPDX-License-Identifier: MPL-2.0
 *
 * The engine against the reference model of tests/policy/oracle: the same random bundles, requests, settlements,
 * reloads and steps of both clocks go to both, and after each of them the two must agree. A disagreement is printed as
 * a .case file as small as it gets.
 *
 * FAIRVISOR_TEST_SEED plays another game than the last time again; FAIRVISOR_TEST_OPERATIONS plays a longer one.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/policy/oracle/compare.h"
#include "tests/policy/oracle/generate.h"
#include "tests/policy/oracle/replay.h"

#define FIXED_SEED UINT64_C(20260101)
#define OPERATIONS 150000 /* of each of the two seeds */

/* Games in which the two once disagreed; each is played again, whatever else is. Where the case can be told without the
 * generator of that day it also stands in tests/policy/verdicts. */
static const uint64_t remembered[] = {
    UINT64_C(1025),       /* a refusal after a reload counted in the rate of that day what came back before the next */
    UINT64_C(2248709036), /* the model took the wrong one of two requests that began in the same nanosecond out */
};

static void make(struct replay *replay, uint64_t seed)
{
    struct world_dice dice = {seed};

    replay->seed = seed;
    replay->count = REPLAY_STEPS;
    generate_bundles(&dice, replay->bundles);
    /* A game without reloads goes on when cells are given to other identities: see replay_play. */
    generate_steps(&dice, replay->steps, replay->count, seed % 10 < 7 ? 1 : 0);
}

static void tell(struct replay *replay, uint64_t seed, const char *why)
{
    char reason[COMPARE_WHY];
    long played = 0;

    printf("episode %" PRIu64 ": %s\n", seed, why);
    replay_shrink(replay);
    replay_play(replay, reason, &played);
    printf("# %s\n", reason);
    replay_print(stdout, replay);
    fflush(stdout);
}

static void play(uint64_t seed, long operations)
{
    struct replay *replay = malloc(sizeof(*replay));
    char why[COMPARE_WHY];
    long played = 0, episodes = 0;

    ck_assert_ptr_nonnull(replay);
    while (played < operations) {
        uint64_t own = seed + (uint64_t)episodes++;
        int failed;

        make(replay, own);
        failed = replay_play(replay, why, &played);
        if (failed >= 0) {
            replay->count = failed + 1;
            tell(replay, own, why);
            ck_abort_msg("the engine and the model disagree; FAIRVISOR_TEST_SEED=%" PRIu64 " shows it again", own);
        }
    }
    printf("seed %" PRIu64 ": %ld operations in %ld episodes agree\n", seed, played, episodes);
    free(replay);
}

static long operations(void)
{
    const char *text = getenv("FAIRVISOR_TEST_OPERATIONS");

    return text ? strtol(text, NULL, 10) / 2 : OPERATIONS;
}

START_TEST(they_agree_on_the_fixed_seed)
{
    play(FIXED_SEED, operations());
}
END_TEST

START_TEST(they_agree_on_another_seed)
{
    const char *text = getenv("FAIRVISOR_TEST_SEED");

    play(text ? strtoull(text, NULL, 10) : FIXED_SEED + 1, operations());
}
END_TEST

START_TEST(they_agree_where_they_once_did_not)
{
    for (size_t i = 0; i < sizeof(remembered) / sizeof(remembered[0]); i++)
        play(remembered[i], 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oracle");
    TCase *tests = tcase_create("oracle");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, they_agree_on_the_fixed_seed);
    tcase_add_test(tests, they_agree_on_another_seed);
    tcase_add_test(tests, they_agree_where_they_once_did_not);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
