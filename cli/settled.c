/* SPDX-License-Identifier: MPL-2.0
 *
 * Names for settlements: see settled.h.
 */
#include "cli/settled.h"

#include <string.h>

#define PROBES 8 /* places that one cell may be in */

/* The place of CELL or, when it has none, a free one or the one that may go: the oldest. */
static struct event *find(struct settled *settled, const uint64_t cell[2], bool makes)
{
    size_t oldest = cell[0] % SETTLED_PLACES;

    for (size_t i = 0; i < PROBES; i++) {
        size_t at = (cell[0] + i) % SETTLED_PLACES;

        if (memcmp(settled->places[at].cell, cell, sizeof(settled->places[at].cell)) == 0)
            return &settled->places[at].told;
        if (settled->places[at].told.wall_ns < settled->places[oldest].told.wall_ns)
            oldest = at;
    }
    if (!makes)
        return NULL;
    memcpy(settled->places[oldest].cell, cell, sizeof(settled->places[oldest].cell));
    return &settled->places[oldest].told;
}

static void remember(struct settled *settled, const struct event *event)
{
    const uint64_t *cell;
    int role = -1;

    while ((cell = event_next_cell(event, &role)) != NULL)
        *find(settled, cell, true) = *event;
}

static void complete(struct settled *settled, struct event *event)
{
    static const enum event_text names[] = {EVENT_TEXT_POLICY, EVENT_TEXT_RULE};
    struct slice name, value;
    const uint64_t *cell;
    const struct event *told;
    int role = -1;
    size_t at = 0;

    cell = event_next_cell(event, &role);
    told = cell ? find(settled, cell, false) : NULL;
    if (!told)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (event_get(event, names[i]).size == 0)
            event_add(event, names[i], event_get(told, names[i]));
    while (at < told->rule_keys && event_next_key(told, &at, &name, &value))
        event_add_key(event, name, value);
    event->rule_keys = event->key_count;
    event->flags |= told->flags & EVENT_IS_HASHED;
}

void settled_pass(struct settled *settled, struct event *event)
{
    if (event->action == EVENT_SETTLE)
        complete(settled, event);
    else
        remember(settled, event);
}
