/* SPDX-License-Identifier: MPL-2.0
 *
 * Whether anybody has the value that a kill switch is about: a switch for a value that nobody has refuses nobody, and a
 * misspelt one looks like one that works.
 */
#ifndef FAIRVISOR_CLI_KILL_SEEN_H
#define FAIRVISOR_CLI_KILL_SEEN_H

#include "cli/instance.h"
#include "policy/bundle.h"

enum kill_seen {
    KILL_SEEN_UNKNOWN, /* no rule asks for the key, so that nothing in memory tells its values */
    KILL_SEEN_NEVER,
    KILL_SEEN
};

/* Looks for KEY with VALUE, in canonical spelling, among the events in the memory of INSTANCE, which is open and serves
 * LOADED, and for a counter of this value alone. *EVENTS: how many there were to look at. Allowed requests are a sample
 * there, and older events are gone: NEVER is not for ever. */
enum kill_seen kill_seen_look(const struct instance *instance, const struct bundle *loaded, struct slice key, struct slice value,
                              uint64_t *events);

#endif
