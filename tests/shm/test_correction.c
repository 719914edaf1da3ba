/* SPDX-License-Identifier: MPL-2.0
 *
 * Cells set right by hand: each kind is afterwards what a fresh one would be, or has got back what was given.
 */
#include <check.h>

#include "shm/admission.h"
#include "shm/correction.h"
#include "tests/shm/arena_fixture.h"

#define ONE INT64_C(1000000)

static struct arena_fixture fixture;
static const uint64_t key[2] = {0x1234567812345678, 42};
static struct moment now = {.boot_ns = 1000 * NANOSECONDS_PER_SECOND, .wall_ns = 2000 * NANOSECONDS_PER_SECOND};

static const struct cell_limit bucket = {
    .kind = CELL_BUCKET, .capacity = 10 * ONE, .rate = 1, .per_ns = CELL_PER_SECOND};
static const struct cell_limit window = {.kind = CELL_WINDOW, .capacity = 10 * ONE, .window_end_s = 3000};
static const struct cell_limit flight = {
    .kind = CELL_FLIGHT, .capacity = 10 * ONE, .length_ns = 60 * NANOSECONDS_PER_SECOND};
static const struct cell_limit breaker = {.kind = CELL_BREAKER, .capacity = 10 * ONE};

/* Charges COST; the view from before. */
static struct cell_view charge(const struct cell_limit *limit, int64_t cost)
{
    struct charge one = {.key = {key[0], key[1]}, .limit = *limit, .cost = cost};
    struct admission admission;
    uint64_t order;

    admission_take(&fixture.arena, &one, &order, 1, now, &admission);
    return one.view;
}

static int64_t spent(const struct cell_limit *limit)
{
    struct charge one = {.key = {key[0], key[1]}, .limit = *limit};
    struct admission admission;

    admission_look(&fixture.arena, &one, 1, now, &admission);
    return limit->capacity - one.view.remaining;
}

START_TEST(reset_makes_whole)
{
    const struct cell_limit *limits[] = {&bucket, &window, &flight};
    const struct cell_limit *limit = limits[_i];

    ck_assert_int_eq(correction_reset(&fixture.arena, key, limit, now), CORRECTION_NOTHING);
    charge(limit, 3 * ONE);
    charge(limit, 4 * ONE);
    ck_assert_int_eq(spent(limit), 7 * ONE);
    ck_assert_int_eq(correction_reset(&fixture.arena, key, limit, now), CORRECTION_DONE);
    ck_assert_int_eq(spent(limit), 0);
    ck_assert_int_eq(correction_reset(&fixture.arena, key, limit, now), CORRECTION_NOTHING);
    ck_assert(charge(limit, 10 * ONE).fits);
    ck_assert(!charge(limit, ONE).fits);
}
END_TEST

/* What a request from before gives back was forgotten with the rest: it is nothing that those after it have spent. */
START_TEST(nothing_comes_back_from_before_a_reset)
{
    const struct cell_limit *limits[] = {&bucket, &window, &breaker};
    const struct cell_limit *limit = limits[_i];
    struct charge refund = {.key = {key[0], key[1]}, .limit = *limit, .cost = -3 * ONE, .begun_ns = now.boot_ns,
                            .window_end_s = window.window_end_s, .never_refuses = true};
    struct admission admission;
    uint64_t order;

    charge(limit, 4 * ONE);
    now.boot_ns += NANOSECONDS_PER_SECOND;
    ck_assert_int_eq(correction_reset(&fixture.arena, key, limit, now), CORRECTION_DONE);
    now.boot_ns += NANOSECONDS_PER_SECOND;
    charge(limit, 8 * ONE);
    admission_take(&fixture.arena, &refund, &order, 1, now, &admission);
    ck_assert_int_eq(spent(limit), 8 * ONE);
    refund.begun_ns = now.boot_ns;
    admission_take(&fixture.arena, &refund, &order, 1, now, &admission);
    ck_assert_int_eq(spent(limit), 5 * ONE);
    now.boot_ns -= 2 * NANOSECONDS_PER_SECOND;
}
END_TEST

/* An answer that is proxied may take hours, and is settled all the same. */
START_TEST(nothing_comes_back_of_a_long_answer_either)
{
    struct charge refund = {.key = {key[0], key[1]}, .limit = window, .cost = -3 * ONE, .begun_ns = now.boot_ns,
                            .window_end_s = window.window_end_s, .never_refuses = true};
    const int64_t began_ns = now.boot_ns;
    struct admission admission;
    uint64_t order;

    charge(&window, 4 * ONE);
    now.boot_ns += 20 * 3600 * NANOSECONDS_PER_SECOND;
    ck_assert_int_eq(correction_reset(&fixture.arena, key, &window, now), CORRECTION_DONE);
    charge(&window, 8 * ONE);
    admission_take(&fixture.arena, &refund, &order, 1, now, &admission);
    ck_assert_int_eq(spent(&window), 8 * ONE);
    now.boot_ns = began_ns;
}
END_TEST

START_TEST(reset_closes_breaker)
{
    charge(&breaker, 9 * ONE);
    ck_assert(charge(&breaker, 2 * ONE).trips);
    ck_assert(!charge(&breaker, ONE).fits);
    ck_assert_int_eq(correction_reset(&fixture.arena, key, &breaker, now), CORRECTION_DONE);
    ck_assert(charge(&breaker, 10 * ONE).fits);
}
END_TEST

/* A request that was in flight before does not take the place of one that began later. */
START_TEST(landing_after_reset)
{
    struct charge landing = {.key = {key[0], key[1]}, .limit = flight, .cost = -ONE, .begun_ns = now.boot_ns};
    struct admission admission;
    uint64_t order;

    charge(&flight, ONE);
    landing.layout = charge(&flight, ONE).layout;
    now.boot_ns += 5 * NANOSECONDS_PER_SECOND;
    ck_assert_int_eq(correction_reset(&fixture.arena, key, &flight, now), CORRECTION_DONE);
    charge(&flight, ONE);
    admission_take(&fixture.arena, &landing, &order, 1, now, &admission);
    ck_assert_int_eq(spent(&flight), ONE);
}
END_TEST

START_TEST(grant_gives_back)
{
    const struct cell_limit *limits[] = {&bucket, &window};
    const struct cell_limit *limit = limits[_i];
    int64_t given;

    ck_assert_int_eq(correction_grant(&fixture.arena, key, limit, ONE, now, &given), CORRECTION_NOTHING);
    ck_assert_int_eq(given, 0);
    charge(limit, 7 * ONE);
    ck_assert_int_eq(correction_grant(&fixture.arena, key, limit, 2 * ONE + 1, now, &given), CORRECTION_DONE);
    ck_assert_int_eq(given, 2 * ONE + 1);
    ck_assert_int_eq(spent(limit), 5 * ONE - 1);
    ck_assert_int_eq(correction_grant(&fixture.arena, key, limit, INT64_MAX, now, &given), CORRECTION_DONE);
    ck_assert_int_eq(given, 5 * ONE - 1);
    ck_assert_int_eq(spent(limit), 0);
    ck_assert_int_eq(correction_grant(&fixture.arena, key, limit, ONE, now, &given), CORRECTION_NOTHING);
}
END_TEST

/* The rule may have got another algorithm since: what another kind of cell holds is left alone. */
START_TEST(other_kind)
{
    int64_t given;

    charge(&bucket, 7 * ONE);
    ck_assert_int_eq(correction_reset(&fixture.arena, key, &window, now), CORRECTION_NOTHING);
    ck_assert_int_eq(correction_grant(&fixture.arena, key, &window, ONE, now, &given), CORRECTION_NOTHING);
    ck_assert_int_eq(spent(&bucket), 7 * ONE);
}
END_TEST

static void set_up(void)
{
    arena_fixture_open(&fixture, "correction", ARENA_MIN_SIZE, NULL);
}

static void tear_down(void)
{
    arena_fixture_close(&fixture);
}

int main(void)
{
    Suite *suite = suite_create("correction");
    TCase *all = tcase_create("correction");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_loop_test(all, reset_makes_whole, 0, 3);
    tcase_add_loop_test(all, nothing_comes_back_from_before_a_reset, 0, 3);
    tcase_add_test(all, nothing_comes_back_of_a_long_answer_either);
    tcase_add_test(all, reset_closes_breaker);
    tcase_add_test(all, landing_after_reset);
    tcase_add_loop_test(all, grant_gives_back, 0, 2);
    tcase_add_test(all, other_kind);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
