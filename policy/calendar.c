/* SPDX-License-Identifier: MPL-2.0
 *
 * Calendar windows: see calendar.h. UTC is plain arithmetic; a named zone goes through localtime_r. Days begin where
 * begin_of says and nowhere else, so that windows follow each other without a gap and without overlap, whatever a zone
 * does with its clocks.
 */
#include "policy/calendar.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define DAY         86400
#define MONDAY      4 /* 1970-01-05 was the first Monday */

/* No zone is farther ahead of UTC, and clocks change at quarters of an hour. */
#define FARTHEST_EAST (16 * 3600)
#define SEARCH_STEP   900

/* Length of the periods that have one, in seconds. */
static const int64_t lengths[CALENDAR_PERIODS] = {
    [CALENDAR_1M] = 60,  [CALENDAR_5M] = 300,     [CALENDAR_1H] = 3600,
    [CALENDAR_1D] = DAY, [CALENDAR_7D] = 7 * DAY, [CALENDAR_30D] = 30 * DAY,
};

/* Largest multiple of LENGTH at or below VALUE. */
static int64_t floor_to(int64_t value, int64_t length)
{
    int64_t rest = value % length;

    return value - (rest < 0 ? rest + length : rest);
}

/* Days since 1970-01-01 of a local date, and the first of its window and of the next. */
struct days {
    int64_t first, next;
};

static int64_t days_of(const struct tm *date)
{
    struct tm copy = {.tm_year = date->tm_year, .tm_mon = date->tm_mon, .tm_mday = date->tm_mday};

    return floor_to(timegm(&copy), DAY) / DAY;
}

static struct days find_days(enum calendar_period period, int64_t today)
{
    int64_t length = lengths[period] / DAY, shift = period == CALENDAR_7D ? MONDAY : 0;
    time_t noon = (time_t)(today * DAY + DAY / 2);
    struct tm date;

    if (period == CALENDAR_MONTH) {
        struct tm first, next;

        gmtime_r(&noon, &date);
        first = (struct tm){.tm_year = date.tm_year, .tm_mon = date.tm_mon, .tm_mday = 1};
        next = (struct tm){.tm_year = date.tm_year, .tm_mon = date.tm_mon + 1, .tm_mday = 1};
        return (struct days){timegm(&first) / DAY, timegm(&next) / DAY};
    }
    today = floor_to(today - shift, length) + shift;
    return (struct days){today, today + length};
}

/* ---- in the zone that is set ------------------------------------------------------------------------------------- */

static int64_t local_day(int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm date;

    localtime_r(&now, &date);
    return days_of(&date);
}

static long offset_at(int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm date;

    localtime_r(&now, &date);
    return date.tm_gmtoff;
}

/* First instant of a local day: midnight, or what follows it where the clocks skip it; the first of two where they pass
 * it twice. A day that a zone skips begins with the next. The C library's mktime would guess, and not always the same.
 */
static int64_t begin_of(int64_t day)
{
    int64_t guess = day * DAY - offset_at(day * DAY + DAY / 2);
    int64_t low = day * DAY - FARTHEST_EAST, high;

    if (local_day(guess) == day && local_day(guess - 1) == day - 1)
        return guess;
    for (high = low + SEARCH_STEP; local_day(high) < day; high += SEARCH_STEP)
        low = high;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if (local_day(middle) < day)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* The day that an instant belongs to, by where days begin: clocks that are put back may show yesterday's date again. */
static int64_t day_at(int64_t now_s)
{
    int64_t day = local_day(now_s);

    while (begin_of(day) > now_s)
        day--;
    while (begin_of(day + 1) <= now_s)
        day++;
    return day;
}

/* First instant in (FROM, TO] at which the clocks differ from what they were at FROM; TO when there is none. */
static int64_t clocks_change(int64_t from, int64_t to)
{
    long offset = offset_at(from);

    if (offset_at(to) == offset)
        return to;
    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;

        if (offset_at(middle) == offset)
            from = middle;
        else
            to = middle;
    }
    return to;
}

/* Part of a local hour. Where the clocks change by half an hour, a window ends at the change and another begins. */
static struct calendar_window find_short(int64_t length, int64_t now_s)
{
    int64_t local = now_s + offset_at(now_s), start = now_s - (local - floor_to(local, length));
    struct calendar_window window = {start, start + length};

    if (offset_at(start) != offset_at(now_s))
        window.start_s = clocks_change(start, now_s);
    if (offset_at(window.end_s - 1) != offset_at(now_s))
        window.end_s = clocks_change(now_s, window.end_s - 1);
    return window;
}

static struct calendar_window find_local(enum calendar_period period, int64_t now_s)
{
    struct days days;

    if (lengths[period] && lengths[period] < DAY)
        return find_short(lengths[period], now_s);
    days = find_days(period, day_at(now_s));
    return (struct calendar_window){begin_of(days.first), begin_of(days.next)};
}

struct calendar_window calendar_find(enum calendar_period period, const char *zone, int64_t now_s)
{
    struct calendar_window window;
    char name[96];

    if (zone[0] != '\0') {
        snprintf(name, sizeof(name), ":%s", zone);
        setenv("TZ", name, 1);
        tzset();
        window = find_local(period, now_s);
        setenv("TZ", ":UTC", 1);
        tzset();
    } else if (period == CALENDAR_MONTH) {
        struct days days = find_days(period, floor_to(now_s, DAY) / DAY);

        window = (struct calendar_window){days.first * DAY, days.next * DAY};
    } else {
        int64_t shift = period == CALENDAR_7D ? MONDAY * DAY : 0;

        window.start_s = floor_to(now_s - shift, lengths[period]) + shift;
        window.end_s = window.start_s + lengths[period];
    }
    return window;
}

bool calendar_has_zone(const char *zone)
{
    char path[160], magic[4];
    struct stat status;
    bool is_zone;
    int fd;

    if (zone[0] == '\0' || zone[0] == '/' || strstr(zone, "..") || strlen(zone) > 64 ||
        strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") != strlen(zone))
        return false;
    snprintf(path, sizeof(path), ZONE_FOLDER "/%s", zone);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    is_zone = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
              read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) && memcmp(magic, "TZif", sizeof(magic)) == 0;
    close(fd);
    return is_zone;
}
