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
    "                   policy_version, policy_hash, generation, loaded_at, workers, worker_restarts, connections,\n"  \
    "                   decisions, rejects (null when the loaded policy cannot be read), limits, cells, cells_used, " \
    "reloads,\n"                                                                                                       \
    "                   reload_failures, last_reload_failed, last_reload_at, kill_switches_by_hand,\n"                 \
    "                   snapshot_failures, last_snapshot_failed, last_snapshot_at; limits lists the fullest\n"           \
    "                   rules at this moment: policy, rule, fill_percent, rejects; without shared\n"                     \
    "                   memory only the first three,\n"                                                                  \
    "                   and running as false when that means a stopped instance\n"                                     \
    "\n"                                                                                                               \
    "Exit code, as monitoring plugins have it: 0 OK; 1 WARNING, the last reload or snapshot failed or more than 90 % " \
    "of\n"                                                                                                             \
    "the cells are in use; 2 CRITICAL, not running; 3 UNKNOWN, cannot be read; 64 wrong usage.\n"

#define STATUS_EXAMPLES    \
    "  fairvisor status\n" \
    "  fairvisor status --instance staging --json\n"

int status_run(const struct command *command, int count, char **words);

#endif
