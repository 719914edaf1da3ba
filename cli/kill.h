/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor kill.
 */
#ifndef FAIRVISOR_CLI_KILL_H
#define FAIRVISOR_CLI_KILL_H

#include "cli/command.h"

#define KILL_DETAILS                                                                                                   \
    "  KEY VALUE          refuse every request whose key has this value, such as header:x-api-key 1234,\n"             \
    "                     jwt:org_id acme or ip:address 192.0.2.7; from now on, by all workers, without a reload\n"    \
    "                     KEY=VALUE as one word does as well\n"                                                        \
    "                     VALUE - is the first line of standard input, for a value that is a secret: whatever stands\n" \
    "                     among the words of a command is read by every user of the machine\n"                         \
    "                     VALUE is the value itself: #, and 16 digits, is how logs and lists show the hash of one that\n" \
    "                     the setting redact hides, and is refused; a value that really is like that can be blocked\n" \
    "                     by a kill switch of the bundle\n"                                                            \
    "  --route PATH       only requests with exactly this path\n"                                                      \
    "  --for TIME         end by itself after so much time (ms, s, m, h, d); unset, it holds until it is removed\n"    \
    "  --reason TEXT      why; stands in the log, in the list, and in the answer to refused clients\n"                 \
    "  --list             show the kill switches that hold, of the bundle as well\n"                                   \
    "  --remove           lift the one of KEY, VALUE and --route\n"                                                    \
    "  -c FILE            the settings of the instance (default " SYSCONFDIR "/fairvisor/fairvisor.conf, then the\n"   \
    "                     environment)\n"                                                                              \
    "  --instance NAME    another instance than the settings name\n"                                                   \
    "  --json             --list: one object: instance, overridden, and kill_switches, a list of {key, value, route,\n" \
    "                     reason, made_at, expires_at, source}, with source \"hand\" or \"bundle\"; else one object:\n"  \
    "                     done (\"set\", \"changed\" or \"lifted\"), key, value, route, reason, expires_at, seen\n"    \
    "                     (false: nobody with this value is in memory; null: memory cannot tell)\n"                    \
    "\n"                                                                                                               \
    "What is set by hand survives reloads, restarts and reboots. Those of the bundle are changed in the bundle.\n"     \
    "\n"                                                                                                               \
    "Exit code: 0 done; 1 the table is full, or there is no such kill switch; 64 wrong usage; 69 not running;\n"       \
    "71 the system failed: it holds, but could not be written down; 77 permission; 78 bad settings.\n"

#define KILL_EXAMPLES                                                                           \
    "  fairvisor kill jwt:org_id acme --for 1h --reason 'runaway agent, ticket 911'\n"          \
    "  fairvisor kill header:x-api-key 1234 --route /v1/chat/completions\n"                     \
    "  fairvisor kill header:x-api-key - <leaked-key\n"                                         \
    "  fairvisor kill --list\n"                                                                 \
    "  fairvisor kill --remove jwt:org_id acme\n"

int kill_run(const struct command *command, int count, char **words);

#endif
