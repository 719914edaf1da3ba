/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor logs.
 */
#ifndef FAIRVISOR_CLI_LOGS_H
#define FAIRVISOR_CLI_LOGS_H

#include "cli/command.h"

#define LOGS_DETAILS                                                                                                \
    "Shows events of the running instance as they happen: requests that were refused, that shadow rules would have\n" \
    "refused, that were warned, a sample of those that were allowed, and what operators changed. With FILE, or -\n"   \
    "for standard input, those of a decision log instead, whose other lines are passed over.\n\n"                     \
    "  --action LIST    only these: allow, reject, would_reject, audit; charge and settle are shown only when they are\n" \
    "                   asked for\n"                                                                                  \
    "  --reason REASON  only refusals for this reason; may be repeated\n"                                             \
    "  --policy ID      only of this policy; may be repeated\n"                                                       \
    "  --key NAME[=VALUE]  only of requests with this key, such as ip:address=10.0.0.1; may be repeated\n"            \
    "  --since TIME     begin with events that are so old (10m) or since then (2026-01-31T08:00:00Z)\n"               \
    "  --lines N        begin with the last N events that are still in memory; when left out 10, or every one since the\n" \
    "                   time of --since; not for a FILE, which is read as a whole\n"                                  \
    "  --no-follow      print what is there and end\n"                                                                \
    "  --format json    a JSON object in each line, as in the decision log: see fairvisor(1), DECISION LOG\n"         \
    "  --json           the same as --format json\n"                                                                  \
    "  -c FILE, --instance NAME  which instance\n"                                                                    \
    "\n"                                                                                                              \
    "A value that begins with # is hidden by the setting redact: the same value has the same hash, as long as the\n"  \
    "shared memory lives. While no master runs it shows what is left, and says so.\n"                                 \
    "Events that were written over before they could be read are counted: see the lines that say so.\n"               \
    "Exit code: 0; 64 wrong usage; 66 no such file; 69 the instance does not run; 71 its shared memory cannot be\n"   \
    "used; 77 no permission; 78 bad settings.\n"

#define LOGS_EXAMPLES                                                     \
    "  fairvisor logs --action reject --key ip:address=10.0.0.1\n"        \
    "  fairvisor logs --since 5m --no-follow --json | jq .reason\n" \
    "  fairvisor logs --reason budget_exhausted /var/log/fairvisor.log\n"

int logs_run(const struct command *command, int count, char **words);

#endif
