/* SPDX-License-Identifier: MPL-2.0
 *
 * Sums of events: who is added to whom, rates of windows, order, room, numbers of any size.
 */
#include <check.h>
#include <stdio.h>

#include "cli/ranking.h"
#include "shm/moment.h"

#define SECOND NANOSECONDS_PER_SECOND
#define MILLION INT64_C(1000000)
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

/* The k-th request of a second: reserves 5, by one rule or another. */
static void let_through(const char *rule, const char *key, int64_t at_ns, uint32_t weight)
{
    const uint64_t minute[2] = {(uint64_t)rule[0] << 8 | (unsigned char)key[0], 1}, day[2] = {minute[0] ^ UINT64_C(1) << 40, 2};

    make(EVENT_ALLOW, at_ns, rule, key, weight);
    event_set_numbers(&event, 100 * MILLION, 95 * MILLION, 5 * MILLION, 0);
    event_add_cell(&event, 2, minute);
    event_add_cell(&event, 3, day);
    ranking_add(&ranking, &event);
}

static void settle(const char *rule, const char *key, int64_t at_ns, int64_t age_ns, int64_t cost, uint32_t weight)
{
    const uint64_t minute[2] = {(uint64_t)rule[0] << 8 | (unsigned char)key[0], 1};

    event_begin(&event, EVENT_SETTLE, at_ns);
    event_add(&event, EVENT_TEXT_POLICY, SLICE("p"));
    event_add(&event, EVENT_TEXT_RULE, slice_of(rule));
    event.weight = weight;
    event.reserved = 5 * MILLION;
    event.cost = cost;
    event.age_ns = age_ns;
    event_add_cell(&event, 2, minute);
    ranking_add(&ranking, &event);
}

/* Of identities and of rules. */
START_TEST(a_settlement_takes_the_place_of_what_was_reserved)
{
    ranking_init(&ranking, _i == 1, hash_key);
    settle("r", "a", START, 0, 1 * MILLION, 1); /* of a request that nobody saw */
    ck_assert_uint_eq(ranking_sort(&ranking, RANKING_BY_COST, START, rows, 10), 0);
    let_through("r", "a", START, 3);
    ranking_sort(&ranking, RANKING_BY_COST, START, rows, 10);
    ck_assert_int_eq(rows[0]->total[RANKING_COST], 15 * MILLION);
    settle("r", "a", START + SECOND, SECOND, 1 * MILLION, 3);
    settle("r", "a", START + SECOND, 2 * SECOND, 1 * MILLION, 3); /* from before */
    settle("s", "b", START + SECOND, SECOND, 1 * MILLION, 3);
    ck_assert_uint_eq(ranking_sort(&ranking, RANKING_BY_COST, START, rows, 10), 1);
    ck_assert_int_eq(rows[0]->total[RANKING_COST], 3 * MILLION);
    ck_assert_int_eq(rows[0]->total[RANKING_ALLOWS], 3);
    /* In the next window: counts for the one before, in which it was let through; and one that cost more. */
    let_through("r", "a", START + RANKING_WINDOW_NS, 1);
    settle("r", "a", START + RANKING_WINDOW_NS, RANKING_WINDOW_NS, 2 * MILLION, 1);
    settle("r", "a", START + RANKING_WINDOW_NS + 1, 1, 9 * MILLION, 1);
    ranking_sort(&ranking, RANKING_BY_COST, START, rows, 1);
    ck_assert_int_eq(rows[0]->total[RANKING_COST], 9 * MILLION);
    ck_assert_int_eq(rows[0]->before[RANKING_COST], 0);
    ck_assert_int_eq(rows[0]->now[RANKING_COST], 9 * MILLION);
}
END_TEST

START_TEST(a_refusal_without_cells_leaves_those_that_are_known)
{
    const uint64_t *cell;
    int role = -1;

    ranking_init(&ranking, false, hash_key);
    let_through("r", "a", START, 1);
    ranking_add(&ranking, make(EVENT_REJECT, START, "r", "a", 1));
    ck_assert_uint_eq(ranking_sort(&ranking, RANKING_BY_COST, START, rows, 10), 1);
    cell = event_next_cell(&rows[0]->last, &role);
    ck_assert(cell && role == 2 && cell[1] == 1);
    cell = event_next_cell(&rows[0]->last, &role);
    ck_assert(cell && role == 3 && cell[1] == 2);
    ck_assert_ptr_null(event_next_cell(&rows[0]->last, &role));
    ck_assert_ptr_eq(ranking_find(&ranking, make(EVENT_REJECT, START, "r", "a", 1)), rows[0]);
    ck_assert_ptr_null(ranking_find(&ranking, make(EVENT_REJECT, START, "r", "b", 1)));
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
                event.action = EVENT_SETTLE;
                event.age_ns = numbers[(i + j) % 6];
                ranking_add(&ranking, &event);
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
    tcase_add_loop_test(tests, a_settlement_takes_the_place_of_what_was_reserved, 0, 2);
    tcase_add_test(tests, a_refusal_without_cells_leaves_those_that_are_known);
    tcase_add_test(tests, any_numbers_will_do);
    tcase_add_test(tests, the_busy_stay_when_there_is_no_room);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
