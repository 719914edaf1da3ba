/* SPDX-License-Identifier: MPL-2.0
 *
 * \n, \u00e9, \ud83d\ude00: what they stand for.
 */
#include "policy/json_escape.h"

#include <stdint.h>
#include <string.h>

static uint32_t read_quad(const char *digits)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)digits[i];

        unit = unit * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return unit;
}

static size_t write_utf8(char *out, uint32_t point)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

size_t json_escape_resolve(struct slice raw, size_t *at, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *simple = memchr(from, raw.data[*at + 1], sizeof(from) - 1);
    uint32_t point;

    if (simple) {
        *at += 2;
        *out = to[simple - from];
        return 1;
    }
    point = read_quad(raw.data + *at + 2);
    *at += 6;
    if (point >= 0xD800 && point <= 0xDBFF) {
        point = 0x10000 + ((point - 0xD800) << 10) + (read_quad(raw.data + *at + 2) - 0xDC00);
        *at += 6;
    }
    return write_utf8(out, point);
}
