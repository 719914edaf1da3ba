/* SPDX-License-Identifier: MPL-2.0
 *
 * Requests in flight. Each is noted in the lane of the time it began in; a lane is a third of the time to live, and four of them
 * take turns, so that a request whose end is never told is forgotten after its time to live, never sooner, and at most a third
 * later.
 */
#include "shm/cell_kinds.h"

#define LANES                      CELL_FLIGHT_LANES
#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)

/* Milliseconds of one lane, rounded up. */
static uint32_t lane_length(const struct cell_limit *limit)
{
    int64_t lanes = (LANES - 1) * NANOSECONDS_PER_MILLISECOND;

    return (uint32_t)((limit->length_ns + lanes - 1) / lanes);
}

/* Number of the lane that boot time NS falls into, counted since the boot. */
static int64_t turn_of(int64_t ns, uint32_t lane_ms)
{
    int64_t length = lane_ms * NANOSECONDS_PER_MILLISECOND;

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

/* A reload that changes the time to live starts everybody's anew: late is safe, early is not. Nobody knows any more in which lane
 * a request of before would be, so that its end must not take another's place away: that is what the layout is for. */
static void change_length(struct cell *cell, uint32_t lane_ms, int64_t now_ns)
{
    uint32_t all = (uint32_t)(cell->spent / CELL_ONE);

    for (int i = 0; i < LANES; i++)
        cell->of.lanes[i] = 0;
    *lane_of(cell, turn_of(now_ns, lane_ms)) = all;
    cell->lane_ms = lane_ms;
    cell->layout = (uint16_t)(now_ns / NANOSECONDS_PER_MILLISECOND);
}

/* Empties the lanes whose time is over. */
static void forget(struct cell *cell, int64_t now_ns)
{
    int64_t to = turn_of(now_ns, cell->lane_ms), from = turn_of(cell->stamp_ns, cell->lane_ms);

    if (to - from >= LANES)
        from = to - LANES;
    while (from < to)
        *lane_of(cell, ++from) = 0;
    add_up(cell);
}

void cell_flight_refresh(struct cell *cell, const struct cell_limit *limit, struct moment now)
{
    uint32_t lane_ms = lane_length(limit);
    int64_t now_ns = now.boot_ns > cell->stamp_ns ? now.boot_ns : cell->stamp_ns;

    if (cell->lane_ms)
        forget(cell, now_ns);
    if (cell->lane_ms != lane_ms)
        change_length(cell, lane_ms, now_ns);
}

void cell_flight_judge(const struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now,
                       struct cell_view *view)
{
    (void)cost;
    (void)now;
    view->layout = cell->layout;
    /* Nobody can know when a request ends; a second is a polite time to ask again. */
    view->reset_ns = limit->length_ns;
    view->wait_ns = NANOSECONDS_PER_SECOND;
}

void cell_flight_debit(struct cell *cell, const struct cell_limit *limit, int64_t cost, struct moment now)
{
    uint32_t lane_ms = lane_length(limit);

    *lane_of(cell, turn_of(cell->stamp_ns, lane_ms)) += (uint32_t)(cost / CELL_ONE);
    add_up(cell);
    cell->expires_ns = now.boot_ns + (int64_t)lane_ms * LANES * NANOSECONDS_PER_MILLISECOND;
}

bool cell_flight_land(struct cell *cell, const struct cell_limit *limit, int64_t begun_ns, uint16_t layout)
{
    uint32_t lane_ms = lane_length(limit);
    int64_t turn = turn_of(begun_ns, lane_ms), last = turn_of(cell->stamp_ns, lane_ms);
    bool is_known = cell->layout == layout && turn <= last && turn > last - LANES && *lane_of(cell, turn) > 0;

    if (is_known) {
        (*lane_of(cell, turn))--;
        add_up(cell);
        if (cell->spent == 0)
            cell->expires_ns = cell->stamp_ns;
    }
    return is_known;
}

/* The cell itself holds its time to live. */
bool cell_flight_correct(struct cell *cell, int64_t cost, int64_t begun_ns, uint16_t layout, struct moment now)
{
    struct cell_limit limit = {.length_ns = cell->lane_ms * (LANES - 1) * NANOSECONDS_PER_MILLISECOND};

    if (cost > 0)
        return false;
    if (cell->lane_ms == 0)
        return true;
    cell_flight_refresh(cell, &limit, now);
    if (now.boot_ns > cell->stamp_ns)
        cell->stamp_ns = now.boot_ns;
    cell_flight_land(cell, &limit, begun_ns, layout);
    return true;
}

bool cell_flight_is_sane(const struct cell *cell)
{
    int64_t sum = 0;

    for (int i = 0; i < LANES; i++)
        sum += cell->of.lanes[i] * CELL_ONE;
    return sum == cell->spent;
}
