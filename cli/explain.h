/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor explain.
 */
#ifndef FAIRVISOR_CLI_EXPLAIN_H
#define FAIRVISOR_CLI_EXPLAIN_H

#include "cli/command.h"

#define EXPLAIN_DETAILS                                                                                                \
    "  METHOD URI         what is asked for, as in GET /api/data?user=7 or POST https://api.example.com/v1/chat\n"     \
    "  -H 'NAME: VALUE'   a header field of the request, as from a trusted proxy; may be given several times\n"        \
    "  --body FILE        the request's body, - for standard input: limits of tokens and of money, and loop detection,\n" \
    "                     look into it\n"                                                                                \
    "  --client ADDRESS   the client's address; X-Forwarded-For is not looked at\n"                                    \
    "  -c FILE            the settings of the instance (default " SYSCONFDIR "/fairvisor/fairvisor.conf, then the\n"   \
    "                     environment)\n"                                                                              \
    "  --instance NAME    another instance than the settings name\n"                                                   \
    "  --bundle FILE      judge by this policy bundle\n"                                                               \
    "  --json             one object: request {method, path, query, host, client, token {good, reason, keys}, body\n"  \
    "                     {bytes, readable}}, bundle {source, version, loaded}, counters (\"live\" or \"fresh\"), steps,\n"\
    "                     a list of {step, policy, rule, guard, counts, key, value, path, count, limit, remaining,\n"  \
    "                     window_seconds, reset_seconds, cost, fits, shadow}, and verdict {allowed,\n"                 \
    "                     matched_policies, would_reject, reason, status, retry_cures, retry_after_seconds, warnings,\n"\
    "                     loop_count, delay_ms, policy, rule, kill_switch_reason, limit, remaining, window_seconds,\n"  \
    "                     reset_seconds}; what there is not is left out\n"                                             \
    "\n"                                                                                                               \
    "While the instance runs, its loaded policy and its live counters are used; otherwise the configured policy and\n" \
    "fresh counters. Nothing is charged.\n"                                                                            \
    "\n"                                                                                                               \
    "Exit code: 0 explained, whatever the verdict; 64 wrong usage; 65 invalid bundle; 66 no such file; 77 "            \
    "permission;\n"                                                                                                    \
    "78 bad settings.\n"

#define EXPLAIN_EXAMPLES                                    \
    "  fairvisor explain GET /api/data --client 10.0.0.1\n" \
    "  fairvisor explain POST /v1/chat/completions -H 'Authorization: Bearer sk-1' --body request.json\n" \
    "  fairvisor explain --bundle policy.json POST /v1/chat -H 'X-Api-Key: 1234' --json\n"

int explain_run(const struct command *command, int count, char **words);

#endif
