/* SPDX-License-Identifier: MPL-2.0
 *
 * Request targets as the matcher sees them.
 */
#ifndef FAIRVISOR_POLICY_PATH_H
#define FAIRVISOR_POLICY_PATH_H

#include <stdbool.h>

#include "shm/slice.h"

/* Splits TARGET (origin-form "/p?q", or absolute-form "http://h/p?q") into path and query; a fragment is cut off. false
 * when it is neither. */
bool path_split(struct slice target, struct slice *path, struct slice *query);

/* Normalizes PATH: percent-encoded unreserved characters decoded (RFC 3986 6.2.2.2), other escapes in upper case, "//"
 * merged, dot segments removed (5.2.4). OUT must hold PATH.size + 1 bytes. Returns the normalized path; PATH itself,
 * without copying, when it was normal already. */
struct slice path_normalize(struct slice path, char *out);

#endif
