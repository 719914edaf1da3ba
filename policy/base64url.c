/* SPDX-License-Identifier: MPL-2.0
 *
 * Six bits at a time, there and back; there sixteen digits at once, as long as there are so many.
 */
#include "policy/base64url.h"

#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES  12 /* that make a block of digits */
#define BLOCK_DIGITS 16

/* What the compiler makes of these are instructions on vectors where there are any. */
typedef uint32_t words __attribute__((vector_size(BLOCK_DIGITS)));
typedef signed char sextets __attribute__((vector_size(BLOCK_DIGITS)));

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Values of digits, and one more; what is no digit has 0. */
static const uint8_t values[256] = {
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10,
    ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20,
    ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50,
    ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
    ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

/* Four bytes, of which the first is the highest. */
static inline uint32_t load(const unsigned char *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

/* Of each word the first three bytes as four numbers of six bits, in the order of memory. */
static inline sextets cut(words w)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (sextets)(w >> 26 | (w >> 12 & 0x3f00) | (w << 2 & 0x3f0000) | (w << 16 & 0x3f000000));
#else
    return (sextets)((w >> 2 & 0x3f000000) | (w >> 4 & 0x3f0000) | (w >> 6 & 0x3f00) | (w >> 8 & 0x3f));
#endif
}

/* Digits are five runs of letters: from the start of each on, the distance to the letter is another one. */
static inline sextets letters_of(sextets numbers)
{
    return numbers + 'A' + ((numbers > 25) & ('a' - 'Z' - 1)) + ((numbers > 51) & ('0' - 'z' - 1)) +
           ((numbers > 61) & ('-' - '9' - 1)) + ((numbers > 62) & ('_' - '-' - 1));
}

/* Reads one byte more than it takes. */
static inline void encode_block(const unsigned char *at, char *out)
{
    sextets letters = letters_of(cut((words){load(at), load(at + 3), load(at + 6), load(at + 9)}));

    memcpy(out, &letters, sizeof(letters));
}

size_t base64url_encode(struct slice bytes, char *out)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    size_t left = bytes.size;
    char *end = out;

    for (; left > BLOCK_BYTES; left -= BLOCK_BYTES, at += BLOCK_BYTES, end += BLOCK_DIGITS)
        encode_block(at, end);
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

/* The values of COUNT digits, at most four, as one number, the first digit's highest. What is no digit clears *ARE_DIGITS. */
static inline uint32_t gather(const unsigned char *at, size_t count, bool *are_digits)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < count; i++) {
        *are_digits &= values[at[i]] != 0;
        bits = bits << 6 | ((values[at[i]] - 1u) & 63);
    }
    return bits;
}

bool base64url_decode(struct slice text, void *out, size_t *size)
{
    const unsigned char *at = (const unsigned char *)text.data;
    unsigned char *end = out;
    size_t left = text.size;
    uint32_t bits, unused = 0;
    bool are_digits = true;

    for (; left >= 4; left -= 4, at += 4) {
        bits = gather(at, 4, &are_digits);
        *end++ = (unsigned char)(bits >> 16);
        *end++ = (unsigned char)(bits >> 8);
        *end++ = (unsigned char)bits;
    }
    if (left == 1)
        return false;
    if (left > 0) {
        bits = gather(at, left, &are_digits) << 6 * (4 - left);
        *end++ = (unsigned char)(bits >> 16);
        if (left == 3)
            *end++ = (unsigned char)(bits >> 8);
        unused = bits & (left == 3 ? 0xff : 0xffff);
    }
    *size = (size_t)(end - (unsigned char *)out);
    return are_digits && unused == 0;
}
