/* SPDX-License-Identifier: MPL-2.0
 *
 * How full limits are at this moment: of each rule the identity that has least left. Who there is, the events in the ring tell, and
 * which cells count him, whether or not the setting redact hides his name; how much is left, the cells.
 */
#ifndef FAIRVISOR_CLI_FILL_H
#define FAIRVISOR_CLI_FILL_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/ranking.h"
#include "policy/decide.h"
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

/* Sets limit and remaining of the rows of IDENTITIES, and of those of the same RULES, to what the cells in ARENA say; limit 0
 * where the bundle of DECIDER has no such limit any more. Without a decider (NULL) they stay as the last events told them. */
void fill_refresh(struct ranking *identities, struct ranking *rules, struct decider *decider, const struct arena *arena);

/* Reads the ring of ARENA once, and the cells that its events name; DECIDER is of the loaded bundle, or NULL. false when memory is
 * out. */
bool fill_read(const struct arena *arena, struct decider *decider, struct fill *fill);

/* Lines for people; members of a JSON list for programs. */
void fill_print(const struct fill *fill);
void fill_print_json(const struct fill *fill);

#endif
