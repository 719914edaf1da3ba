/* SPDX-License-Identifier: MPL-2.0
 *
 * The arithmetic of one cell against an oracle in wide integers: small steps must gain nothing over large ones.
 */
#include <check.h>
#include <stdlib.h>

#include "shm/cell.h"

static const uint64_t key[2] = {1, 2};

static struct moment at(int64_t boot_ns)
{
    return (struct moment){.boot_ns = boot_ns};
}

static struct moment now_of(const struct cell *cell)
{
    return at(cell->stamp_ns);
}

/* The obvious model: what has come back since the start, in billionths of a millionth. */
struct model {
    unsigned __int128 owed; /* spent * per_ns */
    int64_t stamp_ns;
};

static void model_refresh(struct model *model, const struct cell_limit *limit, int64_t now_ns)
{
    unsigned __int128 back;

    if (now_ns <= model->stamp_ns)
        return;
    back = (unsigned __int128)(now_ns - model->stamp_ns) * (uint64_t)limit->rate;
    model->owed = back >= model->owed ? 0 : model->owed - back;
    model->stamp_ns = now_ns;
}

static int64_t random_up_to(int64_t most)
{
    return (int64_t)((((uint64_t)random() << 31) ^ (uint64_t)random()) % ((uint64_t)most + 1));
}

START_TEST(agrees_with_the_model)
{
    srandom(7);
    for (int round = 0; round < 2000; round++) {
        struct cell_limit limit = {.kind = CELL_BUCKET,
                                    .rate = 1 + random_up_to(INT64_C(1) << (random() % 50)),
                                    .per_ns = random() % 2 ? CELL_PER_SECOND : CELL_PER_MINUTE};
        struct model model = {.stamp_ns = 0};
        struct cell cell, judged;
        int64_t now = 0;

        limit.capacity = limit.rate + random_up_to(INT64_C(1) << (random() % 50));
        cell_init(&cell, key, &limit, at(0));
        for (int step = 0; step < 200; step++) {
            int64_t cost = random_up_to(limit.capacity);
            struct cell_view view;
            unsigned __int128 room;

            now += random_up_to(INT64_C(1) << (random() % 40)) - 5;
            cell_refresh(&cell, &limit, at(now));
            model_refresh(&model, &limit, now);
            cell_judge(&cell, &limit, cost, now_of(&cell), &view);
            room = (unsigned __int128)(uint64_t)limit.capacity * (uint64_t)limit.per_ns - model.owed;
            ck_assert_int_eq(view.fits, (unsigned __int128)(uint64_t)cost * (uint64_t)limit.per_ns <= room);
            if (!view.fits)
                continue;
            judged = cell;
            cell_debit_judged(&judged, &limit, cost, now_of(&cell), &view);
            cell_debit(&cell, &limit, cost, now_of(&cell));
            ck_assert_mem_eq(&judged, &cell, sizeof(cell));
            model.owed += (unsigned __int128)(uint64_t)cost * (uint64_t)limit.per_ns;
            ck_assert(cell_is_sane(&cell));
        }
    }
}
END_TEST

START_TEST(waiting_as_told_is_enough_and_no_more)
{
    srandom(8);
    for (int round = 0; round < 100000; round++) {
        struct cell_limit limit = {.kind = CELL_BUCKET,
                                    .rate = 1 + random_up_to(INT64_C(1) << (random() % 40)),
                                    .per_ns = random() % 2 ? CELL_PER_SECOND : CELL_PER_MINUTE};
        struct cell cell;
        struct cell_view view, later;
        int64_t cost;

        limit.capacity = limit.rate + random_up_to(limit.rate);
        cell_init(&cell, key, &limit, at(0));
        cell.spent = random_up_to(limit.capacity);
        cell.of.remainder = cell.spent ? random_up_to(limit.per_ns - 1) : 0;
        cost = random_up_to(limit.capacity);
        cell_judge(&cell, &limit, cost, now_of(&cell), &view);
        if (view.fits || view.wait_ns > INT64_MAX / 8)
            continue;
        struct cell early = cell;

        cell_refresh(&cell, &limit, at(view.wait_ns));
        cell_judge(&cell, &limit, cost, now_of(&cell), &later);
        ck_assert(later.fits);
        cell_refresh(&early, &limit, at(view.wait_ns - 1));
        cell_judge(&early, &limit, cost, now_of(&early), &later);
        ck_assert(!later.fits);
    }
}
END_TEST

START_TEST(an_expired_cell_is_whole)
{
    struct cell_limit limit = {.kind = CELL_BUCKET, .capacity = 10000000, .rate = 3333333, .per_ns = CELL_PER_SECOND};
    struct cell cell;

    cell_init(&cell, key, &limit, at(1000));
    cell_debit(&cell, &limit, 9999999, now_of(&cell));
    ck_assert(!cell_is_reusable(&cell, at(cell.expires_ns - 1)));
    ck_assert(cell_is_reusable(&cell, at(cell.expires_ns)));
    cell_refresh(&cell, &limit, at(cell.expires_ns));
    ck_assert_int_eq(cell.spent, 0);
}
END_TEST

START_TEST(time_going_back_changes_nothing)
{
    struct cell_limit limit = {.kind = CELL_BUCKET, .capacity = 10000000, .rate = 1000000, .per_ns = CELL_PER_SECOND};
    struct cell cell, before;

    cell_init(&cell, key, &limit, at(1000));
    cell_debit(&cell, &limit, 5000000, now_of(&cell));
    before = cell;
    cell_refresh(&cell, &limit, at(500));
    ck_assert_mem_eq(&cell, &before, sizeof(cell));
}
END_TEST

START_TEST(a_changed_limit_keeps_the_spent_part)
{
    struct cell_limit small = {.kind = CELL_BUCKET, .capacity = 10000000, .rate = 1, .per_ns = CELL_PER_SECOND};
    struct cell_limit large = {.kind = CELL_BUCKET, .capacity = 20000000, .rate = 1, .per_ns = CELL_PER_SECOND};
    struct cell cell;
    struct cell_view view;

    cell_init(&cell, key, &small, at(0));
    cell_debit(&cell, &small, 10000000, now_of(&cell));
    cell_judge(&cell, &small, 1, now_of(&cell), &view);
    ck_assert(!view.fits);
    cell_judge(&cell, &large, 1000000, now_of(&cell), &view);
    ck_assert(view.fits);
    ck_assert_int_eq(view.remaining, 10000000);
}
END_TEST

START_TEST(larger_than_the_limit_never_fits)
{
    struct cell_limit limit = {.kind = CELL_BUCKET, .capacity = 10, .rate = 1, .per_ns = CELL_PER_SECOND};
    struct cell cell;
    struct cell_view view;

    cell_init(&cell, key, &limit, at(0));
    cell_judge(&cell, &limit, 11, now_of(&cell), &view);
    ck_assert(!view.fits);
    ck_assert_int_eq(view.wait_ns, INT64_MAX);
}
END_TEST

START_TEST(what_cannot_be_is_known)
{
    static const struct cell impossible[] = {
        {.kind = CELL_KINDS},
        {.kind = CELL_BUCKET, .spent = -1},
        {.kind = CELL_BUCKET, .spent = INT64_MAX},
        {.kind = CELL_BUCKET, .stamp_ns = INT64_MIN},
        {.kind = CELL_BUCKET, .expires_ns = INT64_MAX},
        {.kind = CELL_BUCKET, .of.remainder = -1},
        {.kind = CELL_WINDOW, .of.window_end_s = INT64_MAX},
        {.kind = CELL_FLIGHT, .of.lanes = {1}},
        {.kind = CELL_BREAKER, .of.breaker.previous = -1},
        {.kind = CELL_BREAKER, .of.breaker.previous = INT64_MAX},
        {.kind = CELL_BREAKER, .of.breaker.opened_ns = INT64_MIN},
        {.kind = CELL_BREAKER, .of.breaker.opened_ns = INT64_MAX},
    };

    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++)
        ck_assert_msg(!cell_is_sane(&impossible[i]), "cell %zu", i);
}
END_TEST

START_TEST(a_free_cell_has_no_time)
{
    struct cell cell = {.kind = CELL_FREE, .stamp_ns = INT64_MIN, .expires_ns = INT64_MIN};

    ck_assert(cell_is_sane(&cell));
    ck_assert(!cell_shift(&cell, -1));
}
END_TEST

/* Else a cell that nobody may reuse for an hour would be given away after two minutes. */
START_TEST(spending_leaves_an_open_breaker_as_it_is)
{
    struct cell_limit limit = {.kind = CELL_BREAKER, .capacity = 10, .length_ns = 60 * CELL_PER_MINUTE};
    struct cell cell;
    struct moment later = at(3 * CELL_PER_MINUTE);

    cell_init(&cell, key, &limit, at(1));
    cell_trip(&cell, &limit, at(1));
    cell_refresh(&cell, &limit, later);
    cell_debit(&cell, &limit, 5, later);
    ck_assert(!cell_is_reusable(&cell, later));
    ck_assert_int_eq(cell.expires_ns, 1 + limit.length_ns);
}
END_TEST

/* Somebody wrote a stamp that lies far ahead, and is still sane: so is the cell when it has been used, however it was. */
START_TEST(a_cell_of_the_far_future_stays_sane)
{
    struct cell_limit bucket = {.kind = CELL_BUCKET, .capacity = INT64_C(1) << 60, .rate = 1, .per_ns = CELL_PER_MINUTE};
    struct cell_limit breaker = {.kind = CELL_BREAKER, .capacity = 10};
    struct cell far = {.kind = CELL_BUCKET, .spent = 5, .stamp_ns = INT64_MAX / 2, .expires_ns = INT64_MAX / 2}, cell = far;
    struct moment now = at(1000);
    struct cell_view view;

    ck_assert(cell_is_sane(&far));
    cell_refresh(&cell, &bucket, now);
    cell_debit(&cell, &bucket, 1000, now);
    ck_assert(cell_is_sane(&cell));
    cell = far;
    cell_refresh(&cell, &bucket, now);
    cell_judge(&cell, &bucket, 1000, now, &view);
    ck_assert(view.fits);
    cell_debit_judged(&cell, &bucket, 1000, now, &view);
    ck_assert(cell_is_sane(&cell));
    cell = far;
    cell.stamp_ns -= 1000;
    ck_assert(cell_correct(&cell, 1000, 0, 0, now));
    ck_assert(cell_is_sane(&cell));
    cell = far;
    cell.kind = CELL_BREAKER;
    ck_assert(cell_is_sane(&cell));
    cell_refresh(&cell, &breaker, now);
    cell_debit(&cell, &breaker, 1, now);
    ck_assert(cell_is_sane(&cell));
}
END_TEST

/* What a request from before a reset gives back stays forgotten in another boot, in which both lie before its begin; who was never
 * reset forgets nothing there. */
START_TEST(a_window_remembers_its_reset_in_another_boot)
{
    const int64_t second = NANOSECONDS_PER_SECOND;
    const struct cell_limit limit = {.kind = CELL_WINDOW, .capacity = 1, .window_end_s = 1000};
    struct cell cell;

    cell_init(&cell, key, &limit, at(500 * second));
    ck_assert(cell_shift(&cell, -900 * second));
    ck_assert(!cell_forgets(&cell, -401 * second));
    ck_assert(cell_shift(&cell, 900 * second));
    cell_mark_reset(&cell, at(500 * second));
    ck_assert(cell_shift(&cell, -900 * second));
    ck_assert(cell_is_sane(&cell));
    ck_assert(cell_forgets(&cell, -401 * second));
    ck_assert(!cell_forgets(&cell, -399 * second));
    cell.of.reset_ns = INT64_MIN;
    ck_assert(!cell_is_sane(&cell));
}
END_TEST

/* ---- corrections while nobody knows the limit --------------------------------------------------------------------- */

/* The limit comes back: the bucket is as if it had been known all the time, and was kept long enough. */
START_TEST(a_bucket_is_corrected_without_its_limit)
{
    int corrected = 0, refused = 0;

    srandom(11);
    for (int round = 0; round < 20000; round++) {
        struct cell_limit limit = {.kind = CELL_BUCKET,
                                   .rate = 1 + random_up_to(INT64_C(1) << (random() % 40)),
                                   .per_ns = random() % 2 ? CELL_PER_SECOND : CELL_PER_MINUTE};
        int64_t first = random_up_to(INT64_C(1) << (random() % 40)), pause = random_up_to(INT64_C(1) << (random() % 50));
        int64_t cost = (random() % 2 ? 1 : -1) * random_up_to(INT64_C(1) << (random() % 40));
        struct moment middle, end;
        struct cell known, unknown;

        limit.capacity = INT64_C(1) << 50;
        cell_init(&known, key, &limit, at(1000));
        cell_debit(&known, &limit, first, at(1000));
        unknown = known;
        middle = at(1000 + pause);
        if (!cell_correct(&unknown, cost, 1000, 0, middle)) {
            ck_assert_int_gt(cost, 0);
            ck_assert_int_lt(first, 2);
            refused++;
            continue;
        }
        corrected++;
        ck_assert(cell_is_sane(&unknown));
        cell_refresh(&known, &limit, middle);
        cell_debit(&known, &limit, cost, middle);
        if (known.spent > 0 && known.expires_ns < INT64_MAX / 4) /* nothing is kept for longer */
            ck_assert_int_ge(unknown.expires_ns, known.expires_ns);
        end = at(middle.boot_ns + random_up_to(INT64_C(1) << (random() % 40)));
        cell_refresh(&known, &limit, end);
        cell_refresh(&unknown, &limit, end);
        ck_assert_int_eq(unknown.spent, known.spent);
        ck_assert_int_eq(unknown.of.remainder, known.of.remainder);
    }
    ck_assert_int_gt(corrected, 10000);
    ck_assert_int_gt(refused, 100);
}
END_TEST

/* A refund makes it whole sooner: what is charged behind that moment begins a debt of its own. */
START_TEST(a_bucket_that_was_refunded_is_whole_sooner)
{
    const int64_t one = 1000000, second = NANOSECONDS_PER_SECOND;
    const struct cell_limit limit = {.kind = CELL_BUCKET, .capacity = 1000 * one, .rate = one, .per_ns = CELL_PER_SECOND};
    struct cell cell;

    cell_init(&cell, key, &limit, at(0));
    cell_debit(&cell, &limit, 100 * one, at(0));
    ck_assert(cell_correct(&cell, -80 * one, 0, 0, at(second)));
    ck_assert_int_eq(cell.expires_ns, 20 * second);
    ck_assert(cell_correct(&cell, 30 * one, 0, 0, at(50 * second)));
    cell_refresh(&cell, &limit, at(60 * second));
    ck_assert_int_eq(cell.spent, 20 * one);
}
END_TEST

START_TEST(what_has_no_end_is_not_corrected_for_ever)
{
    struct cell cell = {.kind = CELL_BUCKET, .spent = 2, .expires_ns = CELL_PER_MINUTE};

    ck_assert(cell_correct(&cell, INT64_C(1) << 60, 0, 0, at(0)));
    ck_assert(cell_is_sane(&cell));
    ck_assert_int_le(cell.expires_ns, INT64_MAX / 4);
    ck_assert(cell_correct(&cell, INT64_C(1) << 60, 0, 0, at(0)));
    ck_assert(cell_is_sane(&cell));
    ck_assert_int_le(cell.expires_ns, INT64_MAX / 4);
    cell.expires_ns = cell.stamp_ns = 5;
    ck_assert(!cell_correct(&cell, 1, 0, 0, at(5)));
}
END_TEST

START_TEST(other_kinds_are_corrected_without_their_limit)
{
    struct cell_limit flight = {.kind = CELL_FLIGHT, .capacity = 9, .length_ns = 60 * CELL_PER_SECOND};
    struct cell_limit breaker = {.kind = CELL_BREAKER, .capacity = 100};
    struct moment day = {.wall_ns = 50 * CELL_PER_SECOND}, over = {.wall_ns = 100 * CELL_PER_SECOND};
    struct cell cell = {.kind = CELL_WINDOW, .spent = 10, .of.window_end_s = 100};

    ck_assert(cell_correct(&cell, 5, 0, 0, day) && cell.spent == 15);
    ck_assert(cell_correct(&cell, -20, 0, 0, day) && cell.spent == 0);
    ck_assert(!cell_correct(&cell, 5, 0, 0, over) && cell.spent == 0);
    ck_assert(cell_correct(&cell, -5, 0, 0, over));

    cell_init(&cell, key, &flight, at(0));
    cell_refresh(&cell, &flight, at(0));
    cell_debit(&cell, &flight, 2000000, at(0));
    ck_assert(!cell_correct(&cell, 1000000, 0, cell.layout, at(1)));
    ck_assert(cell_correct(&cell, -1000000, 0, cell.layout, at(1)) && cell.spent == 1000000);
    ck_assert(cell_correct(&cell, -1000000, 0, cell.layout, at(0)) && cell.spent == 0);
    cell = (struct cell){.kind = CELL_FLIGHT}; /* that nobody ever was noted in */
    ck_assert(cell_correct(&cell, -1000000, 0, 0, at(1)) && cell.spent == 0);

    cell_init(&cell, key, &breaker, at(0));
    cell_debit(&cell, &breaker, 50, at(0));
    ck_assert(cell_correct(&cell, 10, 0, 0, at(1)) && cell.spent == 60);
    ck_assert(cell_correct(&cell, -20, 0, 0, at(1)) && cell.spent == 40);
    cell_trip(&cell, &breaker, at(1));
    ck_assert(cell_correct(&cell, 10, 0, 0, at(10 * CELL_PER_MINUTE)) && cell.spent == 40);

    cell = (struct cell){.kind = CELL_COUNT, .spent = 1};
    ck_assert(!cell_correct(&cell, -1, 0, 0, at(0)));
    cell.kind = CELL_FREE;
    ck_assert(!cell_correct(&cell, -1, 0, 0, at(0)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cell");
    TCase *tests = tcase_create("cell");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, agrees_with_the_model);
    tcase_add_test(tests, waiting_as_told_is_enough_and_no_more);
    tcase_add_test(tests, an_expired_cell_is_whole);
    tcase_add_test(tests, time_going_back_changes_nothing);
    tcase_add_test(tests, a_changed_limit_keeps_the_spent_part);
    tcase_add_test(tests, larger_than_the_limit_never_fits);
    tcase_add_test(tests, what_cannot_be_is_known);
    tcase_add_test(tests, a_free_cell_has_no_time);
    tcase_add_test(tests, spending_leaves_an_open_breaker_as_it_is);
    tcase_add_test(tests, a_cell_of_the_far_future_stays_sane);
    tcase_add_test(tests, a_window_remembers_its_reset_in_another_boot);
    tcase_add_test(tests, a_bucket_is_corrected_without_its_limit);
    tcase_add_test(tests, a_bucket_that_was_refunded_is_whole_sooner);
    tcase_add_test(tests, what_has_no_end_is_not_corrected_for_ever);
    tcase_add_test(tests, other_kinds_are_corrected_without_their_limit);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
