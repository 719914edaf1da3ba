/* SPDX-License-Identifier: MPL-2.0
 *
 * Sizes of UTF-8 characters: see utf8.h.
 */
#include "shm/utf8.h"

#include <string.h>

/* What may stand first, and what then second; all further bytes are 0x80 to 0xBF. */
static const struct {
    unsigned char first_low, first_high, second_low, second_high, size;
} forms[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

size_t utf8_size(struct slice text)
{
    const unsigned char *byte = (const unsigned char *)text.data;

    if (text.size == 0 || byte[0] < 0x80)
        return text.size > 0;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (byte[0] < forms[i].first_low || byte[0] > forms[i].first_high)
            continue;
        if (text.size < forms[i].size || byte[1] < forms[i].second_low || byte[1] > forms[i].second_high)
            return 0;
        for (size_t k = 2; k < forms[i].size; k++)
            if ((byte[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].size;
    }
    return 0;
}

uint32_t utf8_point(const char *text, size_t size)
{
    static const unsigned char masks[] = {0, 0xFF, 0x1F, 0x0F, 0x07};
    uint32_t point = (unsigned char)text[0] & masks[size];

    for (size_t i = 1; i < size; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3F);
    return point;
}

bool utf8_is_control(const char *text, size_t size)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0000, 0x001F}, {0x007F, 0x009F}, /* C0, DEL, C1 */
        {0x061C, 0x061C}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2066, 0x2069}, /* directions */
        {0x2028, 0x2029}, /* separators of lines and paragraphs */
    };
    uint32_t point = size > 0 ? utf8_point(text, size) : ' ';

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    return false;
}

void utf8_tame(char *text)
{
    struct slice rest = slice_of(text);
    char *to = text;

    while (rest.size > 0) {
        size_t size = utf8_size(rest), used = size > 0 ? size : 1;

        if (size == 0 || utf8_is_control(rest.data, size)) {
            *to++ = '?';
        } else {
            memmove(to, rest.data, size);
            to += size;
        }
        rest = (struct slice){rest.data + used, rest.size - used};
    }
    *to = '\0';
}
