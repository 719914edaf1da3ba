/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor init.
 */
#ifndef FAIRVISOR_CLI_INIT_H
#define FAIRVISOR_CLI_INIT_H

#include "cli/command.h"

#define INIT_DETAILS                                                                                                \
    "  --template NAME  what to begin with: api, llm, webhook or agents\n"                                          \
    "  FILE             where to write it (default policy.json); - writes to standard output\n"                     \
    "  --force          overwrite FILE when it is there\n"                                                          \
    "  --list           print the templates and what they are for, and write nothing\n"                             \
    "  --json           one object: file, template, purpose, advice; --list: templates, a list of {template,\n"      \
    "                   purpose}\n"                                                                                 \
    "\n"                                                                                                            \
    "Every template is taken by `fairvisor validate --strict` as it is. What to change in it is told on standard\n" \
    "error, for JSON has no comments.\n"                                                                            \
    "\n"                                                                                                            \
    "Exit code: 0 written, 64 wrong usage, 71 not written, 73 the file is there already, 77 permission.\n"

#define INIT_EXAMPLES                                    \
    "  fairvisor init --template=api\n"                  \
    "  fairvisor init --template=llm --force llm.json\n" \
    "  fairvisor init --template=agents - | jq .\n"

int init_run(const struct command *command, int count, char **words);

#endif
