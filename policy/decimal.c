/* SPDX-License-Identifier: MPL-2.0
 *
 * A number is its significant digits times a power of ten; it is a whole count of millionths when that power is at
 * least -6 once trailing zeros are taken off the digits. No floating point anywhere.
 */
#include "policy/decimal.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define DECIMAL_PLACES 6
#define MAX_DIGITS     16 /* of DECIMAL_MAX */
#define EXPONENT_BOUND (INT64_C(1) << 40)

struct number {
    bool is_negative;
    int64_t significant; /* the digits between the first and the last that is not 0; saturates */
    int64_t digit_count; /* of them */
    int64_t zeros;       /* seen behind the last that is not 0 */
    int64_t exponent;    /* the power of ten of the last digit read */
};

static bool is_digit(struct slice text, size_t at)
{
    return at < text.size && text.data[at] >= '0' && text.data[at] <= '9';
}

static void take_digit(struct number *number, char c)
{
    if (c == '0') {
        number->zeros += number->digit_count > 0;
        return;
    }
    for (; number->zeros > 0 && number->digit_count < MAX_DIGITS; number->zeros--, number->digit_count++)
        number->significant *= 10;
    if (number->digit_count < MAX_DIGITS)
        number->significant = number->significant * 10 + (c - '0');
    number->digit_count += number->zeros + 1;
    number->zeros = 0;
}

static bool take_exponent(struct slice text, size_t *at, struct number *number)
{
    bool is_negative;
    int64_t exponent = 0;

    ++*at;
    is_negative = *at < text.size && text.data[*at] == '-';
    if (*at < text.size && (text.data[*at] == '-' || text.data[*at] == '+'))
        ++*at;
    if (!is_digit(text, *at))
        return false;
    for (; is_digit(text, *at); ++*at)
        if (exponent < EXPONENT_BOUND)
            exponent = exponent * 10 + (text.data[*at] - '0');
    number->exponent += is_negative ? -exponent : exponent;
    return true;
}

static bool read_number(struct slice text, struct number *number)
{
    size_t at = 0;

    *number = (struct number){.is_negative = text.size > 0 && text.data[0] == '-'};
    at += number->is_negative;
    if (!is_digit(text, at) || (text.data[at] == '0' && is_digit(text, at + 1)))
        return false;
    for (; is_digit(text, at); at++)
        take_digit(number, text.data[at]);
    if (at < text.size && text.data[at] == '.') {
        if (!is_digit(text, ++at))
            return false;
        for (; is_digit(text, at); at++, number->exponent--)
            take_digit(number, text.data[at]);
    }
    if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E') && !take_exponent(text, &at, number))
        return false;
    return at == text.size;
}

/* What the first KEPT digits say of NUMBER, which has more of them, and one more. */
static int64_t round_up(const struct number *number, int64_t kept)
{
    int64_t digits = number->digit_count < MAX_DIGITS ? number->digit_count : MAX_DIGITS;
    int64_t significant = kept > 0 ? number->significant : 0;

    for (; digits > kept && significant > 0; digits--)
        significant /= 10;
    return significant + 1;
}

enum decimal_result decimal_parse(struct slice text, int64_t *millionths)
{
    struct number number;
    int64_t shift;

    if (!read_number(text, &number))
        return DECIMAL_MALFORMED;
    *millionths = 0;
    if (number.digit_count == 0)
        return DECIMAL_OK;
    shift = number.exponent + number.zeros + DECIMAL_PLACES;
    if (number.digit_count + shift > MAX_DIGITS)
        return DECIMAL_TOO_LARGE;
    if (shift < 0)
        number.significant = round_up(&number, number.digit_count + shift);
    for (int64_t i = shift; i > 0; i--)
        number.significant *= 10;
    if (number.significant > DECIMAL_MAX)
        return DECIMAL_TOO_LARGE;
    *millionths = number.is_negative ? -number.significant : number.significant;
    return shift < 0 ? DECIMAL_NOT_EXACT : DECIMAL_OK;
}

size_t decimal_print(int64_t millionths, char text[DECIMAL_TEXT_SIZE])
{
    uint64_t amount = millionths < 0 ? -(uint64_t)millionths : (uint64_t)millionths;
    uint64_t unit = 1000000, part = amount % unit;
    int used = snprintf(text, DECIMAL_TEXT_SIZE, "%s%" PRIu64, millionths < 0 ? "-" : "", amount / unit);

    if (part > 0) {
        used += snprintf(text + used, DECIMAL_TEXT_SIZE - (size_t)used, ".%06" PRIu64, part);
        while (text[used - 1] == '0')
            text[--used] = '\0';
    }
    return (size_t)used;
}
