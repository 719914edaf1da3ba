/* SPDX-License-Identifier: MPL-2.0
 *
 * Rings of waiting connections, one per kind of waiting. No clock, no memory of its own.
 */
#include "worker/timeouts.h"

#include <stddef.h>

#define LONGEST_TICK_MS  500
#define SHORTEST_TICK_MS 20
#define TICKS_PER_LIMIT  8
#define LATE_TICKS       2 /* no processor for longer than that: what clients have sent meanwhile is not read yet */

void timeouts_init(struct timeouts *timeouts, const uint64_t limit_ms[TIMEOUT_KINDS], uint64_t now_ms)
{
    timeouts->now_ms = now_ms;
    timeouts->tick_ms = LONGEST_TICK_MS;
    timeouts->is_passed_over = false;
    for (size_t kind = 0; kind < TIMEOUT_KINDS; kind++) {
        struct timeout *head = &timeouts->heads[kind];

        *head = (struct timeout){.previous = head, .next = head, .kind = (uint8_t)kind};
        timeouts->limit_ms[kind] = limit_ms[kind];
        if (limit_ms[kind] / TICKS_PER_LIMIT < timeouts->tick_ms)
            timeouts->tick_ms = limit_ms[kind] / TICKS_PER_LIMIT;
    }
    if (timeouts->tick_ms < SHORTEST_TICK_MS)
        timeouts->tick_ms = SHORTEST_TICK_MS;
}

static void unlink_timeout(struct timeout *timeout)
{
    timeout->previous->next = timeout->next;
    timeout->next->previous = timeout->previous;
}

void timeouts_start(struct timeouts *timeouts, struct timeout *timeout, enum timeout_kind kind)
{
    struct timeout *head = &timeouts->heads[kind];

    if (timeout->kind == kind && timeout->since_ms == timeouts->now_ms)
        return;
    if (timeout->kind != TIMEOUT_NONE)
        unlink_timeout(timeout);
    timeout->kind = (uint8_t)kind;
    timeout->since_ms = timeouts->now_ms;
    timeout->next = head;
    timeout->previous = head->previous;
    head->previous->next = timeout;
    head->previous = timeout;
}

void timeouts_stop(struct timeout *timeout)
{
    if (timeout->kind == TIMEOUT_NONE)
        return;
    unlink_timeout(timeout);
    timeout->kind = TIMEOUT_NONE;
}

void timeouts_shorten(struct timeouts *timeouts, enum timeout_kind kind, uint64_t limit_ms)
{
    struct timeout *head = &timeouts->heads[kind];

    if (limit_ms >= timeouts->limit_ms[kind])
        return;
    timeouts->limit_ms[kind] = limit_ms;
    for (struct timeout *timeout = head->next; timeout != head; timeout = timeout->next)
        timeout->since_ms = timeouts->now_ms;
}

void timeouts_tick(struct timeouts *timeouts, uint64_t now_ms, timeouts_expired *expired)
{
    /* Never two in a row, or whoever keeps us busy would be safe. */
    timeouts->is_passed_over = !timeouts->is_passed_over && now_ms - timeouts->now_ms > LATE_TICKS * timeouts->tick_ms;
    timeouts->now_ms = now_ms;
    if (timeouts->is_passed_over)
        return;
    for (size_t kind = 0; kind < TIMEOUT_KINDS; kind++) {
        struct timeout *head = &timeouts->heads[kind];

        while (head->next != head && now_ms - head->next->since_ms >= timeouts->limit_ms[kind] + timeouts->tick_ms)
            expired(head->next);
    }
}

void timeouts_expire_all(struct timeouts *timeouts, timeouts_expired *expired)
{
    for (size_t kind = 0; kind < TIMEOUT_KINDS; kind++) {
        struct timeout *head = &timeouts->heads[kind];

        while (head->next != head)
            expired(head->next);
    }
}
