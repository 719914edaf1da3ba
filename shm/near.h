/* SPDX-License-Identifier: MPL-2.0
 *
 * "Did you mean ...?": the candidate that differs from a word by the fewest typing slips.
 */
#ifndef FAIRVISOR_SHM_NEAR_H
#define FAIRVISOR_SHM_NEAR_H

#include "shm/slice.h"

struct near {
    struct slice word;
    struct slice best; /* empty: nothing near so far */
    unsigned distance; /* of best */
};

void near_init(struct near *near, struct slice word);

/* Considers CANDIDATE, which must live as long as NEAR. A slip is a byte too many, too few, wrong, or swapped with its
 * neighbour; up to a third of the word may be slips, case counts as none. */
void near_offer(struct near *near, struct slice candidate);

#endif
