/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor test.
 */
#ifndef FAIRVISOR_CLI_TEST_H
#define FAIRVISOR_CLI_TEST_H

#include "cli/command.h"

#define TEST_DETAILS                                                                                                    \
    "  BUNDLE            the policy bundle to judge by; without one, that of the settings\n"                           \
    "  --requests FILE   the log; - or none reads standard input\n"                                                    \
    "  --log-format F    json: an object on each line, as the decision log has; combined; or a log_format of nginx,\n"  \
    "                    such as '$remote_addr [$time_iso8601] \"$request\" $http_x_api_key $request_time'; when left\n" \
    "                    out, what the first line looks like. @FILE: what the file holds, as log_format stands in\n"    \
    "                    nginx.conf\n"                                                                                  \
    "  --dry-run         every policy in shadow: what each would have rejected if the others rejected nothing\n"        \
    "  --compare OTHER   judge by the bundle OTHER, too, and tell what changes\n"                                       \
    "  --format F        table (default), json, or html: one page with charts that needs nothing else\n"                \
    "  --json            the same as --format json\n"                                                                   \
    "  --identities N    how many identities to list, those with the most refusals (default 10)\n"                      \
    "  -c FILE           settings: shared_dict_size, the files that keys such as ip:country are looked up in, and\n"    \
    "                    config_file (default " SYSCONFDIR "/fairvisor/fairvisor.conf, then the environment)\n"         \
    "\n"                                                                                                                \
    "The requests are judged by the code that judges real ones, on counters of their own that begin fresh, at the\n"    \
    "times that the log says. The running service notices nothing. What the JSON lines and the answer with --json\n"   \
    "hold is told in fairvisor(1).\n"                                                                                   \
    "\n"                                                                                                                \
    "Exit code: 0 judged, whatever the verdicts; 1 judged, but some lines could not be read; 64 wrong usage;\n"         \
    "65 invalid bundle, or no request in the log; 66 no such file; 77 permission; 78 bad settings.\n"

#define TEST_EXAMPLES                                                                               \
    "  fairvisor test policy.json --requests /var/log/nginx/access.log\n"                          \
    "  fairvisor test policy.json --requests access.log --compare new-policy.json --format html >changes.html\n" \
    "  zcat access.log.*.gz | fairvisor test --dry-run policy.json\n"

int test_run(const struct command *command, int count, char **words);

#endif
