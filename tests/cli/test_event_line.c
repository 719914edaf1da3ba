/* SPDX-License-Identifier: MPL-2.0
 *
 * Events as lines: what is printed, what is read back, and what is no event.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/event_line.h"
#include "shm/event_print.h"
#include "shm/events.h"
#include "shm/moment.h"

#define WHEN (INT64_C(1767225600) * NANOSECONDS_PER_SECOND + 123456789)

static struct event event, again;
static char line[EVENT_PRINT_SIZE + 1];

static const char *json(const struct event *of)
{
    line[event_print_json(of, line)] = '\0';
    return line;
}

static const char *text(const struct event *of)
{
    line[event_print_text(of, line)] = '\0';
    return line;
}

static void fill(void)
{
    event_begin(&event, EVENT_REJECT, WHEN);
    event_add(&event, EVENT_TEXT_REASON, SLICE("rate_limit_exceeded"));
    event_add(&event, EVENT_TEXT_POLICY, SLICE("p"));
    event_add(&event, EVENT_TEXT_RULE, SLICE("r"));
    event_add(&event, EVENT_TEXT_METHOD, SLICE("GET"));
    event_add(&event, EVENT_TEXT_PATH, SLICE("/a\"b"));
    event_add_key(&event, SLICE("ip:address"), SLICE("10.0.0.1"));
    event_add_key(&event, SLICE("header:x-a"), SLICE("b\x01\xff"));
    event.rule_keys = 1;
    event_set_numbers(&event, 10000000, -500000, 1250000, 1500000001);
    event.status = 429;
    event.generation = 7;
    event.writer = 2;
    event.warnings = 5;
    ck_assert(address_parse(SLICE("10.0.0.1"), &event.client));
}

START_TEST(a_line_says_everything)
{
    fill();
    ck_assert_str_eq(json(&event),
                     "{\"time\":\"2026-01-01T00:00:00.123Z\",\"action\":\"reject\",\"reason\":\"rate_limit_exceeded\","
                     "\"policy\":\"p\",\"rule\":\"r\",\"method\":\"GET\",\"path\":\"/a\\\"b\",\"client\":\"10.0.0.1\","
                     "\"keys\":{\"ip:address\":\"10.0.0.1\"},\"other_keys\":{\"header:x-a\":\"b\\u0001\\ufffd\"},"
                     "\"limit\":10,\"remaining\":-0.5,\"cost\":1.25,\"wait_ms\":1501,"
                     "\"warnings\":[\"budget_warn\",\"loop_warn\"],\"status\":429,\"generation\":7,\"worker\":2}\n");
    ck_assert_str_eq(text(&event), "2026-01-01T00:00:00.123Z reject       rate_limit_exceeded p/r ip:address=10.0.0.1 "
                                   "-0.5/10 cost 1.25 wait 1501 ms budget_warn loop_warn GET /a\"b "
                                   "from 10.0.0.1\n");
}
END_TEST

START_TEST(an_audit_says_who_and_what)
{
    static const char expected[] =
        "{\"time\":\"2026-01-01T00:00:00.123Z\",\"action\":\"audit\",\"reason\":\"push\",\"note\":\"ticket 7\","
        "\"detail\":\"as told\",\"version\":\"2\",\"version_before\":\"1\",\"hash\":\"0123456789abcdef\","
        "\"hash_before\":\"fedcba9876543210\",\"uid\":1000,\"pid\":77,\"generation_before\":3,\"generation\":4}\n";

    event_begin(&event, EVENT_AUDIT, WHEN / 1000000 * 1000000);
    event_add(&event, EVENT_TEXT_REASON, SLICE("push"));
    event_add(&event, EVENT_TEXT_NOTE, SLICE("ticket 7"));
    event_add(&event, EVENT_TEXT_DETAIL, SLICE("as told"));
    event_add(&event, EVENT_TEXT_VERSION, SLICE("2"));
    event_add(&event, EVENT_TEXT_VERSION_BEFORE, SLICE("1"));
    event_add(&event, EVENT_TEXT_HASH, SLICE("0123456789abcdef"));
    event_add(&event, EVENT_TEXT_HASH_BEFORE, SLICE("fedcba9876543210"));
    event.writer = EVENTS_WRITER_DOOR;
    event.flags |= EVENT_HAS_WHO;
    event.uid = 1000;
    event.pid = 77;
    event.generation_before = 3;
    event.generation = 4;
    ck_assert_str_eq(json(&event), expected);
    ck_assert_str_eq(text(&event), "2026-01-01T00:00:00.123Z audit        push by uid 1000 (pid 77), as told, version 1 -> 2, "
                                   "generation 3 -> 4, sha256 fedcba987654 -> 0123456789ab - ticket 7\n");
    ck_assert(event_line_parse((struct slice){expected, sizeof(expected) - 2}, &again));
    ck_assert_str_eq(json(&again), expected);
    event_begin(&event, EVENT_AUDIT, WHEN);
    event_add(&event, EVENT_TEXT_REASON, SLICE("reset"));
    event_add_key(&event, SLICE("header:x"), SLICE("a"));
    event.rule_keys = 1;
    event.writer = EVENTS_WRITER_DOOR;
    event_add(&event, EVENT_TEXT_VERSION, SLICE("2"));
    event.generation = 4;
    ck_assert_str_eq(text(&event), "2026-01-01T00:00:00.123Z audit        reset header:x=a, version 2, generation 4\n");
}
END_TEST

START_TEST(what_is_printed_is_read_back)
{
    char first[EVENT_PRINT_SIZE + 1];

    fill();
    event.room[event.keys_at + 2 + sizeof("header:x-a") + 1] = 'c'; /* what is no UTF-8 comes back as U+FFFD, not as itself */
    event.wait_ns = 1501000000;
    event.wall_ns = WHEN / 1000000 * 1000000;
    memcpy(first, json(&event), sizeof(first));
    ck_assert(event_line_parse((struct slice){first, strlen(first) - 1}, &again));
    ck_assert_str_eq(first, json(&again));
    event.wait_ns = INT64_MAX;
    event.writer = EVENTS_WRITER_DOOR;
    ck_assert_ptr_nonnull(strstr(json(&event), "\"wait_ms\":null"));
    ck_assert_ptr_null(strstr(json(&event), "\"worker\""));
}
END_TEST

START_TEST(other_lines_are_no_events)
{
    static const char *const lines[] = {
        "",
        "{}",
        "[]",
        "2026-01-01T00:00:00.000Z info master: started",
        "{\"time\":\"2026-01-01T00:00:00.000Z\",\"level\":\"info\",\"who\":\"master\",\"message\":\"started\"}",
        "{\"time\":\"2026-01-01T00:00:00.000Z\",\"action\":\"fly\"}",
        "{\"time\":\"2026-01-01\",\"action\":\"reject\"}",
        "{\"time\":\"2026-13-01T00:00:00.000Z\",\"action\":\"reject\"}",
        "{\"time\":7,\"action\":\"reject\"}",
        "{\"time\":\"2026-01-01T00:00:00.000Z\",\"action\":\"reject\"",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ck_assert_msg(!event_line_parse(slice_of(lines[i]), &event), "%s", lines[i]);
    ck_assert(event_line_parse(SLICE("{\"x\":[{}],\"time\":\"2026-01-01T00:00:00.000Z\",\"action\":\"allow\"}"), &event));
    ck_assert_int_eq(event.wall_ns, INT64_C(1767225600) * NANOSECONDS_PER_SECOND);
}
END_TEST

START_TEST(too_long_texts_are_cut_at_characters)
{
    char value[300];
    struct slice got, name;
    size_t at = 0;

    for (size_t i = 0; i < sizeof(value); i += 2)
        memcpy(value + i, "\xc3\xa9", 2);
    event_begin(&event, EVENT_ALLOW, WHEN);
    event_add(&event, EVENT_TEXT_POLICY, (struct slice){value + 1, 101}); /* its 64th byte is in a character */
    event_add_key(&event, SLICE("k"), (struct slice){value, sizeof(value)});
    got = event_get(&event, EVENT_TEXT_POLICY);
    ck_assert_uint_eq(got.size, 63);
    ck_assert(event_next_key(&event, &at, &name, &got));
    ck_assert_uint_eq(got.size, EVENT_VALUE_MOST);
    ck_assert_ptr_nonnull(strstr(json(&event), "\"cut\":true"));
    /* Much more than there is room for. */
    for (int i = 0; i < 10; i++)
        event_add_key(&event, SLICE("key"), (struct slice){value, sizeof(value)});
    for (int which = 0; which < EVENT_TEXTS; which++)
        event_add(&event, (enum event_text)which, (struct slice){value, sizeof(value)});
    ck_assert_uint_le(event.used, event.keys_at);
    ck_assert(event_line_parse((struct slice){line, event_print_json(&event, line) - 1}, &again));
}
END_TEST

/* Any bytes make one whole line of JSON. */
START_TEST(any_event_makes_one_line)
{
    srand(11);
    for (int i = 0; i < 3000; i++) {
        size_t size;

        for (size_t j = 0; j < sizeof(event); j++)
            ((unsigned char *)&event)[j] = (unsigned char)(rand() >> 5);
        for (int which = 0; which < EVENT_TEXTS; which++)
            if (rand() % 2)
                event.at[which] = 0;
        event.keys_at = (uint16_t)(rand() % EVENT_ROOM);
        event.action = (uint8_t)(rand() % EVENT_ACTIONS);
        event.wall_ns = WHEN;
        memset(event.room, i % 2 ? 1 : 0xff, EVENT_ROOM);
        size = event_print_json(&event, line);
        ck_assert_uint_lt(size, EVENT_PRINT_SIZE);
        ck_assert(line[size - 1] == '\n' && !memchr(line, '\n', size - 1));
        ck_assert_msg(event_line_parse((struct slice){line, size - 1}, &again), "%.3000s", line);
        size = event_print_text(&event, line);
        ck_assert(line[size - 1] == '\n' && !memchr(line, '\n', size - 1) && !memchr(line, 1, size));
    }
}
END_TEST

START_TEST(numbers_are_exact)
{
    static const struct {
        int64_t number;
        const char *text;
    } rows[] = {{0, "0"},
                {1, "0.000001"},
                {-1, "-0.000001"},
                {1000000, "1"},
                {12345678900000, "12345678.9"},
                {INT64_MAX, "9223372036854.775807"},
                {INT64_MIN, "-9223372036854.775808"}};
    char out[EVENT_PRINT_NUMBER_SIZE];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_uint_eq(event_print_number(rows[i].number, out), strlen(rows[i].text));
        ck_assert_str_eq(out, rows[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_line");
    TCase *tests = tcase_create("event_line");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, a_line_says_everything);
    tcase_add_test(tests, an_audit_says_who_and_what);
    tcase_add_test(tests, what_is_printed_is_read_back);
    tcase_add_test(tests, other_lines_are_no_events);
    tcase_add_test(tests, too_long_texts_are_cut_at_characters);
    tcase_add_test(tests, any_event_makes_one_line);
    tcase_add_test(tests, numbers_are_exact);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
