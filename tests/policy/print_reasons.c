/* SPDX-License-Identifier: MPL-2.0
 *
 * Prints the list of reasons of fairvisor-policy(5) in mdoc(7) from reasons.def. tests/cli/manual holds the page against it.
 */
#include <stdio.h>

#include "policy/verdict.h"

int main(void)
{
    fputs(".Bl -tag -width Ds\n", stdout);
    for (enum reason reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        const struct reason_row *row = &verdict_reasons[reason];

        printf(".It Cm %s\n%s\nStatus %u%s.\n", row->name, row->help, row->status,
               row->retry_cures ? "" : ", x-should-retry: false");
    }
    fputs(".El\n", stdout);
    return 0;
}
