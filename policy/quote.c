/* SPDX-License-Identifier: MPL-2.0
 *
 * The search for quotes and backslashes, 32 bytes at a time in vectors that the compiler makes instructions of for whatever
 * processor it compiles for. Reads nothing at or behind the end.
 */
#include "policy/quote.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_SIZE  32
#define BLOCK_WORDS (BLOCK_SIZE / 8)
#define HALF_SIZE   16

typedef unsigned char half __attribute__((vector_size(HALF_SIZE)));

static inline size_t first_marked_byte(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (size_t)__builtin_clzll(word) / 8;
#else
    return (size_t)__builtin_ctzll(word) / 8;
#endif
}

/* Puts 0xff where a quote or a backslash stands among the bytes at AT, and 0 elsewhere. */
static inline void mark_half(const char *at, uint64_t marks[HALF_SIZE / 8])
{
    half bytes;

    memcpy(&bytes, at, HALF_SIZE);
    bytes = (half)((bytes == '"') | (bytes == '\\'));
    memcpy(marks, &bytes, HALF_SIZE);
}

static const char *find_quote_or_backslash(const char *at, const char *end)
{
    for (; end - at >= BLOCK_SIZE; at += BLOCK_SIZE) {
        uint64_t marks[BLOCK_WORDS];

        mark_half(at, marks);
        mark_half(at + HALF_SIZE, marks + HALF_SIZE / 8);
        if (!(marks[0] | marks[1] | marks[2] | marks[3]))
            continue;
        for (size_t i = 0; i < BLOCK_WORDS; i++)
            if (marks[i])
                return at + 8 * i + first_marked_byte(marks[i]);
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

const char *quote_find_end(const char *at, const char *end, bool *has_escape)
{
    for (;;) {
        at = find_quote_or_backslash(at, end);
        if (at == end || *at == '"')
            return at;
        *has_escape = true;
        at += end - at > 1 ? 2 : 1; /* what is escaped does not end the string */
    }
}
