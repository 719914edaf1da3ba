/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor keys.
 */
#ifndef FAIRVISOR_CLI_KEYS_H
#define FAIRVISOR_CLI_KEYS_H

#include "cli/command.h"

#define KEYS_DETAILS                                                                                                   \
    "  list               show the limits that something is spent of, the fullest first, with the identities that the\n" \
    "                     events in memory name; and how many cells are in use in all\n"                               \
    "  get                show the limits that are about one identity, and where each stands\n"                        \
    "  reset              make them whole again and close an open circuit breaker\n"                                   \
    "  grant              give back a part of what was spent, at most all of it\n"                                     \
    "  KEY=VALUE          a key of limit_keys and the value it has, such as header:x-api-key=1234; all the keys of\n"  \
    "                     a rule are needed to find its limit. None: the limits that all requests share.\n"            \
    "                     KEY=- reads the value, when it is a secret, from standard input; KEY=#..., the hash that\n"    \
    "                     list and events tell in the place of a hidden value, stands for it while such an event is\n"  \
    "                     in memory\n"                                                                                   \
    "  --policy ID        only limits of this policy\n"                                                                \
    "  --rule NAME        only limits of this rule\n"                                                                  \
    "  --amount NUMBER    grant: how much, in the unit of the rule: requests, tokens, money\n"                         \
    "  --reason TEXT      reset, grant: why, which they need; stands in the service's log beside who did it\n"         \
    "  -c FILE            the settings of the instance (default " SYSCONFDIR "/fairvisor/fairvisor.conf, then the\n"   \
    "                     environment)\n"                                                                              \
    "  --instance NAME    another instance than the settings name\n"                                                   \
    "  --json             get: one object: instance, identity, a list of {key, value}, and limits, a list of {policy,\n" \
    "                     rule, limit, shadow, capacity, spent, remaining, window_seconds, reset_seconds, open};\n" \
    "                     list: instance, limits with fill_percent and identity, cells_used, named, hidden; the\n" \
    "                     others: changed, and for grant amount\n"                                                     \
    "\n"                                                                                                               \
    "Counters are kept by a keyed hash of the identity. list knows the names that the last events tell, with hashes in\n" \
    "the place of values that the setting redact hides there; get finds any.\n"                                        \
    "\n"                                                                                                               \
    "Exit code: 0 done; 1 no limit is about this identity; 64 wrong usage; 69 not running; 71 the system failed;\n"    \
    "77 permission; 78 bad settings.\n"

#define KEYS_EXAMPLES                                                                             \
    "  fairvisor keys list --policy agents\n"                                                    \
    "  fairvisor keys get header:x-api-key=1234\n"                                                \
    "  fairvisor keys reset --policy agents jwt:sub=agent-7 --reason 'loop fixed, ticket 812'\n"  \
    "  fairvisor keys grant --amount 50000 jwt:org_id=acme --reason 'goodwill'\n"

int keys_run(const struct command *command, int count, char **words);

#endif
