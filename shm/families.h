/* SPDX-License-Identifier: MPL-2.0
 *
 * Names, labels and help of the metrics that are no counters of a worker slot (those are in counters.h).
 */
#ifndef FAIRVISOR_SHM_FAMILIES_H
#define FAIRVISOR_SHM_FAMILIES_H

#include "shm/slice.h"

enum family {
#define FAMILY(symbol, name, labels, type, help) FAMILY_##symbol,
#include "shm/families.def"
#undef FAMILY
    FAMILY_COUNT
};

struct family_row {
    const char *name;   /* Prometheus name */
    const char *labels; /* names with commas between them; empty for none */
    const char *type;   /* "counter", "gauge" or "histogram" */
    const char *help;
};

/* One row for each enum family, in order. */
extern const struct family_row families_table[FAMILY_COUNT];

static inline struct slice families_name(enum family family)
{
    return slice_of(families_table[family].name);
}

#endif
