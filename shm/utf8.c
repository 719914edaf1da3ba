/* SPDX-License-Identifier: MPL-2.0
 *
 * Sizes of UTF-8 characters: see utf8.h.
 */
#include "shm/utf8.h"

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

bool utf8_is_control(const char *text, size_t size)
{
    const unsigned char *byte = (const unsigned char *)text;

    return (size == 1 && (byte[0] < 0x20 || byte[0] == 0x7F)) || (size == 2 && byte[0] == 0xC2 && byte[1] < 0xA0);
}
