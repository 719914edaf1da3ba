/* SPDX-License-Identifier: MPL-2.0
 *
 * Calendar windows: see calendar.h. UTC is plain arithmetic; a named zone goes through localtime_r and mktime.
 */
#include "policy/calendar.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <stdio.h>

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define DAY         86400
#define MONDAY      4 /* 1970-01-05 was the first Monday */

/* Length of the periods that have one, in seconds. */
static const int64_t lengths[CALENDAR_PERIODS] = {
    [CALENDAR_1M] = 60,      [CALENDAR_5M] = 300,      [CALENDAR_1H] = 3600,
    [CALENDAR_1D] = DAY,     [CALENDAR_7D] = 7 * DAY,  [CALENDAR_30D] = 30 * DAY,
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

static struct days find_days(enum calendar_period period, const struct tm *date)
{
    int64_t today = days_of(date), length = lengths[period] / DAY;
    struct days days;

    if (period == CALENDAR_MONTH) {
        struct tm first = {.tm_year = date->tm_year, .tm_mon = date->tm_mon, .tm_mday = 1};
        struct tm next = {.tm_year = date->tm_year, .tm_mon = date->tm_mon + 1, .tm_mday = 1};

        return (struct days){timegm(&first) / DAY, timegm(&next) / DAY};
    }
    days.first = period == CALENDAR_7D ? floor_to(today - MONDAY, length) + MONDAY : floor_to(today, length);
    days.next = days.first + length;
    return days;
}

/* Local midnight of a day, or what follows it where daylight saving skips it. */
static int64_t midnight(int64_t day)
{
    time_t noon = (time_t)day * DAY + DAY / 2;
    struct tm date, local;
    time_t result;

    gmtime_r(&noon, &date);
    date.tm_hour = 0;
    date.tm_isdst = -1;
    result = mktime(&date);
    /* A midnight that does not exist may come out an hour early, on the day before. */
    localtime_r(&result, &local);
    return days_of(&local) < day ? (int64_t)result + 3600 : (int64_t)result;
}

static struct calendar_window find_local(enum calendar_period period, int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct calendar_window window;
    struct tm local;
    struct days days;

    localtime_r(&now, &local);
    if (lengths[period] && lengths[period] < DAY) {
        window.start_s = now_s - (local.tm_min * 60 + local.tm_sec) % lengths[period];
        window.end_s = window.start_s + lengths[period];
        return window;
    }
    days = find_days(period, &local);
    return (struct calendar_window){midnight(days.first), midnight(days.next)};
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
        time_t now = (time_t)now_s;
        struct tm date;
        struct days days;

        gmtime_r(&now, &date);
        days = find_days(period, &date);
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
    char path[160];
    struct stat status;

    if (zone[0] == '\0' || zone[0] == '/' || strstr(zone, "..") || strlen(zone) > 64 ||
        strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") != strlen(zone))
        return false;
    snprintf(path, sizeof(path), ZONE_FOLDER "/%s", zone);
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}
