/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs of bytes of a request's head: how far a name, a target or a value goes. A table decides what each byte may be part
 * of; what almost all bytes are is passed over in blocks. Reads nothing at or behind the end.
 */
#ifndef FAIRVISOR_WORKER_RUN_H
#define FAIRVISOR_WORKER_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What a byte may be part of: bits of run_roles[byte]. */
enum { RUN_NAME = 1, RUN_TARGET = 2, RUN_VALUE = 4, RUN_HOST = 8 };
extern const uint8_t run_roles[256];

#define RUN_EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline bool run_has_role(char byte, uint8_t role)
{
    return (run_roles[(unsigned char)byte] & role) != 0;
}

/* The first byte from AT on that has not ROLE, or END. */
static inline const char *run_skip(const char *at, const char *end, uint8_t role)
{
    while (at < end && run_has_role(*at, role))
        at++;
    return at;
}

/* Eight bytes as a number whose lowest byte is the first. */
static inline uint64_t run_load(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

/* The functions below mark bytes of the block at AT; run_first says which is the first that is marked. */

#ifdef __SSE2__

#include <emmintrin.h>

#define RUN_BLOCK 16

static inline __m128i run_load_block(const char *at)
{
    return _mm_loadu_si128((const void *)at);
}

/* Each byte that is FROM or above, and at most SPAN beyond it. */
static inline __m128i run_within(__m128i block, char from, char span)
{
    __m128i distance = _mm_sub_epi8(block, _mm_set1_epi8(from));

    return _mm_cmpeq_epi8(_mm_min_epu8(distance, _mm_set1_epi8(span)), distance);
}

static inline uint64_t run_mark(__m128i bytes)
{
    return (uint32_t)_mm_movemask_epi8(bytes);
}

static inline uint64_t run_unlike_name(const char *at)
{
    __m128i block = run_load_block(at);
    __m128i letters = run_within(_mm_or_si128(block, _mm_set1_epi8(0x20)), 'a', 'z' - 'a');

    return run_mark(_mm_or_si128(letters, _mm_cmpeq_epi8(block, _mm_set1_epi8('-')))) ^ 0xffff;
}

static inline uint64_t run_unlike_target(const char *at)
{
    return run_mark(run_within(run_load_block(at), '!', '~' - '!')) ^ 0xffff;
}

static inline uint64_t run_unlike_value(const char *at)
{
    __m128i block = run_load_block(at);

    return run_mark(_mm_or_si128(run_within(block, '\0', ' ' - 1), _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f))));
}

static inline unsigned run_first(uint64_t marks)
{
    return (unsigned)__builtin_ctzll(marks);
}

#else

#define RUN_BLOCK     8
#define RUN_HIGH_BITS UINT64_C(0x8080808080808080)

/* Marks are the high bits of a word's bytes. Beyond the lowest there may be false ones. */

static inline uint64_t run_mark_below(uint64_t word, unsigned char limit)
{
    return (word - RUN_EACH_BYTE(limit)) & ~word & RUN_HIGH_BITS;
}

static inline uint64_t run_mark_delete(uint64_t word)
{
    return run_mark_below(word ^ RUN_EACH_BYTE(0x7f), 1);
}

static inline uint64_t run_unlike_name(const char *at)
{
    uint64_t word = run_load(at), lower = (word | RUN_EACH_BYTE(0x20)) & ~RUN_HIGH_BITS;
    uint64_t letters = (lower + RUN_EACH_BYTE(0x80 - 'a')) & ~(lower + RUN_EACH_BYTE(0x7f - 'z'));
    uint64_t not_hyphen = ((word ^ RUN_EACH_BYTE('-')) & ~RUN_HIGH_BITS) + RUN_EACH_BYTE(0x7f);

    return ((letters | ~not_hyphen) & ~word & RUN_HIGH_BITS) ^ RUN_HIGH_BITS;
}

static inline uint64_t run_unlike_target(const char *at)
{
    uint64_t word = run_load(at);

    return run_mark_below(word, '!') | run_mark_delete(word) | (word & RUN_HIGH_BITS);
}

static inline uint64_t run_unlike_value(const char *at)
{
    uint64_t word = run_load(at);

    return run_mark_below(word, ' ') | run_mark_delete(word);
}

static inline unsigned run_first(uint64_t marks)
{
    return (unsigned)__builtin_ctzll(marks) / 8;
}

#endif

/* ---- runs --------------------------------------------------------------------------------------------------------- */

/* Most names are letters and hyphens. */
static inline const char *run_skip_name(const char *at, const char *end)
{
    while (end - at >= RUN_BLOCK) {
        uint64_t others = run_unlike_name(at);

        at += others ? run_first(others) : RUN_BLOCK;
        if (others && !run_has_role(*at, RUN_NAME))
            return at;
        at += others ? 1 : 0;
    }
    return run_skip(at, end, RUN_NAME);
}

/* Only control bytes are looked up. */
static inline const char *run_skip_value(const char *at, const char *end)
{
    while (end - at >= RUN_BLOCK) {
        uint64_t suspects = run_unlike_value(at);

        at += suspects ? run_first(suspects) : RUN_BLOCK;
        if (suspects && !run_has_role(*at, RUN_VALUE))
            return at;
        at += suspects ? 1 : 0;
    }
    return run_skip(at, end, RUN_VALUE);
}

/* What is no visible ASCII ends it. */
static inline const char *run_skip_target(const char *at, const char *end)
{
    for (; end - at >= RUN_BLOCK; at += RUN_BLOCK) {
        uint64_t stops = run_unlike_target(at);

        if (stops)
            return at + run_first(stops);
    }
    return run_skip(at, end, RUN_TARGET);
}

#endif
