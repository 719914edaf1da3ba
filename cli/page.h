/* SPDX-License-Identifier: MPL-2.0
 *
 * A replay as one HTML page that needs nothing else: no script, no picture, no font of another place.
 */
#ifndef FAIRVISOR_CLI_PAGE_H
#define FAIRVISOR_CLI_PAGE_H

#include <stdio.h>

#include "cli/report.h"

void page_print(const struct report *report, FILE *out);

#endif
