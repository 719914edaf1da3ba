/* SPDX-License-Identifier: MPL-2.0
 *
 * Sums of events: who is added to whom, rates of windows, order, room, numbers of any size.
 */
#include <check.h>
#include <stdio.h>

#include "cli/ranking.h"
#include "shm/moment.h"

#define SECOND NANOSECONDS_PER_SECOND
#define START  (RANKING_WINDOW_NS * 1000)

static const uint64_t hash_key[2] = {1, 2};
static struct ranking ranking;
static const struct ranking_row *rows[RANKING_ROWS];
static struct event event;

static const struct event *make(enum event_action action, int64_t at_ns, const char *rule, const char *key, uint32_t weight)
{
    event_begin(&event, action, at_ns);
    event_add(&event, EVENT_TEXT_POLICY, SLICE("p"));
    event_add(&event, EVENT_TEXT_RULE, slice_of(rule));
    event_add_key(&event, SLICE("k"), slice_of(key));
    event.rule_keys = 1;
    event_add_key(&event, SLICE("other"), (struct slice){(const char *)&at_ns, sizeof(at_ns)});
    event.weight = weight;
    return &event;
}

START_TEST(identities_are_told_apart)
{
    ranking_init(&ranking, false, hash_key);
    for (int i = 0; i < 3; i++)
        ranking_add(&ranking, make(EVENT_REJECT, START + i, "r", "a", 1));
    ranking_add(&ranking, make(EVENT_REJECT, START, "r", "b", 1));
    ranking_add(&ranking, make(EVENT_WOULD_REJECT, START, "s", "a", 1));
    ranking_add(&ranking, make(EVENT_AUDIT, START, "s", "a", 1));
    ck_assert_uint_eq(ranking_sort(&ranking, RANKING_BY_REJECTS, START, rows, 10), 3);
    ck_assert_int_eq(rows[0]->total[RANKING_REJECTS], 3);
    ranking_init(&ranking, true, hash_key);
    ranking_add(&ranking, make(EVENT_REJECT, START, "r", "a", 1));
    ranking_add(&ranking, make(EVENT_REJECT, START, "r", "b", 1));
    ck_assert_uint_eq(ranking_sort(&ranking, RANKING_BY_REJECTS, START, rows, 10), 1);
    ck_assert_int_eq(rows[0]->total[RANKING_REJECTS], 2);
}
END_TEST

START_TEST(rates_are_of_the_last_seconds)
{
    ranking_init(&ranking, false, hash_key);
    for (int i = 0; i < 100; i++)
        ranking_add(&ranking, make(EVENT_REJECT, START + i, "r", "a", 1));
    ranking_sort(&ranking, RANKING_BY_REJECTS, START, rows, 1);
    ck_assert_int_eq(ranking_rate(rows[0], RANKING_REJECTS, START + 5 * SECOND), 10000);
    ck_assert_int_eq(ranking_rate(rows[0], RANKING_REJECTS, START + RANKING_WINDOW_NS), 10000);
    ck_assert_int_eq(ranking_rate(rows[0], RANKING_REJECTS, START + RANKING_WINDOW_NS * 3 / 2), 5000);
    ck_assert_int_eq(ranking_rate(rows[0], RANKING_REJECTS, START + RANKING_WINDOW_NS * 2), 0);
    ck_assert_int_eq(ranking_rate(rows[0], RANKING_REJECTS, START - 1), 0);
}
END_TEST

START_TEST(samples_weigh_what_they_stand_for)
{
    ranking_init(&ranking, false, hash_key);
    make(EVENT_ALLOW, START, "r", "a", 64);
    event_set_numbers(&event, 100 * INT64_C(1000000), 25 * INT64_C(1000000), 500000, 0);
    ranking_add(&ranking, &event);
    ck_assert_uint_eq(ranking_sort(&ranking, RANKING_BY_COST, START, rows, 1), 1);
    ck_assert_int_eq(rows[0]->total[RANKING_ALLOWS], 64);
    ck_assert_int_eq(rows[0]->total[RANKING_COST], 32 * INT64_C(1000000));
    ck_assert_int_eq(ranking_fill(rows[0]), 75);
}
END_TEST

START_TEST(any_numbers_will_do)
{
    static const int64_t numbers[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX / 2};

    ranking_init(&ranking, false, hash_key);
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++)
            for (size_t k = 0; k < 6; k++) {
                make(EVENT_CHARGE, numbers[k], "r", "a", UINT32_MAX);
                event_set_numbers(&event, numbers[i], numbers[j], numbers[k], 0);
                ranking_add(&ranking, &event);
                ck_assert_uint_ge(ranking_sort(&ranking, RANKING_BY_FILL, numbers[j], rows, 1), 1);
                ck_assert_int_le(ranking_fill(rows[0]), 999);
                ranking_rate(rows[0], RANKING_COST, numbers[i]);
            }
    ck_assert_int_ge(rows[0]->total[RANKING_COST], 0);
}
END_TEST

START_TEST(the_busy_stay_when_there_is_no_room)
{
    char key[32];

    ranking_init(&ranking, false, hash_key);
    for (int i = 0; i < 8 * RANKING_ROWS; i++) {
        snprintf(key, sizeof(key), "%d", i);
        ranking_add(&ranking, make(EVENT_ALLOW, START + i, "r", key, 1));
        if (i % 16 == 0)
            ranking_add(&ranking, make(EVENT_REJECT, START + i, "r", "busy", 1));
    }
    ck_assert_uint_le(ranking_sort(&ranking, RANKING_BY_REJECTS, START, rows, RANKING_ROWS), RANKING_ROWS);
    ck_assert_int_eq(rows[0]->total[RANKING_REJECTS], 8 * RANKING_ROWS / 16);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranking");
    TCase *tests = tcase_create("ranking");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, identities_are_told_apart);
    tcase_add_test(tests, rates_are_of_the_last_seconds);
    tcase_add_test(tests, samples_weigh_what_they_stand_for);
    tcase_add_test(tests, any_numbers_will_do);
    tcase_add_test(tests, the_busy_stay_when_there_is_no_room);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
