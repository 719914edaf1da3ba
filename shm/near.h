/* SPDX-License-Identifier: MPL-2.0
 *
 * "Did you mean ...?": the known name nearest to a misspelt one.
 */
#ifndef FAIRVISOR_SHM_NEAR_H
#define FAIRVISOR_SHM_NEAR_H

#include <stddef.h>

#include "shm/slice.h"

/* The entry of NAMES that is nearest to NAME by insertions, deletions, replacements and swaps of neighbours, case
 * ignored; the first of equals. NULL when none is near enough (about one slip in three letters) to be worth naming. */
const char *near_find(struct slice name, const char *const *names, size_t count);

#endif
