/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor keys list: the limits that something is spent of, with the identities that are known by name.
 */
#ifndef FAIRVISOR_CLI_KEYS_LIST_H
#define FAIRVISOR_CLI_KEYS_LIST_H

#include <stdbool.h>

#include "cli/instance.h"
#include "policy/decide_cells.h"

/* Prints those of the policy and the rule that IDENTITY names (empty: all), the fullest first, and how many cells are in
 * use beside them. A cell holds the keyed hash of an identity: the names come from the events that are still in the ring, with
 * hashes in the place of values that the setting redact hides there. false when memory is out. */
bool keys_list_print(const struct instance *instance, struct decider *decider,
                     const struct decide_cells_identity *identity, bool is_json, struct failure *failure);

#endif
