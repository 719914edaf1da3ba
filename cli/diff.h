/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor diff, and the printing of differences for other commands.
 */
#ifndef FAIRVISOR_CLI_DIFF_H
#define FAIRVISOR_CLI_DIFF_H

#include <stdio.h>

#include "cli/command.h"
#include "policy/difference.h"

#define DIFF_DETAILS                                                                                                   \
    "  BEFORE AFTER  two policy bundles; - reads one of them from standard input\n"                                    \
    "  --json        one object: before, after, same, stricter, looser, other (numbers), and differences, a list of\n" \
    "                {change, effect, policy, rule, subject, before, after, counts_at_zero}; what a difference\n"      \
    "                does not have is left out\n"                                                                      \
    "\n"                                                                                                               \
    "What the bundles demand is compared, not their text: order, spelling, bundle_version and issued_at do not\n"      \
    "matter. A difference is stricter when it can only refuse more, looser when it can only refuse less, other when\n" \
    "it may do both or neither. In a policy that stays in shadow everything is other.\n"                               \
    "\n"                                                                                                               \
    "Counters are found by the policy, its mode, the rule, its algorithm and its limit_keys: where one of these is\n"  \
    "another, or has another name, they begin at zero, and the difference says so. Figures and periods keep them.\n"   \
    "\n"                                                                                                               \
    "Exit code: 0 the same; 1 different; 64 wrong usage; 65 invalid bundle; 66 no such file; 77 permission.\n"

#define DIFF_EXAMPLES                              \
    "  fairvisor diff policy.json new-policy.json\n" \
    "  git show HEAD:policy.json | fairvisor diff --json - policy.json\n"

int diff_run(const struct command *command, int count, char **words);

/* Prints LIST, a line for each difference, under a heading for each policy; nothing for an empty list. */
void diff_print(const struct difference_list *list, FILE *out);

/* "3 differences: 1 stricter, 2 looser, 0 other", without an end of line. */
void diff_print_sum(const struct difference_list *list, FILE *out);

/* Prints the members "same", "stricter", "looser", "other" and "differences" of a JSON object, without its braces. */
void diff_print_json(const struct difference_list *list, FILE *out);

#endif
