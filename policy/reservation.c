/* SPDX-License-Identifier: MPL-2.0
 *
 * Reservations as signed text: see reservation.h.
 */
#include "policy/reservation.h"

#include <openssl/crypto.h>
#include <string.h>

#include "policy/base64url.h"
#include "shm/siphash.h"

#define VERSION     2
#define WITH_WEIGHT 3 /* the version with a weight */
#define WEIGHT_SIZE 4
#define HEAD_SIZE   51
#define NAME_SIZE   25 /* of its first bytes, which stay as they are when it grows */
#define ENTRY_SIZE  43
#define TAG_SIZE    16
#define BINARY_SIZE (HEAD_SIZE + RESERVATION_MAX_ENTRIES * ENTRY_SIZE + WEIGHT_SIZE + TAG_SIZE)
#define TEXT_SIZE   BASE64URL_TEXT_SIZE(BINARY_SIZE)

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

static unsigned char *put(unsigned char *at, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static const unsigned char *get(const unsigned char *at, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < 8; i++)
        *value |= (uint64_t)at[i] << (8 * i);
    return at + 8;
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

void reservation_key(const uint64_t hash_key[2], uint64_t key[2])
{
    static const char purpose[] = "fairvisor reservation";

    siphash_of(hash_key, purpose, sizeof(purpose), key);
}

size_t reservation_print(const struct reservation *reservation, const uint64_t key[2], char *out, size_t size)
{
    /* Clients see these bytes: nothing else of our memory may be among them. */
    static const struct price none;
    const struct price *price = reservation->has_price ? &reservation->price : &none;
    unsigned char bytes[BINARY_SIZE], *at = bytes;
    uint64_t tag[2];

    *at++ = reservation->weight > 0 ? WITH_WEIGHT : VERSION;
    at = put(put(put(at, (uint64_t)reservation->expires_s), (uint64_t)reservation->begun_ns), reservation->nonce);
    *at++ = reservation->has_price;
    at = put(put(put(at, (uint64_t)price->input), (uint64_t)price->cached_input), (uint64_t)price->output);
    *at++ = (unsigned char)reservation->count;
    for (uint32_t i = 0; i < reservation->count; i++) {
        const struct reservation_entry *entry = &reservation->entries[i];

        at = put(at, entry->mark);
        *at++ = entry->role;
        at = put(put(put(put(at, entry->key[0]), entry->key[1]), (uint64_t)entry->cost), (uint64_t)entry->extra);
        *at++ = (unsigned char)entry->layout;
        *at++ = (unsigned char)(entry->layout >> 8);
    }
    for (int i = 0; i < WEIGHT_SIZE && reservation->weight > 0; i++)
        *at++ = (unsigned char)(reservation->weight >> (8 * i));
    siphash_of(key, bytes, (size_t)(at - bytes), tag);
    at = put(put(at, tag[0]), tag[1]);
    if (BASE64URL_TEXT_SIZE(at - bytes) > size)
        return 0;
    return base64url_encode((struct slice){(const char *)bytes, (size_t)(at - bytes)}, out);
}

static void read_price(const unsigned char *at, struct reservation *reservation)
{
    uint64_t input, cached, output;

    reservation->has_price = *at++ != 0;
    get(get(get(at, &input), &cached), &output);
    reservation->price = (struct price){(int64_t)input, (int64_t)cached, (int64_t)output};
}

static void read_entry(const unsigned char *at, struct reservation_entry *entry)
{
    uint64_t cost, extra;

    at = get(at, &entry->mark);
    entry->role = *at++;
    at = get(get(get(get(at, &entry->key[0]), &entry->key[1]), &cost), &extra);
    entry->cost = (int64_t)cost;
    entry->extra = (int64_t)extra;
    entry->layout = (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t read_weight(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* What no decision writes, though its signature be good: the key may have come with an arena of before. */
static bool is_possible(const struct reservation *reservation)
{
    const struct price *price = &reservation->price;

    if (reservation->expires_s < 0 || reservation->begun_ns < 0 || reservation->begun_ns > INT64_MAX / 2 || price->input < 0 ||
        price->cached_input < 0 || price->output < 0)
        return false;
    for (uint32_t i = 0; i < reservation->count; i++)
        if (reservation->entries[i].cost < 0 || reservation->entries[i].extra < 0)
            return false;
    return true;
}

bool reservation_parse(struct slice text, const uint64_t key[2], struct reservation *reservation, uint64_t digest[2])
{
    unsigned char bytes[BASE64URL_BYTES_SIZE(TEXT_SIZE)], tag_bytes[TAG_SIZE];
    uint64_t expires, begun, tag[2];
    size_t size, end;

    if (text.size > TEXT_SIZE || !base64url_decode(text, bytes, &size))
        return false;
    if (size < HEAD_SIZE + TAG_SIZE || (bytes[0] != VERSION && bytes[0] != WITH_WEIGHT) ||
        bytes[HEAD_SIZE - 1] > RESERVATION_MAX_ENTRIES)
        return false;
    reservation->count = bytes[HEAD_SIZE - 1];
    end = HEAD_SIZE + reservation->count * (size_t)ENTRY_SIZE;
    if (size != end + (bytes[0] == WITH_WEIGHT ? WEIGHT_SIZE : 0) + TAG_SIZE)
        return false;
    siphash_of(key, bytes, size - TAG_SIZE, tag);
    put(put(tag_bytes, tag[0]), tag[1]);
    if (CRYPTO_memcmp(tag_bytes, bytes + size - TAG_SIZE, TAG_SIZE) != 0)
        return false;
    siphash_of(key, bytes, NAME_SIZE, digest);
    read_price(get(get(get(bytes + 1, &expires), &begun), &reservation->nonce), reservation);
    reservation->weight = bytes[0] == WITH_WEIGHT ? read_weight(bytes + end) : 0;
    reservation->expires_s = (int64_t)expires;
    reservation->begun_ns = (int64_t)begun;
    for (uint32_t i = 0; i < reservation->count; i++)
        read_entry(bytes + HEAD_SIZE + i * (size_t)ENTRY_SIZE, &reservation->entries[i]);
    return is_possible(reservation);
}
