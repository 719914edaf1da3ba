/* SPDX-License-Identifier: MPL-2.0
 *
 * SipHash-2-4-128: see siphash.h.
 */
#include "shm/siphash.h"

#include <string.h>

#define LONG_VALUE 254 /* the first byte of a value is its length or, for all from here on, this; then comes a word, the length */

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

static inline uint64_t little_endian_64(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

void siphash_init(struct siphash *hash, const uint64_t key[2])
{
    hash->v[0] = key[0] ^ UINT64_C(0x736f6d6570736575);
    hash->v[1] = key[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee;
    hash->v[2] = key[0] ^ UINT64_C(0x6c7967656e657261);
    hash->v[3] = key[1] ^ UINT64_C(0x7465646279746573);
    hash->tail = 0;
    hash->total = 0;
}

static inline uint64_t little_endian_32(const unsigned char *bytes)
{
    uint32_t word;

    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

/* One to seven bytes as the low end of a word; some may be read twice. */
static inline uint64_t little_endian_part(const unsigned char *bytes, size_t size)
{
    if (size >= 4)
        return little_endian_32(bytes) | little_endian_32(bytes + size - 4) << (8 * (size - 4));
    return bytes[0] | (uint64_t)bytes[size / 2] << (8 * (size / 2)) | (uint64_t)bytes[size - 1] << (8 * (size - 1));
}

/* Both are always inlined, or the copies of states below would live in memory. */

/* Appends the SIZE low bytes of WORD (1 to 8; the others are 0) to the bytes that are not absorbed yet. */
static inline __attribute__((always_inline)) void push(struct siphash *hash, uint64_t word, unsigned size)
{
    unsigned held = 8 * (unsigned)(hash->total & 7);

    hash->tail |= word << held;
    hash->total += size;
    if (held + 8 * size < 64)
        return;
    absorb(hash->v, hash->tail);
    hash->tail = word >> 1 >> (63 - held);
}

static inline __attribute__((always_inline)) void push_all(struct siphash *hash, const unsigned char *bytes, size_t size)
{
    unsigned held = 8 * (unsigned)(hash->total & 7);

    hash->total += size & ~(size_t)7;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word = little_endian_64(bytes);

        absorb(hash->v, hash->tail | word << held);
        hash->tail = word >> 1 >> (63 - held);
    }
    if (size > 0)
        push(hash, little_endian_part(bytes, size), (unsigned)size);
}

/* Both work on a copy, which the compiler can keep in registers. */

void siphash_update(struct siphash *hash, const void *data, size_t size)
{
    struct siphash copy = *hash;

    push_all(&copy, data, size);
    *hash = copy;
}

static inline __attribute__((always_inline)) void push_word(struct siphash *hash, uint64_t word)
{
    absorb(hash->v, word);
    hash->total += 8;
}

/* Whole words all the way: what went in before ends with one. */
void siphash_update_value(struct siphash *hash, struct slice bytes)
{
    const unsigned char *data = (const unsigned char *)bytes.data, *end;
    struct siphash copy = *hash;

    if (copy.total & 7) {
        absorb(copy.v, copy.tail);
        copy.tail = 0;
        copy.total = (copy.total | 7) + 1;
    }
    if (bytes.size < 8) {
        push_word(&copy, bytes.size | (bytes.size > 0 ? little_endian_part(data, bytes.size) << 8 : 0));
        *hash = copy;
        return;
    }
    end = data + bytes.size;
    if (bytes.size < LONG_VALUE) {
        push_word(&copy, bytes.size | little_endian_64(data) << 8);
        data += 7;
    } else {
        push_word(&copy, LONG_VALUE);
        push_word(&copy, (uint64_t)bytes.size);
    }
    for (; end - data >= 8; data += 8)
        push_word(&copy, little_endian_64(data));
    if (data < end)
        push_word(&copy, little_endian_64(end - 8) >> (8 * (8 - (end - data))));
    *hash = copy;
}

/* TAIL are the last bytes, of TOTAL, as a word that has room for one more. */
static inline void finish(uint64_t v[4], uint64_t tail, uint64_t total, uint64_t out[2])
{
    absorb(v, tail | (total << 56));
    v[2] ^= 0xee;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

void siphash_final(const struct siphash *hash, uint64_t out[2])
{
    struct siphash copy = *hash;

    finish(copy.v, copy.tail, copy.total, out);
}

void siphash_of(const uint64_t key[2], const void *data, size_t size, uint64_t out[2])
{
    struct siphash hash;

    siphash_init(&hash, key);
    siphash_update(&hash, data, size);
    siphash_final(&hash, out);
}
