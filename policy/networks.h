/* SPDX-License-Identifier: MPL-2.0
 *
 * A set of addresses and networks: many of them, asked often. Immutable once made.
 */
#ifndef FAIRVISOR_POLICY_NETWORKS_H
#define FAIRVISOR_POLICY_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/address.h"
#include "shm/failure.h"
#include "shm/slice.h"

struct networks;

/* Reads TEXT, one address or ADDRESS/BITS on each line, '#' comments. NULL when a line is neither, or none is there;
 * the sentence begins with FILE and the line. What overlaps is taken together. The caller frees the set; TEXT need not
 * outlive the call. */
struct networks *networks_parse(const char *file, struct slice text, struct failure *failure);
void networks_free(struct networks *networks);

/* true when some network of ADDRESS's own family holds it. Never for ADDRESS_NONE. Takes the logarithm of the size. */
bool networks_has(const struct networks *networks, const struct address *address);

#endif
