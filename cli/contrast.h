/* SPDX-License-Identifier: MPL-2.0
 *
 * What another bundle changes for the same requests: verdict by verdict, limit by limit, identity by identity.
 */
#ifndef FAIRVISOR_CLI_CONTRAST_H
#define FAIRVISOR_CLI_CONTRAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/tally.h"

/* One limit, or one identity of it. Slices live as long as the tallies. */
struct contrast_row {
    struct slice policy, rule, identity; /* identity empty: the limit */
    uint64_t before, after;              /* refusals of both kinds */
};

struct contrast {
    uint64_t still_allowed, still_refused, newly_refused, newly_allowed;
    struct contrast_row *rules, *identities; /* those that differ, most first */
    size_t rule_count, identity_count;
};

void contrast_count(struct contrast *contrast, bool was_refused, bool is_refused);

/* Compares two finished tallies. false when memory is out; contrast_fini always. */
bool contrast_finish(struct contrast *contrast, const struct tally *before, const struct tally *after);
void contrast_fini(struct contrast *contrast);

#endif
