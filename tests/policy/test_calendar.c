/* SPDX-License-Identifier: MPL-2.0
 *
 * Calendar windows: midnight UTC, Mondays, ends of months, leap days, both changes of summer time, zones that change
 * their clocks at midnight, by half an hour, or skip a day; and that windows hold the moment they were asked for and
 * follow each other over ten years.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "policy/calendar.h"

#define DAY INT64_C(86400)

/* Without tzdata these tests prove nothing. */
static void need_zone(const char *zone)
{
    ck_assert_msg(zone[0] == '\0' || calendar_has_zone(zone), "the system has no time zone %s; install tzdata", zone);
}

/* Seconds since 1970 of "YYYY-MM-DD hh:mm[:ss]", UTC. */
static int64_t utc(const char *text)
{
    struct tm date = {0};

    ck_assert_msg(strptime(text, strlen(text) > 16 ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", &date) != NULL, "%s",
                  text);
    return timegm(&date);
}

static const struct row {
    enum calendar_period period;
    const char *zone, *now, *start, *end; /* all in UTC */
} rows[] = {
    /* midnight UTC */
    {CALENDAR_1D, "", "2026-07-14 23:59:59", "2026-07-14 00:00", "2026-07-15 00:00"},
    {CALENDAR_1D, "", "2026-07-15 00:00:00", "2026-07-15 00:00", "2026-07-16 00:00"},
    {CALENDAR_1M, "", "2026-07-15 00:00:00", "2026-07-15 00:00", "2026-07-15 00:01"},
    {CALENDAR_5M, "", "2026-07-14 23:59:59", "2026-07-14 23:55", "2026-07-15 00:00"},
    {CALENDAR_1H, "", "2026-07-15 12:59:59", "2026-07-15 12:00", "2026-07-15 13:00"},
    /* Monday */
    {CALENDAR_7D, "", "2026-07-12 23:59:59", "2026-07-06 00:00", "2026-07-13 00:00"},
    {CALENDAR_7D, "", "2026-07-13 00:00:00", "2026-07-13 00:00", "2026-07-20 00:00"},
    {CALENDAR_7D, "", "2026-01-01 12:00:00", "2025-12-29 00:00", "2026-01-05 00:00"},
    {CALENDAR_7D, "Europe/Berlin", "2026-07-12 21:59:59", "2026-07-05 22:00", "2026-07-12 22:00"},
    {CALENDAR_7D, "Europe/Berlin", "2026-07-12 22:00:00", "2026-07-12 22:00", "2026-07-19 22:00"},
    {CALENDAR_7D, "Europe/Berlin", "2026-03-25 12:00:00", "2026-03-22 23:00", "2026-03-29 22:00"},
    /* 30 days from 1970-01-01 */
    {CALENDAR_30D, "", "1970-01-30 23:59:59", "1970-01-01 00:00", "1970-01-31 00:00"},
    {CALENDAR_30D, "", "1970-01-31 00:00:00", "1970-01-31 00:00", "1970-03-02 00:00"},
    /* ends of months and leap days */
    {CALENDAR_MONTH, "", "2026-04-30 23:59:59", "2026-04-01 00:00", "2026-05-01 00:00"},
    {CALENDAR_MONTH, "", "2026-12-31 23:59:59", "2026-12-01 00:00", "2027-01-01 00:00"},
    {CALENDAR_MONTH, "", "2024-02-29 23:59:59", "2024-02-01 00:00", "2024-03-01 00:00"},
    {CALENDAR_MONTH, "", "2000-02-29 12:00:00", "2000-02-01 00:00", "2000-03-01 00:00"},
    {CALENDAR_MONTH, "", "2100-02-28 23:59:59", "2100-02-01 00:00", "2100-03-01 00:00"},
    {CALENDAR_MONTH, "", "2100-03-01 00:00:00", "2100-03-01 00:00", "2100-04-01 00:00"},
    {CALENDAR_1D, "", "2024-02-29 12:00:00", "2024-02-29 00:00", "2024-03-01 00:00"},
    {CALENDAR_MONTH, "Europe/Berlin", "2026-03-31 21:59:59", "2026-02-28 23:00", "2026-03-31 22:00"},
    {CALENDAR_MONTH, "America/New_York", "2026-12-01 04:59:59", "2026-11-01 04:00", "2026-12-01 05:00"},
    {CALENDAR_MONTH, "Asia/Kolkata", "2024-02-29 18:29:59", "2024-01-31 18:30", "2024-02-29 18:30"},
    /* both changes of summer time: a day of 23 hours, a day of 25, and hours that are hours all the same */
    {CALENDAR_1D, "Europe/Berlin", "2026-03-29 12:00:00", "2026-03-28 23:00", "2026-03-29 22:00"},
    {CALENDAR_1D, "Europe/Berlin", "2026-10-25 12:00:00", "2026-10-24 22:00", "2026-10-25 23:00"},
    {CALENDAR_1H, "Europe/Berlin", "2026-03-29 01:00:00", "2026-03-29 01:00", "2026-03-29 02:00"},
    {CALENDAR_1H, "Europe/Berlin", "2026-10-25 00:30:00", "2026-10-25 00:00", "2026-10-25 01:00"},
    {CALENDAR_1H, "Europe/Berlin", "2026-10-25 01:30:00", "2026-10-25 01:00", "2026-10-25 02:00"},
    {CALENDAR_1D, "America/New_York", "2026-03-08 12:00:00", "2026-03-08 05:00", "2026-03-09 04:00"},
    {CALENDAR_1D, "America/New_York", "2026-11-01 12:00:00", "2026-11-01 04:00", "2026-11-02 05:00"},
    /* the clocks of Cairo go from 0:00 to 1:00, and back from 24:00 to 23:00 */
    {CALENDAR_1D, "Africa/Cairo", "2024-04-25 21:59:59", "2024-04-24 22:00", "2024-04-25 22:00"},
    {CALENDAR_1D, "Africa/Cairo", "2024-04-25 22:00:00", "2024-04-25 22:00", "2024-04-26 21:00"},
    {CALENDAR_1D, "Africa/Cairo", "2024-10-31 21:30:00", "2024-10-30 21:00", "2024-10-31 22:00"},
    {CALENDAR_1D, "Africa/Cairo", "2024-10-31 22:00:00", "2024-10-31 22:00", "2024-11-01 22:00"},
    /* those of Havana pass midnight twice in autumn: the day begins with the first */
    {CALENDAR_1D, "America/Havana", "2023-11-05 04:30:00", "2023-11-05 04:00", "2023-11-06 05:00"},
    {CALENDAR_1D, "America/Havana", "2023-11-05 05:30:00", "2023-11-05 04:00", "2023-11-06 05:00"},
    {CALENDAR_1D, "America/Havana", "2023-03-12 05:00:00", "2023-03-12 05:00", "2023-03-13 04:00"},
    {CALENDAR_1D, "America/Asuncion", "2023-10-01 04:00:00", "2023-10-01 04:00", "2023-10-02 03:00"},
    {CALENDAR_1D, "America/Asuncion", "2024-03-24 03:30:00", "2024-03-23 03:00", "2024-03-24 04:00"},
    /* half hours: India always, Lord Howe Island twice a year */
    {CALENDAR_1D, "Asia/Kolkata", "2026-07-14 18:29:59", "2026-07-13 18:30", "2026-07-14 18:30"},
    {CALENDAR_1D, "Asia/Kolkata", "2026-07-14 18:30:00", "2026-07-14 18:30", "2026-07-15 18:30"},
    {CALENDAR_1H, "Asia/Kolkata", "2026-07-14 18:45:00", "2026-07-14 18:30", "2026-07-14 19:30"},
    {CALENDAR_1D, "Australia/Lord_Howe", "2026-04-05 00:00:00", "2026-04-04 13:00", "2026-04-05 13:30"},
    {CALENDAR_1H, "Australia/Lord_Howe", "2026-04-04 14:45:00", "2026-04-04 14:00", "2026-04-04 15:00"},
    {CALENDAR_1H, "Australia/Lord_Howe", "2026-04-04 15:15:00", "2026-04-04 15:00", "2026-04-04 15:30"},
    {CALENDAR_1H, "Australia/Lord_Howe", "2026-10-03 15:45:00", "2026-10-03 15:30", "2026-10-03 16:00"},
    /* Samoa had no 30th of December 2011 */
    {CALENDAR_1D, "Pacific/Apia", "2011-12-30 09:59:59", "2011-12-29 10:00", "2011-12-30 10:00"},
    {CALENDAR_1D, "Pacific/Apia", "2011-12-30 10:00:00", "2011-12-30 10:00", "2011-12-31 10:00"},
};

START_TEST(a_window)
{
    const struct row *row = &rows[_i];
    struct calendar_window window;

    need_zone(row->zone);
    window = calendar_find(row->period, row->zone, utc(row->now));
    ck_assert_msg(window.start_s == utc(row->start), "%s at %s begins %" PRId64 " s late", row->zone, row->now,
                  window.start_s - utc(row->start));
    ck_assert_msg(window.end_s == utc(row->end), "%s at %s ends %" PRId64 " s late", row->zone, row->now,
                  window.end_s - utc(row->end));
}
END_TEST

/* ---- windows follow each other -------------------------------------------------------------------------------------
 */

static const char *const zones[] = {
    "",
    "Europe/Berlin",
    "America/New_York",
    "Africa/Cairo",
    "America/Asuncion",
    "America/Havana",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
};

#define ZONES ((int)(sizeof(zones) / sizeof(zones[0])))

static uint64_t roll(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* From window to window, asked at its first second, its last and somewhere between: always the same window. */
static void walk(enum calendar_period period, const char *zone, int64_t from, int64_t to)
{
    uint64_t state = (uint64_t)from + period;
    int64_t now = from;

    while (now < to) {
        struct calendar_window window = calendar_find(period, zone, now), again;
        int64_t asked[3];

        ck_assert_msg(window.start_s <= now && now < window.end_s, "%s: %" PRId64 " is not in its window", zone, now);
        if (now != from)
            ck_assert_msg(window.start_s == now, "%s: a window begins at %" PRId64 " and not at %" PRId64, zone,
                          window.start_s, now);
        asked[0] = window.start_s;
        asked[1] = window.end_s - 1;
        asked[2] = window.start_s + (int64_t)(roll(&state) % (uint64_t)(window.end_s - window.start_s));
        for (int i = 0; i < 3; i++) {
            again = calendar_find(period, zone, asked[i]);
            ck_assert_msg(again.start_s == window.start_s && again.end_s == window.end_s,
                          "%s: %" PRId64 " lies in another window than %" PRId64, zone, asked[i], now);
        }
        now = window.end_s;
    }
}

/* Days, weeks and months over ten years that have the changes of all of these zones. */
START_TEST(long_windows_tile_ten_years)
{
    need_zone(zones[_i]);
    for (int period = CALENDAR_1D; period < CALENDAR_PERIODS; period++)
        walk((enum calendar_period)period, zones[_i], utc("2006-06-15 10:20"), utc("2016-06-15 10:20"));
    walk(CALENDAR_1D, zones[_i], utc("2020-01-01 10:20"), utc("2030-01-01 10:20"));
}
END_TEST

/* Short windows around every change of the clocks in two years, and for an hour of a day without one. */
START_TEST(short_windows_tile)
{
    const char *zone = zones[_i];

    need_zone(zone);
    walk(CALENDAR_1M, zone, utc("2025-01-01 10:20") + 7, utc("2025-01-01 11:20"));
    for (int64_t day = utc("2024-01-01 00:00"); day < utc("2026-01-01 00:00"); day += DAY) {
        struct calendar_window window = calendar_find(CALENDAR_1D, zone, day);

        if (window.end_s - window.start_s == DAY)
            continue;
        walk(CALENDAR_1M, zone, window.start_s + 7, window.start_s + 4 * 3600);
        walk(CALENDAR_5M, zone, window.start_s - 3600 + 7, window.end_s + 3600);
        walk(CALENDAR_1H, zone, window.start_s - DAY + 7, window.end_s + DAY);
    }
}
END_TEST

/* What the C library remembers of one zone must not be seen in another, and the caller's own zone must not matter. */
START_TEST(zones_do_not_mix)
{
    uint64_t state = 1;

    for (int i = 0; i < 5000; i++) {
        const char *zone = zones[roll(&state) % (uint64_t)ZONES];
        enum calendar_period period = (enum calendar_period)(roll(&state) % CALENDAR_PERIODS);
        int64_t now = utc("2020-01-01 00:00") + (int64_t)(roll(&state) % (uint64_t)(3650 * DAY));
        struct calendar_window window, again;

        need_zone(zone);
        window = calendar_find(period, zone, now);
        calendar_find(CALENDAR_1D, "America/Havana", now + (int64_t)i);
        again = calendar_find(period, zone, now);
        ck_assert(window.start_s <= now && now < window.end_s);
        ck_assert(window.start_s == again.start_s && window.end_s == again.end_s);
    }
}
END_TEST

static const struct {
    const char *name;
    bool is_zone;
} names[] = {
    {"Europe/Berlin", true},
    {"UTC", true},
    {"Etc/GMT+5", true},
    {"", false},
    {"Europe", false},
    {"Europe/Atlantis", false},
    {"/etc/passwd", false},
    {"../../../etc/passwd", false},
    {"zone.tab", false},
    {"tzdata.zi", false},
    {":Europe/Berlin", false},
    {"CET-1CEST", false},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     false},
};

START_TEST(only_zones_are_zones)
{
    ck_assert_msg(calendar_has_zone(names[_i].name) == names[_i].is_zone, "%s", names[_i].name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calendar");
    TCase *tests = tcase_create("calendar");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, a_window, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_loop_test(tests, long_windows_tile_ten_years, 0, ZONES);
    tcase_add_loop_test(tests, short_windows_tile, 0, ZONES);
    tcase_add_test(tests, zones_do_not_mix);
    tcase_add_loop_test(tests, only_zones_are_zones, 0, (int)(sizeof(names) / sizeof(names[0])));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
