/* SPDX-License-Identifier: MPL-2.0
 *
 * Numbers with units: see quantity.h.
 */
#include "shm/quantity.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* The unit of a number without one stands last. */
static const struct unit size_units[] = {{"g", UINT64_C(1) << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}};
static const struct unit duration_units[] = {{"ms", 1},    {"d", 86400000}, {"h", 3600000},
                                             {"m", 60000}, {"s", 1000},     {"", 1000}};

#define UNITS(table) (table), sizeof(table) / sizeof((table)[0])

bool quantity_parse_count(struct slice text, uint64_t *count)
{
    *count = 0;
    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(*count, 10, count) ||
            __builtin_add_overflow(*count, (uint64_t)(text.data[i] - '0'), count))
            return false;
    }
    return true;
}

static bool parse(struct slice text, const struct unit *units, size_t unit_count, uint64_t *number)
{
    size_t digits = 0;
    struct slice suffix;

    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    suffix = (struct slice){text.data + digits, text.size - digits};
    if (!quantity_parse_count((struct slice){text.data, digits}, number))
        return false;
    for (size_t i = 0; i < unit_count; i++)
        if (slice_equal_nocase(suffix, slice_of(units[i].suffix)))
            return !__builtin_mul_overflow(*number, units[i].factor, number);
    return false;
}

bool quantity_parse_size(struct slice text, uint64_t *bytes)
{
    return parse(text, UNITS(size_units), bytes);
}

bool quantity_parse_duration(struct slice text, uint64_t *milliseconds)
{
    return parse(text, UNITS(duration_units), milliseconds);
}

static void print(uint64_t number, const struct unit *units, size_t unit_count, char text[QUANTITY_TEXT_SIZE])
{
    const struct unit *best = NULL;

    for (size_t i = 0; i < unit_count; i++)
        if (number % units[i].factor == 0 && (!best || units[i].factor > best->factor))
            best = &units[i];
    if (number == 0 || !best)
        snprintf(text, QUANTITY_TEXT_SIZE, "0");
    else
        snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 "%s", number / best->factor, best->suffix);
}

void quantity_print_size(uint64_t bytes, char text[QUANTITY_TEXT_SIZE])
{
    print(bytes, UNITS(size_units), text);
}

void quantity_print_duration(uint64_t milliseconds, char text[QUANTITY_TEXT_SIZE])
{
    print(milliseconds, UNITS(duration_units), text);
}
