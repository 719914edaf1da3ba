/* SPDX-License-Identifier: MPL-2.0
 *
 * The ring of events: order, what a lapped reader is told, records whose writer was killed, bytes of a corrupted process,
 * and many writers of which some are killed at any moment.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "shm/events.h"
#include "tests/shm/arena_fixture.h"

#define BUSY_OF(serial, writer) (((uint64_t)(serial) + 1) << 12 | (uint64_t)(writer) << 1 | 1)
#define OVERDUE_NS              (NANOSECONDS_PER_SECOND / 10)

static struct arena_fixture fixture;
static struct arena *arena;
static struct event event;

static void open_arena(void)
{
    arena_fixture_open(&fixture, "events", ARENA_MIN_SIZE, NULL);
    arena = &fixture.arena;
}

static void close_arena(void)
{
    arena_fixture_close(&fixture);
}

static bool write_one(const struct events_writer *writer, int64_t number)
{
    event_begin(&event, EVENT_REJECT, number);
    return events_write(writer, &event);
}

static struct events_writer writer_of(uint16_t number)
{
    struct events_writer writer;

    events_open(&writer, arena, number);
    return writer;
}

START_TEST(events_come_in_order)
{
    struct events_writer writer = writer_of(3);
    struct events_reader reader;

    events_begin_oldest(&reader, arena);
    ck_assert(!events_read(&reader, &event, 1));
    for (int i = 1; i <= 5; i++)
        ck_assert(write_one(&writer, i));
    for (int i = 1; i <= 5; i++) {
        ck_assert(events_read(&reader, &event, 1));
        ck_assert_int_eq(event.wall_ns, i);
        ck_assert_uint_eq(event.writer, 3);
    }
    ck_assert(!events_read(&reader, &event, 1));
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

START_TEST(a_lapped_reader_knows_how_many)
{
    struct events_writer writer = writer_of(0);
    uint32_t room = events_room(arena);
    struct events_reader reader;
    uint64_t seen = 0;
    int64_t last = 0;

    events_begin_oldest(&reader, arena);
    for (uint32_t i = 1; i <= 3 * room + 7; i++)
        write_one(&writer, i);
    while (events_read(&reader, &event, 1)) {
        ck_assert(event.wall_ns > last);
        last = event.wall_ns;
        seen++;
    }
    ck_assert_int_eq(last, 3 * (int64_t)room + 7);
    ck_assert_uint_eq(seen + reader.lost, events_count(arena));
    ck_assert_uint_gt(seen, room / 2);
}
END_TEST

START_TEST(a_reader_can_go_on_where_another_stopped)
{
    struct events_writer writer = writer_of(0);
    struct events_reader reader, later;

    events_begin_newest(&reader, arena);
    for (int i = 0; i < 4; i++)
        write_one(&writer, i);
    ck_assert(events_read(&reader, &event, 1) && events_read(&reader, &event, 1));
    events_begin_at(&later, arena, reader.position);
    ck_assert(events_read(&later, &event, 1));
    ck_assert_int_eq(event.wall_ns, 2);
}
END_TEST

/* As a writer leaves it that is killed between claim and done. */
static void leave_busy(uint16_t number)
{
    uint64_t serial = atomic_fetch_add(&arena->events_head->next, 1);

    atomic_store(&arena->events[serial & (arena->event_count - 1)].state, BUSY_OF(serial, number));
}

START_TEST(a_half_written_record_is_passed_over_and_counted)
{
    struct events_writer writer = writer_of(1);
    struct events_reader reader;

    events_begin_oldest(&reader, arena);
    leave_busy(9);
    write_one(&writer, 42);
    ck_assert(!events_read(&reader, &event, 1000)); /* it may come yet */
    ck_assert(!events_read(&reader, &event, 1000 + OVERDUE_NS - 1));
    ck_assert(events_read(&reader, &event, 1000 + OVERDUE_NS));
    ck_assert_int_eq(event.wall_ns, 42);
    ck_assert_uint_eq(reader.lost, 1);
}
END_TEST

START_TEST(nobody_writes_into_a_busy_record)
{
    struct events_writer writer = writer_of(1), heir;
    uint32_t room = events_room(arena);

    leave_busy(9);
    for (uint32_t i = 1; i < room; i++)
        ck_assert(write_one(&writer, i));
    ck_assert(!write_one(&writer, 0));
    /* Another slot's beginning changes nothing; the heir's does. */
    writer_of(10);
    for (uint32_t i = 1; i < room; i++)
        ck_assert(write_one(&writer, i));
    ck_assert(!write_one(&writer, 0));
    heir = writer_of(9);
    for (uint32_t i = 1; i < room; i++)
        ck_assert(write_one(&writer, i));
    ck_assert(write_one(&heir, 0));
}
END_TEST

START_TEST(an_overtaken_writer_drops)
{
    struct events_writer writer = writer_of(1);

    write_one(&writer, 1);
    atomic_store(&arena->events_head->next, arena->event_count);
    write_one(&writer, 2); /* a round later, into the same record */
    atomic_store(&arena->events_head->next, 0);
    ck_assert(!write_one(&writer, 3));
}
END_TEST

/* Whatever bytes there are: a reader ends, and stays inside of its copy. */
START_TEST(any_bytes_can_be_read)
{
    static const uint64_t nexts[] = {0, 1, 5, UINT64_MAX, UINT64_MAX >> 12, UINT64_C(1) << 40};
    struct events_reader reader;
    struct slice name, value;

    srand(7);
    for (size_t i = 0; i < sizeof(nexts) / sizeof(nexts[0]); i++) {
        unsigned char *bytes = (unsigned char *)arena->events;

        for (size_t j = 0; j < arena->event_count * sizeof(struct events_record); j++)
            bytes[j] = (unsigned char)rand();
        atomic_store(&arena->events_head->next, nexts[i]);
        events_begin_oldest(&reader, arena);
        for (uint64_t serial = reader.position; serial < reader.position + 64; serial++)
            atomic_store(&arena->events[serial & (arena->event_count - 1)].state, (serial + 1) << 12);
        for (int64_t now = 1; now < 200 * OVERDUE_NS; now += OVERDUE_NS)
            if (events_read(&reader, &event, now)) {
                const uint64_t *cell;
                size_t at = 0;
                int role = -1;

                for (int which = 0; which < EVENT_TEXTS; which++) {
                    struct slice text = event_get(&event, (enum event_text)which);

                    ck_assert(!text.data || (text.data >= event.room && text.data + text.size <= event.room + EVENT_ROOM));
                }
                while ((cell = event_next_cell(&event, &role)) != NULL)
                    ck_assert(cell >= event.cells[0] && cell < event.cells[EVENT_CELLS] && role < 8);
                while (event_next_key(&event, &at, &name, &value))
                    ck_assert(name.data >= event.room && value.data + value.size <= event.room + EVENT_ROOM);
            }
    }
}
END_TEST

START_TEST(what_is_there_is_read_at_once)
{
    struct events_writer writer = writer_of(1);
    struct events_reader reader;
    uint64_t seen = 0, end;

    for (uint64_t number = 0; number < arena->event_count + 100; number++)
        write_one(&writer, (int64_t)number);
    atomic_store(&arena->events[5].state, 1); /* one is busy for ever */
    end = events_count(arena);
    events_begin_at(&reader, arena, 0);
    while (events_read_kept(&reader, end, &event))
        seen++;
    ck_assert_uint_eq(seen, arena->event_count - 1);
    ck_assert(!events_read_kept(&reader, end, &event));
    events_begin_at(&reader, arena, 0); /* a number that nobody can have counted to */
    ck_assert(!events_read_kept(&reader, UINT64_MAX, &event));
}
END_TEST

/* ---- many writers, killed at any moment ---------------------------------------------------------------------------- */

#define WRITERS 4
#define KILLS   200

/* An event whose every part says the same number: a torn one would contradict itself. */
static void fill(struct event *out, uint64_t number)
{
    event_begin(out, EVENT_REJECT, (int64_t)number);
    event_set_numbers(out, (int64_t)number, (int64_t)number, (int64_t)number, (int64_t)number);
    for (size_t i = 0; i < EVENT_ROOM; i++)
        out->room[i] = (char)(number * 31);
}

static bool is_whole(const struct event *in)
{
    if (in->limit != in->wall_ns || in->wait_ns != in->wall_ns)
        return false;
    for (size_t i = 0; i < EVENT_ROOM; i++)
        if (in->room[i] != (char)(in->wall_ns * 31))
            return false;
    return true;
}

static pid_t start_writer(uint16_t number)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        static struct event own;
        struct events_writer writer = writer_of(number);

        for (uint64_t i = (uint64_t)number << 32;; i++) {
            fill(&own, i);
            events_write(&writer, &own);
        }
    }
    return pid;
}

static void end_writer(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(killed_writers_leave_no_torn_event)
{
    struct events_reader reader;
    pid_t pids[WRITERS];
    uint64_t seen = 0;
    uint32_t busy = 0;

    events_begin_oldest(&reader, arena);
    for (uint16_t i = 0; i < WRITERS; i++)
        pids[i] = start_writer(i);
    for (int kills = 0; kills < KILLS; kills++) {
        for (int i = 0; i < 500; i++)
            if (events_read(&reader, &event, moment_now().boot_ns)) {
                ck_assert_msg(is_whole(&event), "event %llu is torn", (unsigned long long)reader.position - 1);
                seen++;
            }
        end_writer(pids[kills % WRITERS]);
        pids[kills % WRITERS] = start_writer((uint16_t)(kills % WRITERS));
    }
    for (uint16_t i = 0; i < WRITERS; i++)
        end_writer(pids[i]);
    while (reader.position < events_count(arena))
        if (events_read(&reader, &event, moment_now().boot_ns)) {
            ck_assert(is_whole(&event));
            seen++;
        }
    ck_assert_uint_gt(seen, 1000);
    ck_assert_uint_eq(seen + reader.lost, events_count(arena));
    /* No more places are blocked than writers died and were not followed. */
    for (uint32_t i = 0; i < arena->event_count; i++)
        busy += atomic_load(&arena->events[i].state) & 1;
    ck_assert_uint_le(busy, WRITERS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("events");
    TCase *tests = tcase_create("events");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, open_arena, close_arena);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, events_come_in_order);
    tcase_add_test(tests, a_lapped_reader_knows_how_many);
    tcase_add_test(tests, a_reader_can_go_on_where_another_stopped);
    tcase_add_test(tests, a_half_written_record_is_passed_over_and_counted);
    tcase_add_test(tests, nobody_writes_into_a_busy_record);
    tcase_add_test(tests, an_overtaken_writer_drops);
    tcase_add_test(tests, any_bytes_can_be_read);
    tcase_add_test(tests, what_is_there_is_read_at_once);
    tcase_add_test(tests, killed_writers_leave_no_torn_event);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
