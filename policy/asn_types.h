/* SPDX-License-Identifier: MPL-2.0
 *
 * What kind of network an autonomous system is: hosting, isp, business, education, or whatever words the operator's map
 * uses. Immutable once made.
 */
#ifndef FAIRVISOR_POLICY_ASN_TYPES_H
#define FAIRVISOR_POLICY_ASN_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/failure.h"
#include "shm/slice.h"

struct asn_types;

/* Reads TEXT: "NUMBER type" or "ASNUMBER type" on each line, '#' comments. NULL when a line is anything else or a
 * number stands twice; the sentence begins with FILE and the line. The caller frees the map; TEXT need not outlive the
 * call. */
struct asn_types *asn_types_parse(const char *file, struct slice text, struct failure *failure);
void asn_types_free(struct asn_types *types);

/* Type of the system NUMBER. The slice lives as long as TYPES. */
bool asn_types_find(const struct asn_types *types, uint32_t number, struct slice *type);

/* The word of the map that is NAME, whatever the case of NAME's letters. */
bool asn_types_find_name(const struct asn_types *types, struct slice name, struct slice *type);

#endif
