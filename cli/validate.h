/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor validate.
 */
#ifndef FAIRVISOR_CLI_VALIDATE_H
#define FAIRVISOR_CLI_VALIDATE_H

#include "cli/command.h"

#define VALIDATE_DETAILS                                                                                             \
    "  FILE           the policy bundle; - reads standard input\n"                                                   \
    "  --strict       warnings make the bundle invalid, too\n"                                                       \
    "  -c FILE        settings; keys that need one which is not in FILE get a warning. Without -c, every key that\n" \
    "                 needs a setting without a default does\n"                                                      \
    "  --format text  one complaint after the other, each with the place in the file (default)\n"                    \
    "  --format json  one object: file, valid, policies, rules, errors, warnings, and complaints, a list of\n"       \
    "                 {severity, code, line, column, pointer, sentence}; at most 64 are listed, the numbers of\n"    \
    "                 errors and warnings count all\n"                                                               \
    "  --json         the same as --format json\n"                                                                   \
    "  --schema       print a JSON Schema of bundles, for editors; it is installed as policy.schema.json, too\n"      \
    "\n"                                                                                                             \
    "Exit code: 0 valid, 1 invalid, 64 wrong usage, 66 no such file.\n"

#define VALIDATE_EXAMPLES                                       \
    "  fairvisor validate policy.json\n"                        \
    "  fairvisor validate -c fairvisor.conf policy.json\n"      \
    "  fairvisor validate --strict --format json policy.json\n" \
    "  fairvisor validate --schema >policy.schema.json\n"      \
    "  generate-policy | fairvisor validate -\n"

int validate_run(const struct command *command, int count, char **words);

#endif
