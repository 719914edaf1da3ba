/* SPDX-License-Identifier: MPL-2.0
 *
 * How full limits are: of each rule the identity that has least left. Who there is, the events in the ring tell; how much is
 * left, the cells: where an identity is hidden by the setting redact, its last event.
 */
#ifndef FAIRVISOR_CLI_FILL_H
#define FAIRVISOR_CLI_FILL_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/bundle.h"
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

/* Reads the ring of ARENA once, and the cells of the identities that it names; BUNDLE is the loaded one, or NULL. false when
 * memory is out. */
bool fill_read(const struct arena *arena, const struct bundle *bundle, struct fill *fill);

/* Lines for people; members of a JSON list for programs. */
void fill_print(const struct fill *fill);
void fill_print_json(const struct fill *fill);

#endif
