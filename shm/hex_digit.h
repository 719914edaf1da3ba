/* SPDX-License-Identifier: MPL-2.0
 *
 * Hexadecimal digits: of escapes in paths and in JSON, of the sizes of chunks.
 */
#ifndef FAIRVISOR_SHM_HEX_DIGIT_H
#define FAIRVISOR_SHM_HEX_DIGIT_H

/* The value of the digit C, a capital or a small letter; -1 when it is none. */
static inline int hex_digit(char c)
{
    char lower = (char)(c | 0x20);

    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
