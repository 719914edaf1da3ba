/* SPDX-License-Identifier: MPL-2.0
 *
 * The window that begins with its first request: its end is the cell's expiry.
 */
#include "shm/cell_kinds.h"

void cell_count_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    (void)limit;
    if (cell->expires_ns <= now.boot_ns)
        cell->spent = 0;
}

void cell_count_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                      struct cell_view *view)
{
    (void)cost;
    view->reset_ns = cell->spent ? cell->expires_ns - now.boot_ns : limit->length_ns;
    if (view->reset_ns < 1)
        view->reset_ns = 1;
    view->wait_ns = view->reset_ns;
}

void cell_count_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now)
{
    if (cell->spent == 0)
        cell->expires_ns = now.boot_ns + limit->length_ns;
    cell_spend(cell, cost);
}

bool cell_count_is_sane(const struct cell *cell)
{
    return cell->expires_ns <= INT64_MAX / 2;
}
