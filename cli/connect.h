/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor connect.
 */
#ifndef FAIRVISOR_CLI_CONNECT_H
#define FAIRVISOR_CLI_CONNECT_H

#include "cli/command.h"

#define CONNECT_DETAILS                                                                                                \
    "  --push FILE        check the bundle in FILE (- reads standard input), show what it changes, ask, and have the\n" \
    "                     running instance serve it; it replaces the file that config_file names, so that reloads\n"   \
    "                     and restarts serve it as well\n"                                                             \
    "  --list             show the last bundles that were served\n"                                                    \
    "  --rollback         push the one that was served before, once more the one before that, and so on; --to\n"       \
    "                     NUMBER: that one of the list\n"                                                             \
    "  --yes              do not ask\n"                                                                                \
    "  --reason TEXT      why; stands in the service's log beside who did it\n"                                        \
    "  -c FILE            the settings of the instance (default " SYSCONFDIR "/fairvisor/fairvisor.conf, then the\n"   \
    "                     environment)\n"                                                                              \
    "  --instance NAME    another instance than the settings name\n"                                                   \
    "  --json             --list: one object: instance, config_file, and bundles, a list of {number, kept_at,\n"       \
    "                     version, policies, hash, served, how, uid, reason; error where it cannot be read}; else,\n"  \
    "                     with --yes, one object: instance, before, after\n"                                           \
    "                     (versions), generation, kept (whether --rollback can come back to it), file, and what diff\n"\
    "                     --json tells of the differences; of an instance that is not running instance, after,\n"      \
    "                     generation (null) and file\n"                                                                \
    "\n"                                                                                                               \
    "Until the new workers are ready the old ones serve; when anything is wrong, nothing changes.\n"                   \
    "\n"                                                                                                               \
    "Exit code: 0 done; 1 not confirmed, refused, or there is nothing to go back to; 64 wrong usage; 65 invalid\n"     \
    "bundle; 66 no such file; 69 not running; 71 the system failed; 77 permission; 78 bad settings.\n"

#define CONNECT_EXAMPLES                                                              \
    "  fairvisor connect --push policy.json --reason 'more for acme, ticket 77'\n"    \
    "  fairvisor connect --list\n"                                                    \
    "  fairvisor connect --rollback --yes\n"

int connect_run(const struct command *command, int count, char **words);

#endif
