/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor top.
 */
#ifndef FAIRVISOR_CLI_TOP_H
#define FAIRVISOR_CLI_TOP_H

#include "cli/command.h"

#define TOP_DETAILS                                                                                                   \
    "Shows who is refused most and who spends most, by identity or by rule, as it happens. It begins with what is\n" \
    "still in the ring of events; allowed requests are sampled, so their figures are right on average. The cost is\n" \
    "what was charged in the end: what was reserved until a request is settled. The fill is that of this moment.\n\n" \
    "  --sort ORDER     reject (default), cost, fill or allow\n"                                                      \
    "  --by WHAT        identity (default) or rule\n"                                                                 \
    "  --interval TIME  between frames, from 100ms to 1m (default 1s)\n"                                             \
    "  --lines N        at most so many rows; with --once 20 unless given\n"                                         \
    "  --once           print what is in the ring and end\n"                                                          \
    "  --json           with --once: one object: instance, running, time, events, lost, sort, by, and the list rows of\n"\
    "                   objects with policy, rule, served, keys, rejects, would_rejects, allows, cost (sums), limit,\n"\
    "                   remaining, fill_percent, last\n"                                                               \
    "  -c FILE, --instance NAME  which instance\n"                                                                    \
    "\n"                                                                                                              \
    "A value that begins with # is hidden by the setting redact: the same value has the same hash, as long as the\n"   \
    "shared memory lives. While no master runs it shows what is left, and says so.\n"                                  \
    "Keys: r c f a sort by refusals, cost, fill, allows; i identities or rules; p or space pause; up and down, or\n" \
    "j and k, scroll; q ends. A terminal of fewer than 100 columns shows fewer figures, and the names of keys without\n" \
    "what stands before their colon.\n"                                                                               \
    "Exit code: 0; 64 wrong usage; 69 the instance does not run; 71 its shared memory cannot be used; 77 no\n"        \
    "permission; 78 bad settings.\n"

#define TOP_EXAMPLES                                    \
    "  fairvisor top --sort cost\n"                     \
    "  fairvisor top --by rule --once\n"                \
    "  fairvisor top --once --json | jq '.rows[0]'\n"

int top_run(const struct command *command, int count, char **words);

#endif
