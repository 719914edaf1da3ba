/* SPDX-License-Identifier: MPL-2.0
 *
 * Reservation ids. First byte odd: the rest is the text, which nobody can forge; even: what an id says, signed here. One that is taken
 * prints as what it is, and settling, releasing or asking after it leaves an arena that its audit finds in order.
 */
#include "policy/base64url.h"
#include "policy/reservation.h"
#include "shm/arena_layout.h"
#include "shm/siphash.h"
#include "tests/fuzz/world.h"

#define SIGNED_MAX 4096

static struct slice sign(struct slice bytes, const uint64_t key[2], char text[BASE64URL_TEXT_SIZE(SIGNED_MAX)])
{
    char whole[SIGNED_MAX];
    size_t size = bytes.size < SIGNED_MAX - 16 ? bytes.size : SIGNED_MAX - 16;
    uint64_t tag[2];

    memcpy(whole, bytes.data, size);
    siphash_of(key, whole, size, tag);
    memcpy(whole + size, tag, sizeof(tag));
    return (struct slice){text, base64url_encode((struct slice){whole, size + sizeof(tag)}, text)};
}

static void settle(struct slice text, const struct reservation *reservation)
{
    static struct arena arena;
    static struct bundle *bundle;
    static struct decider *decider;
    struct flight flights[RESERVATION_MAX_ENTRIES];
    struct usage usage = {.in_total = reservation->nonce & 1023, .out_total = reservation->nonce >> 20 & 1023};
    char grown[BASE64URL_TEXT_SIZE(SIGNED_MAX)];
    struct failure failure = {0};
    uint64_t repaired = 0;

    if (!bundle) {
        bundle = world_bundle();
        MUST(arena_make_private(ARENA_MIN_SIZE, &arena, &failure));
        arena.stripe_count = WORLD_STRIPES;
        memset(arena.header->hash_key, 0, sizeof(arena.header->hash_key));
        decider = decide_new(bundle, &arena, &arena.slots[0], 4096);
        MUST(decider);
    }
    MUST(decide_reserve_flights(decider, text, flights) <= RESERVATION_MAX_ENTRIES);
    memcpy(grown, text.data, text.size);
    decide_reserve_grow(decider, grown, text.size, &usage, SLICE("m"), world_now);
    text.data = grown;
    if (reservation->nonce & 2048)
        decide_reserve_release(decider, text, world_now);
    else
        MUST(decide_reserve_settle(decider, text, &usage, SLICE("m"), world_now) <= DECIDE_SETTLEMENT_BUSY);
    MUST(arena_audit(&arena, &repaired) == 0 && repaired == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t hash_key[2]; /* that of the arena, too */
    uint64_t key[2];
    char room[BASE64URL_TEXT_SIZE(SIGNED_MAX)], printed[BASE64URL_TEXT_SIZE(SIGNED_MAX)],
        again[BASE64URL_TEXT_SIZE(SIGNED_MAX)];
    bool is_raw = entry_take(&data, &size) & 1;
    struct slice bytes = entry_copy(data, size), text;
    struct reservation reservation;
    uint64_t digest[2];

    reservation_key(hash_key, key);
    text = is_raw ? bytes : sign(bytes, key, room);
    if (reservation_parse(text, key, &reservation, digest)) {
        size_t length = reservation_print(&reservation, key, printed, sizeof(printed));

        MUST(reservation.count <= RESERVATION_MAX_ENTRIES);
        MUST(reservation_parse((struct slice){printed, length}, key, &reservation, digest));
        MUST(length == reservation_print(&reservation, key, again, sizeof(again)) && !memcmp(printed, again, length));
        settle(text, &reservation);
    }
    entry_free(bytes);
    return 0;
}
