/* SPDX-License-Identifier: MPL-2.0
 *
 * Where one limit of one identity stands, read from its cell, as words and as members of a JSON object.
 */
#ifndef FAIRVISOR_CLI_KEYS_VIEW_H
#define FAIRVISOR_CLI_KEYS_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/decide_cells.h"
#include "shm/arena.h"

struct keys_view {
    struct decide_cells_limit limit;
    struct cell_view cell;
    int64_t spent; /* millionths */
};

/* Reads the cell of LIMIT at NOW. Nothing is locked or changed. */
void keys_view_read(const struct arena *arena, const struct decide_cells_limit *limit, struct moment now,
                    struct keys_view *view);

bool keys_view_is_open(const struct keys_view *view); /* a circuit breaker that refuses */

/* How much is used, in percent: 0 to 999. */
int keys_view_fill(const struct keys_view *view);

void keys_view_print_amount(const char *label, int64_t millionths);

/* "7 of 10 left in 1s, spent 3, whole again in 2s" */
void keys_view_print(const struct keys_view *view);

/* "policy":...,"rule":... and what else fairvisor keys says about a limit. */
void keys_view_print_json(const struct keys_view *view);

#endif
