/* SPDX-License-Identifier: MPL-2.0
 *
 * Six bits at a time, there and back.
 */
#include "policy/base64url.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Value of a digit, or -1. */
static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_is_digit(char c)
{
    return digit_value(c) >= 0;
}

size_t base64url_encode(struct slice bytes, char *out)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    size_t left = bytes.size;
    char *end = out;

    for (; left >= 3; left -= 3, at += 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];

        *end++ = digits[bits >> 18];
        *end++ = digits[bits >> 12 & 63];
        *end++ = digits[bits >> 6 & 63];
        *end++ = digits[bits & 63];
    }
    if (left > 0) {
        uint32_t bits = (uint32_t)at[0] << 16 | (left == 2 ? (uint32_t)at[1] << 8 : 0);

        *end++ = digits[bits >> 18];
        *end++ = digits[bits >> 12 & 63];
        if (left == 2)
            *end++ = digits[bits >> 6 & 63];
    }
    return (size_t)(end - out);
}

bool base64url_decode(struct slice text, void *out, size_t *size)
{
    unsigned char *bytes = out;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t used = 0;

    if (text.size % 4 == 1)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        int value = digit_value(text.data[i]);

        if (value < 0)
            return false;
        bits = (bits << 6 | (uint32_t)value) & 0xFFFF;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[used++] = (unsigned char)(bits >> held);
        }
    }
    *size = used;
    return (bits & ((1u << held) - 1)) == 0;
}
