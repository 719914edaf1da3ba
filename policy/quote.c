/* SPDX-License-Identifier: MPL-2.0
 *
 * The search for the quote that ends a string, 32 bytes at a time. Reads nothing at or behind the end.
 */
#include "policy/quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_SIZE 32

#ifdef __SSE2__

#include <emmintrin.h>

static inline uint32_t find_in_half(const char *at)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const void *)at), _mm_set1_epi8('"')));
}

/* Bit I is set when AT[I] is a quote. */
static inline uint32_t find_quotes(const char *at)
{
    return find_in_half(at) | find_in_half(at + 16) << 16;
}

#else

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bit of each byte that is a quote, brought together in eight bits. */
static inline uint32_t find_in_word(const char *at)
{
    uint64_t word, others;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    word ^= EACH_BYTE('"');
    others = ((word & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f)) | word | EACH_BYTE(0x7f);
    return (uint32_t)((~others >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

/* Bit I is set when AT[I] is a quote. */
static inline uint32_t find_quotes(const char *at)
{
    return find_in_word(at) | find_in_word(at + 8) << 8 | find_in_word(at + 16) << 16 | find_in_word(at + 24) << 24;
}

#endif

/* Whether an odd number of backslashes stands before QUOTE in the string that starts at BEGIN. */
static inline bool is_escaped(const char *begin, const char *quote)
{
    const char *at = quote;

    while (at > begin && at[-1] == '\\')
        at--;
    return (quote - at) % 2 != 0;
}

const char *quote_find_end(const char *at, const char *end)
{
    const char *begin = at;

    for (; end - at >= BLOCK_SIZE; at += BLOCK_SIZE)
        for (uint32_t quotes = find_quotes(at); quotes; quotes &= quotes - 1)
            if (!is_escaped(begin, at + __builtin_ctz(quotes)))
                return at + __builtin_ctz(quotes);
    while (at < end && (*at != '"' || is_escaped(begin, at)))
        at++;
    return at;
}
