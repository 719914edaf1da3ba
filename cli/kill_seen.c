/* SPDX-License-Identifier: MPL-2.0
 *
 * The ring of events, then cells: see kill_seen.h.
 */
#include "cli/kill_seen.h"

#include "cli/keys_view.h"
#include "policy/decide.h"
#include "policy/decide_cells.h"
#include "shm/events.h"
#include "shm/moment.h"

struct wanted {
    const struct arena *arena;
    struct slice key, value;
    struct slice hash; /* as events tell a value that is hidden */
    struct moment now;
    bool has_cell;
};

static bool is_asked_for(const struct bundle *loaded, struct slice key)
{
    for (uint32_t i = 0; i < loaded->descriptor_count; i++)
        if (slice_equal(loaded->descriptors[i].text, key))
            return true;
    return false;
}

/* An operator's deed, this kill switch for one, names whom it is about, who may be nobody. */
static bool names(const struct event *event, const struct wanted *wanted)
{
    struct slice key, value;
    size_t at = 0;

    while (event->action != EVENT_AUDIT && event_next_key(event, &at, &key, &value))
        if (slice_equal(key, wanted->key) && (slice_equal(value, wanted->value) || slice_equal(value, wanted->hash)))
            return true;
    return false;
}

static bool has_event(const struct wanted *wanted, uint64_t *count)
{
    static struct event event;
    uint64_t end = events_count(wanted->arena);
    struct events_reader reader;
    bool is_named = false;

    *count = 0;
    events_begin_oldest(&reader, wanted->arena);
    while (!is_named && events_read_kept(&reader, end, &event)) {
        is_named = names(&event, wanted);
        *count += event.action != EVENT_AUDIT;
    }
    return is_named;
}

static void on_limit(void *context, const struct decide_cells_limit *limit)
{
    struct wanted *wanted = context;
    struct keys_view view;

    if (limit->rule && limit->rule->key_count == 0)
        return; /* shared by all */
    keys_view_read(wanted->arena, limit, wanted->now, &view);
    wanted->has_cell |= view.spent > 0;
}

static bool has_cell(struct wanted *wanted, const struct bundle *loaded)
{
    const struct decide_cells_pair pair = {wanted->key, wanted->value};
    const struct decide_cells_identity identity = {.pairs = &pair, .count = 1};
    struct decider *decider = decide_new(loaded, wanted->arena, NULL, 0);

    if (decider)
        decide_cells_list(decider, &identity, wanted->now, on_limit, wanted);
    decide_free(decider);
    return wanted->has_cell;
}

enum kill_seen kill_seen_look(const struct instance *instance, const struct bundle *loaded, struct slice key, struct slice value,
                              uint64_t *events)
{
    char room[DECIDE_REDACT_SIZE];
    struct wanted wanted = {.arena = &instance->arena, .key = key, .value = value, .now = moment_now()};

    *events = 0;
    if (!is_asked_for(loaded, key))
        return KILL_SEEN_UNKNOWN;
    wanted.hash = decide_redact(wanted.arena, SETTINGS_REDACT_ALL, key, value, room);
    if (has_event(&wanted, events) || has_cell(&wanted, loaded))
        return KILL_SEEN;
    return value.size > EVENT_VALUE_MOST ? KILL_SEEN_UNKNOWN : KILL_SEEN_NEVER; /* events tell the start of a longer one */
}
