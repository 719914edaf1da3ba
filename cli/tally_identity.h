/* SPDX-License-Identifier: MPL-2.0
 *
 * The identities that a tally tells apart.
 */
#ifndef FAIRVISOR_CLI_TALLY_IDENTITY_H
#define FAIRVISOR_CLI_TALLY_IDENTITY_H

#include "cli/tally.h"

/* Who the request at hand is to the rule of ROW, or TEXT when ROW has none; made when it is new. NULL, counted in
 * tally->untold: not told apart any more. */
struct tally_identity *tally_identity_find(struct tally *tally, struct tally_row *row, struct slice text);

#endif
