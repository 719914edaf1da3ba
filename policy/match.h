/* SPDX-License-Identifier: MPL-2.0
 *
 * Which policies a request falls under: a hash index over (host, path) of all selectors, asked once for each segment
 * boundary of the request's path, so that the cost grows with the path and not with the number of policies.
 */
#ifndef FAIRVISOR_POLICY_MATCH_H
#define FAIRVISOR_POLICY_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "policy/facts.h"

/* Builds the index of BUNDLE in its region. false when memory is out. Called by load_bundle. */
bool match_build(struct bundle *bundle);

/* Writes the indexes of the policies whose selector holds for FACTS to FOUND (room for bundle->policy_count), ascending
 * (which is by id). Returns how many. Reads nothing but path, host and method. Does not allocate. */
size_t match_find(const struct bundle *bundle, const struct facts *facts, uint32_t *found);

#endif
