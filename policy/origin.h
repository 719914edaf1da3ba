/* SPDX-License-Identifier: MPL-2.0
 *
 * What is known of the sender of a request beyond its address: country, autonomous system and its type, Tor, and what
 * the User-Agent gives away.
 *
 * A trusted proxy may know better: X-Country-Code, X-ASN, X-ASN-Type and X-Tor-Exit count when facts.peer_is_trusted.
 * One that occurs twice, or whose value cannot be used, is ignored and counted, and the tables are asked.
 */
#ifndef FAIRVISOR_POLICY_ORIGIN_H
#define FAIRVISOR_POLICY_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "policy/facts.h"
#include "policy/references.h"
#include "shm/counters.h"

/* Answers of one request. */
struct origin {
    const struct references *references; /* NULL: nothing to look up in */
    struct counter_slot *slot;           /* NULL: nothing is counted */
    bool has_asked_number, has_number;   /* the number was looked for; it is known */
    bool has_asked_agent, has_agent;     /* likewise; the request has a User-Agent */
    uint32_t number;
    uint32_t bot; /* a pattern, or BOTS_NONE */
    char country[GEOIP_COUNTRY_SIZE];
    char digits[GEOIP_ASN_SIZE];
};

/* Forgets the request before. */
void origin_begin(struct origin *origin);

/* Value of a key of SOURCE, one of DESCRIPTOR_IP_COUNTRY to DESCRIPTOR_UA_BOT_CATEGORY; false when it has none. The
 * slice lives until origin_begin. Nothing is allocated. */
bool origin_find(struct origin *origin, const struct facts *facts, enum descriptor_source source, struct slice *value);

/* What keys of SOURCE need: bits 1 << enum settings_reference; 0 for every other source. */
unsigned origin_needs(enum descriptor_source source);

#endif
