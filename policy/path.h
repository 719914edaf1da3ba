/* SPDX-License-Identifier: MPL-2.0
 *
 * Request targets as the matcher sees them.
 */
#ifndef FAIRVISOR_POLICY_PATH_H
#define FAIRVISOR_POLICY_PATH_H

#include <stdbool.h>

#include "shm/slice.h"

/* Splits TARGET (origin-form "/p?q", absolute-form "http://h/p?q", or "?q", what is left of "http://h?q" without its host)
 * into path and query; a fragment is cut off. false when it is none of them. */
bool path_split(struct slice target, struct slice *path, struct slice *query);

/* The most bytes that a path of SIZE bytes may have when it is normalized. */
#define PATH_NORMAL_SIZE(size) (3 * (size) + 1)

/* Normalizes PATH: percent-encoded unreserved characters decoded (RFC 3986 6.2.2.2), other escapes in upper case, bytes that
 * may not stand in a path at all (spaces, control bytes, whatever is no ASCII) encoded, "//" merged, dot segments removed
 * (5.2.4). OUT must hold PATH_NORMAL_SIZE(PATH.size) bytes; without such bytes PATH.size + 1 are enough. Returns the normalized
 * path; PATH itself, without copying, when it was normal already. */
struct slice path_normalize(struct slice path, char *out);

#endif
