/* SPDX-License-Identifier: MPL-2.0
 *
 * Escapes in JSON strings.
 */
#ifndef FAIRVISOR_POLICY_JSON_ESCAPE_H
#define FAIRVISOR_POLICY_JSON_ESCAPE_H

#include <stddef.h>

#include "shm/slice.h"

/* Writes to OUT what the escape at *AT of RAW stands for, 1 to 4 bytes and never more than the escape has, and moves *AT
 * from its backslash to the byte behind it. The gate (json_gate.h) must have found it well-formed. Returns how many. */
size_t json_escape_resolve(struct slice raw, size_t *at, char *out);

#endif
