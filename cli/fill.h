/* SPDX-License-Identifier: MPL-2.0
 *
 * How full limits are: of each rule the identity that had least left, as the events in the ring last told it.
 */
#ifndef FAIRVISOR_CLI_FILL_H
#define FAIRVISOR_CLI_FILL_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/arena.h"

#define FILL_RULES 16 /* that are told about, the fullest */

struct fill_rule {
    char policy[64], rule[64]; /* cut, terminated */
    int percent;               /* used, of the fullest identity */
    int64_t rejects;           /* of all identities, as far as the ring reaches back */
};

struct fill {
    struct fill_rule rules[FILL_RULES]; /* the fullest first */
    uint32_t count;
};

/* Reads the ring of ARENA once. false when memory is out. */
bool fill_read(const struct arena *arena, struct fill *fill);

/* Lines for people; members of a JSON list for programs. */
void fill_print(const struct fill *fill);
void fill_print_json(const struct fill *fill);

#endif
