/* SPDX-License-Identifier: MPL-2.0
 *
 * Reservations as signed text: see reservation.h.
 */
#include "policy/reservation.h"

#include <openssl/crypto.h>
#include <string.h>

#include "shm/siphash.h"

#define VERSION     1
#define HEAD_SIZE   18
#define ENTRY_SIZE  41
#define TAG_SIZE    16
#define BINARY_SIZE (HEAD_SIZE + RESERVATION_MAX_ENTRIES * ENTRY_SIZE + TAG_SIZE)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

static unsigned char *put(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> (8 * i));
    return at + 8;
}

static const unsigned char *get(const unsigned char *at, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < 8; i++)
        *value |= (uint64_t)at[i] << (8 * i);
    return at + 8;
}

/* ---- base64url without padding (RFC 4648, 5) -------------------------------------------------------------------- */

static size_t encode(const unsigned char *bytes, size_t size, char *out)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        size_t rest = size - i;

        if (rest > 1)
            group |= (uint32_t)bytes[i + 1] << 8;
        if (rest > 2)
            group |= bytes[i + 2];
        for (size_t j = 0; j < (rest > 2 ? 4 : rest + 1); j++)
            out[used++] = alphabet[(group >> (18 - 6 * j)) & 63];
    }
    return used;
}

static int sextet(char c)
{
    const char *place = c ? memchr(alphabet, c, sizeof(alphabet) - 1) : NULL;

    return place ? (int)(place - alphabet) : -1;
}

/* Returns the number of bytes, 0 for anything that encode would not have written. */
static size_t decode(struct slice text, unsigned char *out, size_t room)
{
    uint32_t held = 0;
    unsigned bits = 0;
    size_t used = 0;

    if (text.size % 4 == 1 || text.size / 4 * 3 + 2 > room)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = sextet(text.data[i]);

        if (value < 0)
            return 0;
        held = held << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[used++] = (unsigned char)(held >> bits);
        }
    }
    return held & ((UINT32_C(1) << bits) - 1) ? 0 : used;
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

/* Another key than that of the cells, made from it: what signs must not be what places. */
static void sign(const unsigned char *bytes, size_t size, const uint64_t key[2], uint64_t tag[2])
{
    static const char purpose[] = "fairvisor reservation";
    uint64_t own[2];

    siphash_of(key, purpose, sizeof(purpose), own);
    siphash_of(own, bytes, size, tag);
}

size_t reservation_print(const struct reservation *reservation, const uint64_t key[2], char *out, size_t size)
{
    unsigned char bytes[BINARY_SIZE], *at = bytes;
    uint64_t tag[2];

    *at++ = VERSION;
    at = put(put(at, (uint64_t)reservation->expires_s), reservation->nonce);
    *at++ = (unsigned char)reservation->count;
    for (uint32_t i = 0; i < reservation->count; i++) {
        const struct reservation_entry *entry = &reservation->entries[i];

        at = put(at, entry->mark);
        *at++ = entry->role;
        at = put(put(put(put(at, entry->key[0]), entry->key[1]), (uint64_t)entry->cost), (uint64_t)entry->extra);
    }
    sign(bytes, (size_t)(at - bytes), key, tag);
    at = put(put(at, tag[0]), tag[1]);
    if (((size_t)(at - bytes) * 4 + 2) / 3 > size)
        return 0;
    return encode(bytes, (size_t)(at - bytes), out);
}

static void read_entry(const unsigned char *at, struct reservation_entry *entry)
{
    uint64_t cost, extra;

    at = get(at, &entry->mark);
    entry->role = *at++;
    at = get(get(get(get(at, &entry->key[0]), &entry->key[1]), &cost), &extra);
    entry->cost = (int64_t)cost;
    entry->extra = (int64_t)extra;
}

bool reservation_parse(struct slice text, const uint64_t key[2], struct reservation *reservation, uint64_t digest[2])
{
    unsigned char bytes[BINARY_SIZE + 4], tag_bytes[TAG_SIZE];
    size_t size = decode(text, bytes, sizeof(bytes));
    uint64_t expires;

    if (size < HEAD_SIZE + TAG_SIZE || bytes[0] != VERSION || bytes[HEAD_SIZE - 1] > RESERVATION_MAX_ENTRIES)
        return false;
    reservation->count = bytes[HEAD_SIZE - 1];
    if (size != HEAD_SIZE + reservation->count * (size_t)ENTRY_SIZE + TAG_SIZE)
        return false;
    sign(bytes, size - TAG_SIZE, key, digest);
    put(put(tag_bytes, digest[0]), digest[1]);
    if (CRYPTO_memcmp(tag_bytes, bytes + size - TAG_SIZE, TAG_SIZE) != 0)
        return false;
    get(get(bytes + 1, &expires), &reservation->nonce);
    reservation->expires_s = (int64_t)expires;
    for (uint32_t i = 0; i < reservation->count; i++)
        read_entry(bytes + HEAD_SIZE + i * (size_t)ENTRY_SIZE, &reservation->entries[i]);
    return true;
}
