/* SPDX-License-Identifier: MPL-2.0
 *
 * Calendar windows by the rules of the zones' laws, without any time zone database: central European and north American
 * summer time as they have been since 2007, and India, which has none.
 */
#include "tests/policy/oracle/model.h"

#define DAY INT64_C(86400)

struct date {
    int64_t year;
    int month; /* 1 to 12 */
};

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_length(int64_t year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : lengths[month - 1];
}

/* Days from 1970-01-01 to the first of a month from 1970 on. */
static int64_t first_of(int64_t year, int month)
{
    int64_t days = 0;

    for (int64_t y = 1970; y < year; y++)
        days += is_leap(y) ? 366 : 365;
    for (int m = 1; m < month; m++)
        days += month_length(year, m);
    return days;
}

static struct date date_of(int64_t day)
{
    struct date date = {1970 + day / 366, 1};

    while (first_of(date.year + 1, 1) <= day)
        date.year++;
    while (date.month < 12 && first_of(date.year, date.month + 1) <= day)
        date.month++;
    return date;
}

/* 0 = Sunday; 1970-01-01 was a Thursday. */
static int weekday(int64_t day)
{
    return (int)((day + 4) % 7);
}

/* The last Sunday of a month, or the N-th. */
static int64_t sunday(int64_t year, int month, int n)
{
    int64_t first = first_of(year, month), day = first + (7 - weekday(first)) % 7 + (n > 0 ? (n - 1) * 7 : 28);

    return n > 0 || day < first + month_length(year, month) ? day : day - 7;
}

static int64_t offset_of(enum world_zone zone, int64_t now_s)
{
    int64_t year = date_of(now_s / DAY).year;

    switch (zone) {
    case WORLD_BERLIN:
        return now_s >= sunday(year, 3, 0) * DAY + 3600 && now_s < sunday(year, 10, 0) * DAY + 3600 ? 7200 : 3600;
    case WORLD_NEW_YORK:
        return now_s >= sunday(year, 3, 2) * DAY + 7 * 3600 && now_s < sunday(year, 11, 1) * DAY + 6 * 3600 ? -14400
                                                                                                            : -18000;
    case WORLD_KOLKATA:
        return 19800;
    case WORLD_UTC:
    case WORLD_ZONES:
        break;
    }
    return 0;
}

/* The instant of a local midnight; none of these zones changes its clocks near one. */
static int64_t midnight(enum world_zone zone, int64_t day)
{
    return day * DAY - offset_of(zone, day * DAY - offset_of(zone, day * DAY));
}

int64_t model_calendar_end(enum world_period period, enum world_zone zone, int64_t now_s)
{
    static const int64_t lengths[] = {60, 300, 3600};
    int64_t local = now_s + offset_of(zone, now_s), today = local / DAY, next = today + 1;
    struct date date = date_of(today);

    switch (period) {
    case WORLD_1M:
    case WORLD_5M:
    case WORLD_1H:
        return now_s + lengths[period] - local % lengths[period];
    case WORLD_1D:
    case WORLD_PERIODS:
        break;
    case WORLD_7D:
        while (weekday(next) != 1)
            next++;
        break;
    case WORLD_30D:
        next = today / 30 * 30 + 30;
        break;
    case WORLD_MONTH:
        next = first_of(date.year, date.month) + month_length(date.year, date.month);
        break;
    }
    return midnight(zone, next);
}
