/* SPDX-License-Identifier: MPL-2.0
 *
 * What was reserved, as a text that the gateway carries until the request is over: every limit that was charged in advance, signed
 * with a key that only this arena has. Nothing is stored for it; that it is settled once is noted when it is settled.
 *
 *   version 1 byte | expires 8 | begun 8 | nonce 8 | price 1 + 24 | count 1 | count entries | weight 4 |
 *   SipHash-128 of all before it, 16
 *   -> base64url
 *   entry: rule mark 8 | role 1 | key 16 | cost 8 | extra 8 | layout 2        (little endian)
 *
 * Without a weight (0) the version is 2 and the four bytes are not there.
 */
#ifndef FAIRVISOR_POLICY_RESERVATION_H
#define FAIRVISOR_POLICY_RESERVATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/prices.h"
#include "shm/slice.h"

#define RESERVATION_MAX_ENTRIES 32
#define RESERVATION_LIFE_S      900 /* contract: within 15 minutes */

struct reservation_entry {
    uint64_t mark;   /* of the rule; BREAKER: of its policy's first rule */
    uint8_t role;    /* enum charge_role */
    uint64_t key[2]; /* of the cell */
    int64_t cost;    /* millionths reserved */
    int64_t extra;   /* WINDOW: its end in seconds; BUCKET, FLIGHT: stamp of its cell, which another process may have brought up to a
                      * later moment than the one the request began at; BREAKER: millionths that stay spent */
    uint16_t layout; /* FLIGHT: of its lanes; BREAKER: so many entries before it are of its policy */
};

struct reservation {
    int64_t expires_s; /* wall clock */
    int64_t begun_ns;  /* boot time; a wall clock that goes back must not make it live longer than the mark that it is settled */
    uint64_t nonce;
    bool has_price; /* of the model that was asked for: */
    struct price price;
    uint32_t weight; /* of the events that told the request; 0: none did */
    uint32_t count;
    struct reservation_entry entries[RESERVATION_MAX_ENTRIES];
};

/* Makes the KEY that signs from that of the cells, once for many reservations: what signs must not be what places. */
void reservation_key(const uint64_t hash_key[2], uint64_t key[2]);

/* Writes the text, signed with KEY, into OUT and returns its length; 0 when SIZE is too small. */
size_t reservation_print(const struct reservation *reservation, const uint64_t key[2], char *out, size_t size);

/* Reads and verifies TEXT (in constant time where it matters). false when it was not made with KEY. DIGEST names it, for noting that
 * it is settled; it stays the same when the costs of entries change. */
bool reservation_parse(struct slice text, const uint64_t key[2], struct reservation *reservation, uint64_t digest[2]);

#endif
