/* SPDX-License-Identifier: MPL-2.0
 *
 * Requests in flight. Each is noted in the lane of the time it began in; a lane is a third of the time to live, and four of them
 * take turns, so that a request whose end is never told is forgotten after its time to live, never sooner, and at most a third
 * later.
 */
#include "shm/cell_kinds.h"

#define LANES CELL_FLIGHT_LANES

/* Seconds of one lane. */
static uint32_t lane_seconds(const struct cell_limit *limit)
{
    int64_t seconds = limit->length_ns / NANOSECONDS_PER_SECOND;

    return (uint32_t)((seconds + LANES - 2) / (LANES - 1));
}

/* Number of the lane that boot time NS falls into, counted since the boot. */
static int64_t turn_of(int64_t ns, uint32_t seconds)
{
    int64_t length = seconds * NANOSECONDS_PER_SECOND;

    return ns >= 0 ? ns / length : -((-ns + length - 1) / length);
}

static uint32_t *lane_of(struct cell *cell, int64_t turn)
{
    return &cell->of.lanes[(uint64_t)turn % LANES];
}

static void add_up(struct cell *cell)
{
    cell->spent = 0;
    for (int i = 0; i < LANES; i++)
        cell->spent += cell->of.lanes[i] * CELL_ONE;
}

/* A reload that changes the time to live starts everybody's anew: late is safe, early is not. */
static void change_length(struct cell *cell, uint32_t seconds, int64_t turn)
{
    uint32_t all = (uint32_t)(cell->spent / CELL_ONE);

    for (int i = 0; i < LANES; i++)
        cell->of.lanes[i] = 0;
    *lane_of(cell, turn) = all;
    cell->seconds = seconds;
}

void cell_flight_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    uint32_t seconds = lane_seconds(limit);
    int64_t to = turn_of(now.boot_ns, seconds), from;

    if (cell->seconds != seconds) {
        change_length(cell, seconds, to);
        return;
    }
    from = turn_of(cell->stamp_ns, seconds);
    if (to - from >= LANES)
        from = to - LANES;
    while (from < to)
        *lane_of(cell, ++from) = 0;
    add_up(cell);
}

void cell_flight_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                       struct cell_view *view)
{
    (void)cell;
    (void)cost;
    (void)now;
    /* Nobody can know when a request ends; a second is a polite time to ask again. */
    view->reset_ns = limit->length_ns;
    view->wait_ns = NANOSECONDS_PER_SECOND;
}

void cell_flight_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now)
{
    uint32_t seconds = lane_seconds(limit);

    *lane_of(cell, turn_of(cell->stamp_ns, seconds)) += (uint32_t)(cost / CELL_ONE);
    add_up(cell);
    cell->expires_ns = now.boot_ns + (int64_t)seconds * LANES * NANOSECONDS_PER_SECOND;
}

bool cell_flight_land(struct cell *cell, const struct cell_limit *limit, int64_t begun_ns)
{
    uint32_t seconds = lane_seconds(limit);
    int64_t turn = turn_of(begun_ns, seconds);
    bool is_known = turn <= turn_of(cell->stamp_ns, seconds) && turn > turn_of(cell->stamp_ns, seconds) - LANES &&
                    *lane_of(cell, turn) > 0;

    if (is_known) {
        (*lane_of(cell, turn))--;
        add_up(cell);
        if (cell->spent == 0)
            cell->expires_ns = cell->stamp_ns;
    }
    return is_known;
}

bool cell_flight_is_sane(const struct cell *cell)
{
    int64_t sum = 0;

    for (int i = 0; i < LANES; i++)
        sum += cell->of.lanes[i] * CELL_ONE;
    return sum == cell->spent;
}
