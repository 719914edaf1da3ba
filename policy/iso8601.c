/* SPDX-License-Identifier: MPL-2.0
 *
 * Gregorian dates to seconds and back, without the C library's time zone machinery.
 */
#include "policy/iso8601.h"

#include <stdio.h>

#define DAY_SECONDS INT64_C(86400)
#define LATEST      INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static bool is_leap_year(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap_year(year));
}

/* Days from 1970-01-01 to January 1 of YEAR. */
static int64_t days_before_year(int year)
{
    int64_t y = year - 1;

    return 365 * (y - 1969) + (y / 4 - 1969 / 4) - (y / 100 - 1969 / 100) + (y / 400 - 1969 / 400);
}

static int number_at(struct slice text, size_t at, size_t digits)
{
    int number = 0;

    for (size_t i = at; i < at + digits; i++)
        number = number * 10 + (text.data[i] - '0');
    return number;
}

static bool has_form(struct slice text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";

    if (text.size != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (form[i] == 'd' ? text.data[i] < '0' || text.data[i] > '9' : text.data[i] != form[i])
            return false;
    return true;
}

bool iso8601_parse(struct slice text, int64_t *seconds)
{
    int year, month, day, hour, minute, second;
    int64_t days;

    if (!has_form(text))
        return false;
    year = number_at(text, 0, 4);
    month = number_at(text, 5, 2);
    day = number_at(text, 8, 2);
    hour = number_at(text, 11, 2);
    minute = number_at(text, 14, 2);
    second = number_at(text, 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    days = days_before_year(year) + day - 1;
    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    *seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    return true;
}

void iso8601_print(int64_t seconds, char text[ISO8601_TEXT_SIZE])
{
    int64_t bounded = seconds < 0 ? 0 : seconds > LATEST ? LATEST : seconds;
    int64_t days = bounded / DAY_SECONDS;
    int rest = (int)(bounded % DAY_SECONDS);
    int year = 1970 + (int)(days / 366), month = 1;

    while (days_before_year(year + 1) <= days)
        year++;
    days -= days_before_year(year);
    while (days >= days_in_month(year, month))
        days -= days_in_month(year, month++);
    snprintf(text, ISO8601_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000, (unsigned)month % 100,
             (unsigned)(days + 1) % 100, (unsigned)rest / 3600 % 100, (unsigned)rest / 60 % 60, (unsigned)rest % 60);
}
