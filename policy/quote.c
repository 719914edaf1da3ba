/* SPDX-License-Identifier: MPL-2.0
 *
 * Quotes and backslashes in the text of strings, 32 bytes at a time. Reads nothing at or behind the end.
 */
#include "policy/quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_SIZE 32

#ifdef __SSE2__

#include <emmintrin.h>

static inline uint32_t find_in_half(const char *at, char byte)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const void *)at), _mm_set1_epi8(byte)));
}

/* Bit I is set when AT[I] is BYTE. */
static inline uint32_t find_bytes(const char *at, char byte)
{
    return find_in_half(at, byte) | find_in_half(at + 16, byte) << 16;
}

#else

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bit of each byte that is BYTE, brought together in eight bits. */
static inline uint32_t find_in_word(const char *at, char byte)
{
    uint64_t word, others;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    word ^= EACH_BYTE((unsigned char)byte);
    others = ((word & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f)) | word | EACH_BYTE(0x7f);
    return (uint32_t)((~others >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

/* Bit I is set when AT[I] is BYTE. */
static inline uint32_t find_bytes(const char *at, char byte)
{
    return find_in_word(at, byte) | find_in_word(at + 8, byte) << 8 | find_in_word(at + 16, byte) << 16 |
           find_in_word(at + 24, byte) << 24;
}

#endif

/* Whether an odd number of backslashes stands before AT, a quote; what stands before them is the string's opening quote at the
 * latest. None of them is looked at for another quote. */
static inline bool is_escaped(const char *at)
{
    const char *back = at;

    while (back[-1] == '\\')
        back--;
    return (at - back) % 2 != 0;
}

/* The QUOTES of the block at AT without most of those that are escaped: behind one backslash that has none before it. Of the first
 * two bytes that cannot be told here. */
static inline uint32_t without_escaped(const char *at, uint32_t quotes)
{
    uint32_t behind = find_bytes(at, '\\') << 1;

    return quotes & (~behind | behind << 1 | 3);
}

const char *quote_find_end(const char *at, const char *end)
{
    for (; end - at >= BLOCK_SIZE; at += BLOCK_SIZE) {
        uint32_t quotes = find_bytes(at, '"');

        if (quotes == 0)
            continue;
        if (at[__builtin_ctz(quotes) - 1] == '\\')
            quotes = without_escaped(at, quotes);
        for (; quotes; quotes &= quotes - 1) {
            const char *quote = at + __builtin_ctz(quotes);

            if (!is_escaped(quote))
                return quote;
        }
    }
    while (at < end && (*at != '"' || is_escaped(at)))
        at++;
    return at;
}

const char *quote_find_special(const char *at, const char *end)
{
    for (; end - at >= BLOCK_SIZE; at += BLOCK_SIZE) {
        uint32_t found = find_bytes(at, '"') | find_bytes(at, '\\');

        if (found)
            return at + __builtin_ctz(found);
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}
