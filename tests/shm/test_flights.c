/* SPDX-License-Identifier: MPL-2.0
 *
 * A worker that dies at each step between the charge of a flight and its landing, and at any moment: what it had noted is
 * given back once, what others have in flight never. And tables full of anything.
 */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "shm/admission.h"
#include "shm/flights.h"
#include "tests/shm/arena_fixture.h"

#define ONE    INT64_C(1000000)
#define SLOT   5
#define ROUNDS 60

static struct arena_fixture fixture;
static struct flights flights; /* large */
static const uint64_t key[2] = {0x1234567812345678, 42};
static const struct moment now = {.boot_ns = 1000 * NANOSECONDS_PER_SECOND, .wall_ns = 2000 * NANOSECONDS_PER_SECOND};
static const struct cell_limit limit = {
    .kind = CELL_FLIGHT, .capacity = 10 * ONE, .length_ns = 60 * NANOSECONDS_PER_SECOND};

static bool take_off(struct flight *flight)
{
    struct charge one = {.key = {key[0], key[1]}, .limit = limit, .cost = ONE};
    struct admission admission;
    uint64_t order;

    admission_take(&fixture.arena, &one, &order, 1, now, &admission);
    *flight = (struct flight){.key = {key[0], key[1]},
                              .begun_ns = now.boot_ns,
                              .length_ns = limit.length_ns,
                              .layout = one.view.layout};
    return admission.is_admitted;
}

static struct flight begin(void)
{
    struct flight flight;

    ck_assert(take_off(&flight));
    return flight;
}

static void end(const struct flight *flight)
{
    struct charge one = {.key = {key[0], key[1]},
                         .limit = limit,
                         .cost = -ONE,
                         .begun_ns = flight->begun_ns,
                         .layout = flight->layout};
    struct admission admission;
    uint64_t order;

    admission_take(&fixture.arena, &one, &order, 1, now, &admission);
}

static int64_t in_flight(void)
{
    struct charge one = {.key = {key[0], key[1]}, .limit = limit};
    struct admission admission;

    admission_look(&fixture.arena, &one, 1, now, &admission);
    return (limit.capacity - one.view.remaining) / ONE;
}

static struct flights_landing land(int32_t owner)
{
    struct flights_landing landing;

    flights_land(&fixture.arena, SLOT, owner, now, &landing);
    return landing;
}

/* One request of a worker that is killed when it has made so many steps. It asserts nothing: each assertion writes to the
 * pipe it shares with the test, and a death in the middle of that spoils what the test says. */
static void serve(int steps)
{
    uint16_t chain = FLIGHTS_NONE;
    struct flight flight;

    if (!take_off(&flight))
        abort();
    if (steps > 0)
        flights_note(&flights, &flight, &chain);
    if (steps > 1)
        flights_erase(&flights, &chain);
    if (steps > 2)
        end(&flight);
}

static pid_t die_after(int steps)
{
    pid_t pid = fork();

    if (pid == 0) {
        flights_open(&flights, &fixture.arena, SLOT, getpid());
        serve(steps);
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    return pid;
}

START_TEST(killed_at_each_step)
{
    static const struct {
        int64_t left;
        uint32_t noted;
    } rows[] = {{1, 0}, {1, 1}, {1, 0}, {0, 0}};
    struct flight living = begin();
    pid_t pid = die_after(_i);

    ck_assert_int_eq(in_flight(), 1 + rows[_i].left);
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT, pid), rows[_i].noted);
    ck_assert_uint_eq(land(pid).landed, rows[_i].noted);
    ck_assert_int_eq(in_flight(), 1 + rows[_i].left - rows[_i].noted);
    ck_assert_uint_eq(land(pid).landed, 0);
    ck_assert_uint_eq(land(0).landed, 0);
    ck_assert_int_eq(in_flight(), 1 + rows[_i].left - rows[_i].noted);
    end(&living);
    ck_assert_int_eq(in_flight(), rows[_i].left - rows[_i].noted);
}
END_TEST

static void serve_until_killed(int microseconds)
{
    const struct itimerval timer = {.it_value = {.tv_usec = microseconds}};

    flights_open(&flights, &fixture.arena, SLOT, getpid());
    signal(SIGALRM, SIG_DFL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (;;)
        serve(3);
}

/* Whatever it was doing: at most the one flight it had in its hands stays, and the one of another worker always does. */
START_TEST(killed_at_any_moment)
{
    uint64_t repaired = 0;
    int status;

    for (int round = 0; round < ROUNDS; round++) {
        struct flight living = begin();
        pid_t pid = fork();
        int64_t left;

        if (pid == 0)
            serve_until_killed(200 + round * 37);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
        land(pid);
        arena_audit(&fixture.arena, &repaired); /* it may have died within a change */
        left = in_flight();
        ck_assert_msg(left == 1 || left == 2, "%lld in flight", (long long)left);
        if (left == 2)
            end(&living); /* what the dead worker left charged looks the same: this takes it out */
        end(&living);
        ck_assert_int_eq(in_flight(), 0);
    }
}
END_TEST

/* The worker that has taken the slot keeps what is its own. */
START_TEST(only_the_dead_ones)
{
    uint16_t chain = FLIGHTS_NONE;
    struct flight flight;
    pid_t pid = die_after(1);

    flights_open(&flights, &fixture.arena, SLOT, getpid());
    flights.free = flights.next[flights.free]; /* the dead one's note stands in the first */
    flight = begin();
    ck_assert(flights_note(&flights, &flight, &chain));
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT, 0), 2);
    ck_assert_uint_eq(land(pid).landed, 1);
    ck_assert_int_eq(in_flight(), 1);
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT, getpid()), 1);
    flights_erase(&flights, &chain);
    ck_assert_uint_eq(chain, FLIGHTS_NONE);
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT, 0), 0);
}
END_TEST

START_TEST(full_table)
{
    struct flight flight = begin();
    uint16_t chains[2] = {FLIGHTS_NONE, FLIGHTS_NONE};
    uint32_t count = 0;

    flights_open(&flights, &fixture.arena, SLOT, getpid());
    while (flights_note(&flights, &flight, &chains[count % 2]))
        count++;
    ck_assert_uint_eq(count, fixture.arena.flights_per_slot);
    ck_assert_uint_ge(count, 32);
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT, 0), count);
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT - 1, 0) + flights_count(&fixture.arena, SLOT + 1, 0), 0);
    flights_erase(&flights, &chains[1]);
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT, 0), count - count / 2);
    for (uint32_t i = 0; i < count / 2; i++)
        ck_assert(flights_note(&flights, &flight, &chains[1]));
    ck_assert(!flights_note(&flights, &flight, &chains[1]));
    /* It was charged once: it lands once, however often it is noted. */
    ck_assert_uint_eq(land(0).landed, 1);
    ck_assert_int_eq(in_flight(), 0);
}
END_TEST

/* A time to live that a reload has changed in between is not changed back. */
START_TEST(other_time_to_live)
{
    struct cell_limit longer = limit;
    struct charge one = {.key = {key[0], key[1]}, .cost = ONE};
    struct admission admission;
    struct flights_landing landing;
    uint64_t order;
    pid_t pid = die_after(1);

    longer.length_ns *= 2;
    one.limit = longer;
    admission_take(&fixture.arena, &one, &order, 1, (struct moment){now.boot_ns + 7 * ONE, now.wall_ns}, &admission);
    landing = land(pid);
    ck_assert_uint_eq(landing.landed, 0);
    ck_assert_uint_eq(landing.late, 1);
    one.cost = 0;
    admission_look(&fixture.arena, &one, 1, now, &admission);
    ck_assert_int_eq(one.view.remaining, longer.capacity - 2 * ONE);
}
END_TEST

static uint64_t roll(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Anything in the table: no crash, no loop, nothing below zero, and only the identity that is named. */
START_TEST(hostile_tables)
{
    static const int64_t times[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    uint64_t state = 0x9e3779b97f4a7c15;
    struct flight living = begin();
    unsigned char *bytes = (unsigned char *)(fixture.arena.flights + (size_t)SLOT * fixture.arena.flights_per_slot);

    for (size_t i = 0; i < fixture.arena.flights_per_slot * sizeof(struct flights_entry); i++)
        bytes[i] = (unsigned char)roll(&state);
    land(0);
    ck_assert_int_eq(in_flight(), 1);
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT, 0), 0);
    for (uint32_t i = 0; i < 25; i++) {
        struct flights_entry *entry = &fixture.arena.flights[SLOT * fixture.arena.flights_per_slot + i];

        entry->flight = living;
        entry->flight.begun_ns = times[i % 5];
        entry->flight.length_ns = times[i / 5];
        atomic_store(&entry->owner, -1);
    }
    land(0);
    ck_assert_int_ge(in_flight(), 0);
    ck_assert_int_le(in_flight(), 1);
    ck_assert_uint_eq(flights_count(&fixture.arena, SLOT, 0), 0);
}
END_TEST

static void set_up(void)
{
    arena_fixture_open(&fixture, "flights", ARENA_MIN_SIZE, NULL);
}

static void tear_down(void)
{
    arena_fixture_close(&fixture);
}

int main(void)
{
    Suite *suite = suite_create("flights");
    TCase *all = tcase_create("flights");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_loop_test(all, killed_at_each_step, 0, 4);
    tcase_add_test(all, killed_at_any_moment);
    tcase_add_test(all, only_the_dead_ones);
    tcase_add_test(all, full_table);
    tcase_add_test(all, other_time_to_live);
    tcase_add_test(all, hostile_tables);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
