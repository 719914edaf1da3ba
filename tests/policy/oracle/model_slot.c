/* SPDX-License-Identifier: MPL-2.0
 *
 * What the model remembers of one identity under one limit.
 */
#include "tests/policy/oracle/model.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE (60 * WORLD_SECOND)
#define LANES  4

typedef __int128 wide;

static wide max(wide a, wide b)
{
    return a > b ? a : b;
}

/* Smallest whole number that is not below A / B; B > 0, A may be negative. */
static wide divide_up(wide a, wide b)
{
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

void model_slot_init(struct model_slot *slot, const struct model_limit *limit, int64_t boot_ns)
{
    char *key = slot->key;
    struct model_slot *next = slot->next;

    memset(slot, 0, sizeof(*slot));
    slot->key = key;
    slot->next = next;
    slot->kind = limit->kind;
    slot->stamp = slot->whole_ns = boot_ns;
    slot->end_s = limit->end_s;
    slot->calendar = limit->calendar;
}

/* Remembers when a bucket was whole last. */
static void note_whole(struct model_slot *slot)
{
    if (slot->debt == 0)
        slot->whole_ns = slot->stamp;
}

/* ---- flight --------------------------------------------------------------------------------------------------------
 */

static int64_t lane_of(const struct model_limit *limit)
{
    return (int64_t)divide_up(limit->length_ns, 3 * INT64_C(1000000)) * INT64_C(1000000);
}

static void forget_flights(struct model_slot *slot, int64_t boot_ns)
{
    int kept = 0;

    for (int i = 0; i < slot->flight_count; i++)
        if (boot_ns / slot->lane_ns - slot->lanes[i] < LANES)
            slot->lanes[kept++] = slot->lanes[i];
    slot->flight_count = kept;
}

/* Another time to live begins anew for everybody who is still in flight: late is safe, early is not. */
static void touch_flight(struct model_slot *slot, const struct model_limit *limit, int64_t boot_ns)
{
    int64_t lane_ns = lane_of(limit);

    if (slot->lane_ns)
        forget_flights(slot, boot_ns);
    if (slot->lane_ns == lane_ns)
        return;
    for (int i = 0; i < slot->flight_count; i++)
        slot->lanes[i] = boot_ns / lane_ns;
    for (int i = 0; i < slot->young_count; i++)
        if (slot->young_until[i] > boot_ns + limit->length_ns)
            slot->young_until[i] = boot_ns + limit->length_ns;
    slot->lane_ns = lane_ns;
    slot->layout_ns = boot_ns;
}

static void begin_flight(struct model_slot *slot, const struct model_limit *limit, int64_t boot_ns)
{
    int kept = 0;

    for (int i = 0; i < slot->young_count; i++)
        if (slot->young_until[i] > boot_ns) {
            slot->young_until[kept] = slot->young_until[i];
            slot->young_begun[kept++] = slot->young_begun[i];
        }
    slot->young_count = kept;
    if (slot->flight_count == MODEL_FLIGHTS || slot->young_count == MODEL_FLIGHTS)
        abort();
    slot->lanes[slot->flight_count++] = boot_ns / slot->lane_ns;
    slot->young_begun[slot->young_count] = boot_ns;
    slot->young_until[slot->young_count++] = boot_ns + limit->length_ns;
}

void model_slot_land(struct model_slot *slot, int64_t begun_ns, int64_t layout_ns)
{
    for (int i = 0; i < slot->young_count; i++)
        if (slot->young_begun[i] == begun_ns && slot->young_until[i] > 0) {
            slot->young_until[i] = 0;
            break;
        }
    for (int i = 0; i < slot->flight_count && slot->layout_ns == layout_ns; i++)
        if (slot->lanes[i] == begun_ns / slot->lane_ns) {
            slot->lanes[i] = slot->lanes[--slot->flight_count];
            return;
        }
}

int model_slot_young(const struct model_slot *slot, int64_t boot_ns)
{
    int count = 0;

    for (int i = 0; i < slot->young_count; i++)
        count += slot->young_until[i] > boot_ns;
    return count;
}

/* ---- breaker -------------------------------------------------------------------------------------------------------
 */

static void touch_breaker(struct model_slot *slot, const struct model_limit *limit, int64_t boot_ns)
{
    if (slot->opened) {
        if (limit->length_ns > 0 && boot_ns >= slot->opened + limit->length_ns)
            model_slot_init(slot, limit, boot_ns);
        return;
    }
    if (boot_ns - slot->stamp >= 2 * MINUTE) {
        model_slot_init(slot, limit, boot_ns);
    } else if (boot_ns - slot->stamp >= MINUTE) {
        slot->previous = slot->spent;
        slot->spent = 0;
        slot->stamp += MINUTE;
    }
}

void model_slot_unspend(struct model_slot *slot, int64_t amount, int64_t begun_ns)
{
    if (begun_ns >= slot->stamp)
        slot->spent = (int64_t)max(0, (wide)slot->spent - amount);
    else if (begun_ns >= slot->stamp - MINUTE)
        slot->previous = (int64_t)max(0, (wide)slot->previous - amount);
}

static void judge_breaker(const struct model_slot *slot, struct model_demand *demand, int64_t boot_ns)
{
    int64_t left = MINUTE - (boot_ns - slot->stamp);
    int64_t spent = slot->spent + (int64_t)divide_up((wide)slot->previous * left, MINUTE);

    demand->remaining = slot->opened ? 0 : demand->limit.capacity - spent;
    demand->fits = !slot->opened && demand->cost <= demand->remaining;
    demand->trips = !slot->opened && !demand->fits;
    demand->wait_ns = MODEL_NEVER;
    if (demand->limit.length_ns && demand->cost <= demand->limit.capacity)
        demand->wait_ns = (slot->opened ? slot->opened : boot_ns) + demand->limit.length_ns - boot_ns;
}

/* ---- all -----------------------------------------------------------------------------------------------------------
 */

static void touch_window(struct model_slot *slot, const struct model_limit *limit, int64_t wall_ns)
{
    /* A wall clock that goes back changes nothing. */
    if (slot->calendar == limit->calendar && limit->end_s <= slot->end_s)
        return;
    /* A later window of the same calendar begins anew; a reload to another one takes along what is spent of a window
     * that is not over. */
    if (slot->calendar == limit->calendar || slot->end_s * WORLD_SECOND <= wall_ns)
        slot->spent = 0;
    slot->calendar = limit->calendar;
    slot->end_s = limit->end_s;
}

void model_slot_touch(struct model_slot *slot, const struct model_limit *limit, int64_t boot_ns, int64_t wall_ns)
{
    slot->last = *limit;
    switch (limit->kind) {
    case MODEL_BUCKET:
        slot->debt = max(0, slot->debt - (wide)(boot_ns - slot->stamp) * limit->rate);
        slot->stamp = boot_ns;
        note_whole(slot);
        break;
    case MODEL_WINDOW:
        touch_window(slot, limit, wall_ns);
        break;
    case MODEL_COUNT:
        if (slot->ends_ns <= boot_ns)
            slot->count = 0;
        break;
    case MODEL_FLIGHT:
        touch_flight(slot, limit, boot_ns);
        break;
    case MODEL_BREAKER:
        touch_breaker(slot, limit, boot_ns);
        break;
    }
}

static int64_t time_left(const struct model_slot *slot, int64_t wall_ns)
{
    int64_t left = slot->end_s * WORLD_SECOND - wall_ns;

    return left > 0 ? left : 1;
}

void model_slot_judge(const struct model_slot *slot, struct model_demand *demand, int64_t boot_ns, int64_t wall_ns)
{
    const struct model_limit *limit = &demand->limit;
    struct model_slot copy = {.key = NULL};

    if (slot)
        copy = *slot;
    else
        model_slot_init(&copy, limit, boot_ns);
    model_slot_touch(&copy, limit, boot_ns, wall_ns);
    switch (limit->kind) {
    case MODEL_BUCKET:
        demand->remaining = limit->capacity - (int64_t)divide_up(copy.debt, limit->per_ns);
        demand->wait_ns =
            (int64_t)divide_up((wide)(demand->cost - limit->capacity) * limit->per_ns + copy.debt, limit->rate);
        break;
    case MODEL_WINDOW:
        demand->remaining = limit->capacity - copy.spent;
        demand->wait_ns = time_left(&copy, wall_ns);
        break;
    case MODEL_COUNT:
        demand->remaining = limit->capacity - copy.count * WORLD_ONE;
        demand->wait_ns = copy.count ? copy.ends_ns - boot_ns : limit->length_ns;
        break;
    case MODEL_FLIGHT:
        demand->remaining = limit->capacity - copy.flight_count * WORLD_ONE;
        demand->wait_ns = WORLD_SECOND;
        break;
    case MODEL_BREAKER:
        judge_breaker(&copy, demand, boot_ns);
        return;
    }
    demand->fits = demand->cost <= demand->remaining;
    if (demand->cost > limit->capacity)
        demand->wait_ns = MODEL_NEVER;
}

void model_slot_charge(struct model_slot *slot, const struct model_limit *limit, int64_t cost, int64_t boot_ns)
{
    switch (limit->kind) {
    case MODEL_BUCKET:
        slot->debt = max(0, slot->debt + (wide)cost * limit->per_ns);
        note_whole(slot);
        break;
    case MODEL_BREAKER:
        if (slot->opened)
            break;
        /* fall through */
    case MODEL_WINDOW:
        slot->spent = (int64_t)max(0, (wide)slot->spent + cost);
        break;
    case MODEL_COUNT:
        if (slot->count++ == 0)
            slot->ends_ns = boot_ns + limit->length_ns;
        break;
    case MODEL_FLIGHT:
        begin_flight(slot, limit, boot_ns);
        break;
    }
}

/* ---- without a limit -----------------------------------------------------------------------------------------------
 */

static bool correct_bucket(struct model_slot *slot, int64_t cost, int64_t begun_ns, int64_t boot_ns)
{
    const struct model_limit *last = &slot->last;

    if (cost < 0 && begun_ns < slot->whole_ns)
        return true;
    if (cost > 0 && slot->debt <= last->per_ns)
        return false;
    if (cost > 0 && boot_ns >= slot->stamp + (int64_t)divide_up(slot->debt, last->rate)) {
        slot->debt = 0;
        slot->stamp = slot->whole_ns = boot_ns;
    }
    slot->debt = max(0, slot->debt + (wide)cost * last->per_ns);
    note_whole(slot);
    return true;
}

bool model_slot_correct(struct model_slot *slot, int64_t cost, int64_t begun_ns, int64_t layout_ns, int64_t boot_ns,
                        int64_t wall_ns)
{
    struct model_limit limit = {.kind = slot->kind, .length_ns = 3 * slot->lane_ns};

    switch (slot->kind) {
    case MODEL_BUCKET:
        return correct_bucket(slot, cost, begun_ns, boot_ns);
    case MODEL_WINDOW:
        if (cost > 0 && slot->end_s <= wall_ns / WORLD_SECOND)
            return false;
        slot->spent = (int64_t)max(0, (wide)slot->spent + cost);
        return true;
    case MODEL_FLIGHT:
        touch_flight(slot, &limit, boot_ns);
        model_slot_land(slot, begun_ns, layout_ns);
        return true;
    case MODEL_BREAKER:
        touch_breaker(slot, &limit, boot_ns);
        if (cost < 0)
            model_slot_unspend(slot, -cost, begun_ns);
        else
            model_slot_charge(slot, &limit, cost, boot_ns);
        return true;
    case MODEL_COUNT:
        break;
    }
    return false;
}
