/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor status.
 */
#ifndef FAIRVISOR_CLI_STATUS_H
#define FAIRVISOR_CLI_STATUS_H

#include "cli/command.h"

#define STATUS_DETAILS                                                                                                 \
    "  -c FILE          the settings of the instance (default " SYSCONFDIR "/fairvisor/fairvisor.conf, then the\n"     \
    "                   environment)\n"                                                                                \
    "  --instance NAME  another instance than the settings name\n"                                                     \
    "  --json           one object: state, message, instance, running, pid, started_at, uptime_seconds,\n"             \
    "                   policy_version, policy_hash, generation, loaded_at, expires_at, certificate_ends_at,\n"        \
    "                   workers, worker_restarts, connections, decisions, rejects (null when the loaded policy cannot\n"\
    "                   be read), clients_untold, forwarded_ignored, unmatched, missing (how often a rule lacked each\n"  \
    "                   key), log_lines_lost, log_losing_since, limits, cells, cells_used, reloads, reload_failures,\n"\
    "                   last_reload_failed, last_reload_at, kill_switches_by_hand, snapshot_failures,\n"               \
    "                   last_snapshot_failed, last_snapshot_at; limits lists the fullest rules at this moment: policy,\n"\
    "                   rule, fill_percent, rejects; without shared memory only the first three, and running as false\n"\
    "                   when that means a stopped instance\n"                                                          \
    "\n"                                                                                                               \
    "decisions and rejects are sums over the policies that are served: those of a policy that was removed or renamed\n"\
    "are no longer in them, so that they can fall when another bundle is loaded, and rise when it comes back.\n"       \
    "\n"                                                                                                               \
    "Exit code, as monitoring plugins have it: 0 OK; 1 WARNING, the last reload or snapshot failed, the upstream\n"    \
    "fails, a gateway asks that trusted_proxies does not name, the log takes no lines, the bundle has expired, the\n"  \
    "certificate has or soon will, the shared memory was removed, or more than 90 % of the cells are in use; 2 CRITICAL,\n"\
    "not running, or without its master; 3 UNKNOWN, cannot be read; 64 wrong usage.\n"

#define STATUS_EXAMPLES    \
    "  fairvisor status\n" \
    "  fairvisor status --instance staging --json\n"

int status_run(const struct command *command, int count, char **words);

#endif
