/* SPDX-License-Identifier: MPL-2.0
 *
 * Texts into an event and out of it again: see event.h.
 */
#include "shm/event.h"

#include <string.h>

#include "shm/utf8.h"

#define KEY_HEADER 2 /* bytes before a key: the sizes of its name and its value */

static const char *const action_names[EVENT_ACTIONS] = {
#define EVENT_ACTION_NAME(symbol, name, help) name,
    EVENT_ACTION_ROWS(EVENT_ACTION_NAME)
#undef EVENT_ACTION_NAME
};

static const uint8_t text_most[EVENT_TEXTS] = {
#define EVENT_TEXT_MOST(symbol, name, most) most,
    EVENT_TEXT_ROWS(EVENT_TEXT_MOST)
#undef EVENT_TEXT_MOST
};

void event_begin(struct event *event, enum event_action action, int64_t wall_ns)
{
    memset(event, 0, offsetof(struct event, room));
    event->action = (uint8_t)action;
    event->wall_ns = wall_ns;
    event->weight = 1;
    event->keys_at = EVENT_ROOM;
}

/* The first MOST bytes of TEXT or less, so that no character of UTF-8 is torn. */
static struct slice cut(struct event *event, struct slice text, size_t most)
{
    if (text.size <= most)
        return text;
    event->flags |= EVENT_IS_CUT;
    while (most > 0 && ((unsigned char)text.data[most] & 0xc0) == 0x80)
        most--;
    return (struct slice){text.data, most};
}

void event_add(struct event *event, enum event_text which, struct slice text)
{
    size_t left = (size_t)(event->keys_at - event->used);
    struct slice kept = cut(event, text, left < text_most[which] ? left : text_most[which]);

    if (kept.size == 0)
        return;
    memcpy(event->room + event->used, kept.data, kept.size);
    event->at[which] = event->used;
    event->size[which] = (uint8_t)kept.size;
    event->used = (uint16_t)(event->used + kept.size);
}

void event_add_key(struct event *event, struct slice name, struct slice value)
{
    struct slice kept_name = cut(event, name, EVENT_KEY_MOST), kept_value = cut(event, value, EVENT_VALUE_MOST);
    size_t size = KEY_HEADER + kept_name.size + kept_value.size;
    char *place;

    if (size > (size_t)(event->keys_at - event->used) || event->key_count == UINT8_MAX) {
        event->flags |= EVENT_IS_CUT;
        return;
    }
    event->keys_at = (uint16_t)(event->keys_at - size);
    event->key_count++;
    place = event->room + event->keys_at;
    place[0] = (char)kept_name.size;
    place[1] = (char)kept_value.size;
    memcpy(place + KEY_HEADER, kept_name.data, kept_name.size);
    if (kept_value.size > 0)
        memcpy(place + KEY_HEADER + kept_name.size, kept_value.data, kept_value.size);
}

void event_set_numbers(struct event *event, int64_t limit, int64_t remaining, int64_t cost, int64_t wait_ns)
{
    event->flags |= EVENT_HAS_NUMBERS;
    event->limit = limit;
    event->remaining = remaining;
    event->cost = cost;
    event->wait_ns = wait_ns;
}

static unsigned cells_before(const struct event *event, int role)
{
    return (unsigned)__builtin_popcount(event->cell_roles & ((1U << role) - 1));
}

void event_add_cell(struct event *event, unsigned role, const uint64_t key[2])
{
    unsigned index = cells_before(event, (int)role);

    if (index == EVENT_CELLS || event->cell_roles >> role != 0)
        return;
    event->cell_roles = (uint8_t)(event->cell_roles | 1U << role);
    memcpy(event->cells[index], key, sizeof(event->cells[index]));
}

struct slice event_get(const struct event *event, enum event_text which)
{
    size_t at = event->at[which], size = event->size[which];

    if (size > text_most[which] || at > EVENT_ROOM || size > EVENT_ROOM - at)
        return (struct slice){NULL, 0};
    return (struct slice){event->room + at, size};
}

/* The key N from the front of the run, which was added last; false when the run does not hold so many. */
static bool key_at(const struct event *event, size_t n, struct slice *name, struct slice *value)
{
    size_t at = event->keys_at;

    for (;; n--) {
        size_t name_size, value_size;

        if (at > EVENT_ROOM || EVENT_ROOM - at < KEY_HEADER)
            return false;
        name_size = (unsigned char)event->room[at];
        value_size = (unsigned char)event->room[at + 1];
        if (name_size + value_size > EVENT_ROOM - at - KEY_HEADER)
            return false;
        *name = (struct slice){event->room + at + KEY_HEADER, name_size};
        *value = (struct slice){name->data + name_size, value_size};
        if (n == 0)
            return true;
        at += KEY_HEADER + name_size + value_size;
    }
}

bool event_next_key(const struct event *event, size_t *at, struct slice *name, struct slice *value)
{
    if (*at >= event->key_count || !key_at(event, event->key_count - 1 - *at, name, value))
        return false;
    ++*at;
    return true;
}

const uint64_t *event_next_cell(const struct event *event, int *role)
{
    unsigned left = *role < 7 ? (unsigned)event->cell_roles >> (*role + 1) : 0, index;

    if (left == 0)
        return NULL;
    *role += 1 + __builtin_ctz(left);
    index = cells_before(event, *role);
    return index < EVENT_CELLS ? event->cells[index] : NULL;
}

const char *event_action_name(unsigned action)
{
    return action < EVENT_ACTIONS ? action_names[action] : "unknown";
}

enum event_action event_find_action(struct slice name)
{
    for (unsigned action = 0; action < EVENT_ACTIONS; action++)
        if (slice_equal(name, slice_of(action_names[action])))
            return (enum event_action)action;
    return EVENT_ACTIONS;
}
