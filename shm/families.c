/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of metrics: see families.h.
 */
#include "shm/families.h"

const struct family_row families_table[FAMILY_COUNT] = {
#define FAMILY(symbol, name, labels, type, help) {name, labels, type, help},
#include "shm/families.def"
#undef FAMILY
};
