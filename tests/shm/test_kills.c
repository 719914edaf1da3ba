/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of kill switches in the arena: whole or not at all, and harmless whatever is in it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shm/kills.h"
#include "tests/shm/arena_fixture.h"

static struct arena_fixture fixture;
static struct kills_table table, copy;

START_TEST(what_is_published_is_read)
{
    uint32_t before = kills_sequence(&fixture.arena), sequence;

    ck_assert(kills_read(&fixture.arena, &copy, &sequence));
    ck_assert_uint_eq(copy.count, 0);
    table.count = 1;
    memcpy(table.rows[0].key, "ip:address", sizeof("ip:address"));
    kills_publish(&fixture.arena, &table);
    ck_assert_uint_ne(kills_sequence(&fixture.arena), before);
    ck_assert(kills_read(&fixture.arena, &copy, &sequence));
    ck_assert_uint_eq(sequence, kills_sequence(&fixture.arena));
    ck_assert_str_eq(copy.rows[0].key, "ip:address");
}
END_TEST

START_TEST(half_written_is_not_read)
{
    uint32_t sequence;

    atomic_fetch_add(&fixture.arena.kills->sequence, 1); /* a master that dies here */
    ck_assert(!kills_read(&fixture.arena, &copy, &sequence));
    kills_publish(&fixture.arena, &table); /* the next one */
    ck_assert(kills_read(&fixture.arena, &copy, &sequence));
}
END_TEST

START_TEST(garbage_is_tamed)
{
    uint32_t sequence;

    memset(&fixture.arena.kills->table, 0xff, sizeof(struct kills_table));
    ck_assert(kills_read(&fixture.arena, &copy, &sequence));
    ck_assert_uint_eq(copy.count, KILLS_MAX);
    for (uint32_t i = 0; i < copy.count; i++) {
        ck_assert_int_eq(copy.rows[i].expires_at, 0);
        ck_assert_int_eq(copy.rows[i].made_at, 0);
        ck_assert_uint_eq(strlen(copy.rows[i].key), DOOR_KEY_SIZE - 1);
        ck_assert_uint_eq(strlen(copy.rows[i].value), DOOR_VALUE_SIZE - 1);
        ck_assert_uint_eq(strlen(copy.rows[i].route), DOOR_ROUTE_SIZE - 1);
        ck_assert_uint_eq(strlen(copy.rows[i].reason), DOOR_REASON_SIZE - 1);
    }
}
END_TEST

START_TEST(times_are_tamed)
{
    uint32_t sequence;

    memset(&fixture.arena.kills->table, 0x41, sizeof(struct kills_table));
    ck_assert(kills_read(&fixture.arena, &copy, &sequence));
    ck_assert_int_eq(copy.rows[0].expires_at, KILLS_NEVER);
    ck_assert_int_eq(copy.rows[0].made_at, 0);
}
END_TEST

static void set_up(void)
{
    arena_fixture_open(&fixture, "kills", ARENA_MIN_SIZE, NULL);
}

static void tear_down(void)
{
    arena_fixture_close(&fixture);
}

int main(void)
{
    Suite *suite = suite_create("kills");
    TCase *tests = tcase_create("kills");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_published_is_read);
    tcase_add_test(tests, half_written_is_not_read);
    tcase_add_test(tests, garbage_is_tamed);
    tcase_add_test(tests, times_are_tamed);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
