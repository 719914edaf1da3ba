/* SPDX-License-Identifier: MPL-2.0
 *
 * Country and autonomous system of an address, from a database in MaxMind's format (MaxMind DB File Format
 * Specification 2.0), by libmaxminddb. Two layouts of its records are known:
 *
 *   country   {"country": {"iso_code": "DE"}}, or {"country_code": "DE"}, or {"country": "DE"}
 *   asn       {"autonomous_system_number": 64496}, or {"asn": "AS64496"} (a number will do, too)
 *
 * A build without the library has no database: geoip_open refuses.
 */
#ifndef FAIRVISOR_POLICY_GEOIP_H
#define FAIRVISOR_POLICY_GEOIP_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/address.h"
#include "shm/failure.h"
#include "shm/slice.h"

#define GEOIP_COUNTRY_SIZE 2
#define GEOIP_ASN_SIZE     10 /* digits of the largest number */

/* What to install when geoip_is_built_in says false. */
#define GEOIP_CURE \
    "install libmaxminddb-dev (Debian, Ubuntu) or libmaxminddb-devel (Fedora, RHEL) and build fairvisor again"

enum geoip_content { GEOIP_COUNTRIES, GEOIP_NUMBERS };

struct geoip;

bool geoip_is_built_in(void);

/* Maps the database at PATH, which sentences call NAME; it must not change while it is open. NULL when it is no
 * database, with EXIT_CODE_BAD_CONFIG. */
struct geoip *geoip_open(const char *path, const char *name, struct failure *failure);
void geoip_close(struct geoip *geoip);

/* Looks at every record once. false when the file is damaged, or when no record holds CONTENT. Takes the time of
 * reading the whole file: for whoever vets it, not for each worker. */
bool geoip_check(const struct geoip *geoip, enum geoip_content content, const char *name, struct failure *failure);

/* Two capital letters. false when the database does not know. Do not allocate. */
bool geoip_find_country(const struct geoip *geoip, const struct address *address, char country[GEOIP_COUNTRY_SIZE]);
bool geoip_find_asn(const struct geoip *geoip, const struct address *address, uint32_t *number);

/* Two letters of any case, made capitals. */
bool geoip_parse_country(struct slice text, char country[GEOIP_COUNTRY_SIZE]);

/* A number from 1 to 4294967295 without leading zeros, with or without "AS" in front. */
bool geoip_parse_asn(struct slice text, uint32_t *number);

/* Writes the decimal digits; returns how many. */
size_t geoip_print_asn(uint32_t number, char text[GEOIP_ASN_SIZE]);

#endif
