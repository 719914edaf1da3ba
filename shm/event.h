/* SPDX-License-Identifier: MPL-2.0
 *
 * One event: a decision of interest, or an act of an operator, as a record of fixed size that says everything by itself (a reader
 * needs no bundle). Filled by whoever lets it happen, copied through the ring of events.h, printed by event_print.h. A
 * record that was read from shared memory may hold any bytes: the functions below give back slices that lie inside of it,
 * whatever it says.
 */
#ifndef FAIRVISOR_SHM_EVENT_H
#define FAIRVISOR_SHM_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/address.h"
#include "shm/slice.h"

/* What an event tells: ROW(symbol, name, help). */
#define EVENT_ACTION_ROWS(ROW)                                                                            \
    ROW(ALLOW, "allow", "a request was allowed; one of `weight` of them")                                \
    ROW(REJECT, "reject", "a request was refused")                                                       \
    ROW(WOULD_REJECT, "would_reject", "a shadow rule would have refused a request")                      \
    ROW(CHARGE, "charge", "what a sampled request cost under another rule than the one its allow shows") \
    ROW(SETTLE, "settle", "a sampled request cost something else than what was reserved for it")         \
    ROW(AUDIT, "audit", "an operator changed something")

enum event_action {
#define EVENT_ACTION_SYMBOL(symbol, name, help) EVENT_##symbol,
    EVENT_ACTION_ROWS(EVENT_ACTION_SYMBOL)
#undef EVENT_ACTION_SYMBOL
    EVENT_ACTIONS
};

/* The texts of an event: ROW(symbol, name, most bytes). A longer one is cut, and the event says so. */
#define EVENT_TEXT_ROWS(ROW)  \
    ROW(REASON, "reason", 48) \
    ROW(POLICY, "policy", 64) \
    ROW(RULE, "rule", 64)     \
    ROW(METHOD, "method", 16) \
    ROW(HOST, "host", 64)     \
    ROW(PATH, "path", 160)    \
    ROW(NOTE, "note", 160)    \
    ROW(DETAIL, "detail", 160) \
    ROW(VERSION, "version", 24) \
    ROW(VERSION_BEFORE, "version_before", 24) \
    ROW(HASH, "hash", 64)     \
    ROW(HASH_BEFORE, "hash_before", 64)

enum event_text {
#define EVENT_TEXT_SYMBOL(symbol, name, most) EVENT_TEXT_##symbol,
    EVENT_TEXT_ROWS(EVENT_TEXT_SYMBOL)
#undef EVENT_TEXT_SYMBOL
    EVENT_TEXTS
};

/* Bits of event.warnings: ROW(bit, name). */
#define EVENT_WARNING_ROWS(ROW) \
    ROW(1, "budget_warn")       \
    ROW(2, "budget_throttle")   \
    ROW(4, "loop_warn")

#define EVENT_ROOM         352 /* bytes for all texts and keys of one event */
#define EVENT_KEY_MOST     64  /* of a key's name */
#define EVENT_VALUE_MOST   96  /* of a key's value */
#define EVENT_HAS_NUMBERS  1   /* bits of event.flags: limit, remaining, cost and wait_ns are meant */
#define EVENT_IS_CUT       2   /* some text was too long */
#define EVENT_IS_HASHED    4   /* the value of some key, or the client, was replaced by its hash */
#define EVENT_HAS_WHO      8   /* uid and pid are meant */
#define EVENT_CELLS        2   /* limits that one rule has for one identity */

struct event {
    int64_t wall_ns;
    union {
        struct { /* EVENT_HAS_NUMBERS */
            union {
                int64_t limit;    /* millionths, as the next two */
                int64_t reserved; /* SETTLE: what COST takes the place of */
            };
            int64_t remaining, cost;
            union {
                int64_t wait_ns; /* refused: until it would fit; INT64_MAX never */
                int64_t age_ns;  /* SETTLE: since the request was let through */
            };
        };
        struct { /* EVENT_AUDIT */
            uint32_t uid, pid;          /* EVENT_HAS_WHO */
            uint32_t generation_before; /* the bundle was to be replaced: of the one before; 0: it was not */
        };
    };
    uint32_t delay_ms;              /* the answer was held back for so long */
    uint32_t weight;                /* a sample stands for so many */
    uint32_t generation;            /* of the bundle */
    uint16_t writer;                /* slot of the worker; EVENTS_WRITER_DOOR: the master's door */
    uint16_t status;                /* of the verdict; 0: none */
    uint8_t action;                 /* enum event_action */
    uint8_t warnings;
    uint8_t flags;
    uint8_t key_count;
    uint8_t rule_keys; /* so many of them, the first, are the keys of the rule; others were looked at on the way */
    struct address client;
    uint8_t size[EVENT_TEXTS];
    uint8_t cell_roles; /* which limits of the rule the cells below count, as policy/ numbers them: a bit for each */
    uint16_t at[EVENT_TEXTS];
    uint16_t used;    /* texts grow from the front of the room, */
    uint16_t keys_at; /* keys from its end */
    char room[EVENT_ROOM];
    uint64_t cells[EVENT_CELLS][2]; /* keys of the cells, by the number of their roles: where an identity is counted, whether or
                                     * not the event tells its name. Only the first, as many as cell_roles has bits, mean something */
};

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* An empty event. Does not clear the room: whoever makes the struct does, once. */
void event_begin(struct event *event, enum event_action action, int64_t wall_ns);

/* Adds a text or an identity key; what finds no room is cut at a character or left out, and the event says so. */
void event_add(struct event *event, enum event_text which, struct slice text);
void event_add_key(struct event *event, struct slice name, struct slice value);

void event_set_numbers(struct event *event, int64_t limit, int64_t remaining, int64_t cost, int64_t wait_ns);

/* Adds a cell that counts for the rule; in the order of ROLE, below 8. What finds no place is left out. */
void event_add_cell(struct event *event, unsigned role, const uint64_t key[2]);

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* Empty when there is none. Lives as long as EVENT. */
struct slice event_get(const struct event *event, enum event_text which);

/* Walks the keys: *AT begins as 0. false at the end. */
bool event_next_key(const struct event *event, size_t *at, struct slice *name, struct slice *value);

/* Walks the cells: *ROLE begins as -1 and becomes that of the cell. NULL at the end. */
const uint64_t *event_next_cell(const struct event *event, int *role);

/* Name of an action, "unknown" for a number that is none. */
const char *event_action_name(unsigned action);

/* Number of the action called NAME, or EVENT_ACTIONS. */
enum event_action event_find_action(struct slice name);

#endif
