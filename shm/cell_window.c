/* SPDX-License-Identifier: MPL-2.0
 *
 * The calendar window: what is spent comes back whole when the window ends. The caller says in which window now lies; a wall
 * clock that went back neither refills nor shortens the window a cell is already in.
 */
#include <stddef.h>

#include "shm/cell_kinds.h"

/* Time left in the cell's window; at least one nanosecond, for a window that is over by a clock that then went back. */
static int64_t time_left(const struct cell *cell, struct moment now)
{
    int64_t left_s = cell->of.window_end_s - now.wall_ns / NANOSECONDS_PER_SECOND;
    int64_t left;

    if (left_s >= CELL_FAR_AWAY / NANOSECONDS_PER_SECOND)
        return CELL_FAR_AWAY;
    left = left_s * NANOSECONDS_PER_SECOND - now.wall_ns % NANOSECONDS_PER_SECOND;
    return left > 0 ? left : 1;
}

void cell_window_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    bool is_same = cell->calendar == limit->calendar;

    if (is_same && cell->of.window_end_s >= limit->window_end_s)
        return;
    /* A later window begins anew; a reload to another calendar takes along what is spent of a window that is not over. */
    if (is_same || cell->of.window_end_s <= now.wall_ns / NANOSECONDS_PER_SECOND)
        cell->spent = 0;
    cell->calendar = limit->calendar;
    cell->of.window_end_s = limit->window_end_s;
}

void cell_window_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                       struct cell_view *view)
{
    (void)limit;
    (void)cost;
    view->reset_ns = time_left(cell, now);
    view->wait_ns = view->reset_ns;
    view->window_end_s = cell->of.window_end_s;
}

void cell_window_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now)
{
    (void)limit;
    cell_spend(cell, cost);
    cell->expires_ns = now.boot_ns + (cell->spent ? time_left(cell, now) : 0);
}

/* Without its calendar: a window that is over is followed by one whose end nobody knows. */
bool cell_window_correct(struct cell *cell, int64_t cost, int64_t begun_ns, uint16_t layout, struct moment now)
{
    (void)begun_ns;
    (void)layout;
    if (cost > 0 && cell->of.window_end_s <= now.wall_ns / NANOSECONDS_PER_SECOND)
        return false;
    cell_window_debit(cell, NULL, cost, now);
    return true;
}

bool cell_window_is_sane(const struct cell *cell)
{
    return cell->of.window_end_s >= 0 && cell->of.window_end_s <= INT64_MAX / NANOSECONDS_PER_SECOND &&
           cell->of.reset_ns >= -CELL_STAMP_MAX && cell->of.reset_ns <= CELL_STAMP_MAX;
}
