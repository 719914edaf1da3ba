/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads lines of the decision log: see event_line.h.
 */
#include "cli/event_line.h"

#include <string.h>

#include "policy/decimal.h"
#include "policy/iso8601.h"
#include "policy/json.h"
#include "shm/events.h"
#include "shm/event_print.h"
#include "shm/moment.h"
#include "shm/quantity.h"

#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)
#define TIME_SIZE                   24 /* 2026-01-31T08:00:00.123Z */
#define MAX_TOKENS                  1024

struct reader {
    const struct json *json;
    struct region *region; /* of texts with escapes */
    struct event *event;
    bool has_time, has_action;
};

static bool text_of(struct reader *reader, uint32_t token, struct slice *text)
{
    return json_type(reader->json, token) == JSON_STRING && json_text(reader->json, token, reader->region, text);
}

static bool number_of(const struct reader *reader, uint32_t token, uint64_t *number)
{
    return json_type(reader->json, token) == JSON_NUMBER && quantity_parse_count(json_raw(reader->json, token), number);
}

static void read_time(struct reader *reader, uint32_t token)
{
    struct event *event = reader->event;
    char whole[ISO8601_TEXT_SIZE];
    uint64_t milliseconds;
    struct slice text;
    int64_t seconds;

    if (!text_of(reader, token, &text) || text.size != TIME_SIZE)
        return;
    memcpy(whole, text.data, ISO8601_TEXT_SIZE - 2);
    memcpy(whole + ISO8601_TEXT_SIZE - 2, "Z", 2);
    if (text.data[19] != '.' || text.data[23] != 'Z' || !iso8601_parse(slice_of(whole), &seconds) ||
        !quantity_parse_count((struct slice){text.data + 20, 3}, &milliseconds))
        return;
    if (seconds >= INT64_MAX / NANOSECONDS_PER_SECOND)
        return; /* of the year 2262 or later: no clock of ours tells that */
    event->wall_ns = seconds * NANOSECONDS_PER_SECOND + (int64_t)milliseconds * NANOSECONDS_PER_MILLISECOND;
    reader->has_time = true;
}

static void read_action(struct reader *reader, uint32_t token)
{
    enum event_action action;
    struct slice text;

    if (!text_of(reader, token, &text))
        return;
    action = event_find_action(text);
    reader->has_action = action != EVENT_ACTIONS;
    reader->event->action = (uint8_t)action;
}

static void read_text(struct reader *reader, uint32_t token, struct slice name)
{
    static const struct {
        struct slice name;
        enum event_text which;
    } rows[] = {
#define EVENT_TEXT_ROW(symbol, name, most) {{name, sizeof(name) - 1}, EVENT_TEXT_##symbol},
        EVENT_TEXT_ROWS(EVENT_TEXT_ROW)
#undef EVENT_TEXT_ROW
    };
    struct slice text;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (slice_equal(name, rows[i].name) && text_of(reader, token, &text))
            event_add(reader->event, rows[i].which, text);
}

/* Of the rule, which stand first in a line, or others. */
static void read_keys(struct reader *reader, uint32_t token, bool are_of_rule)
{
    const struct json *json = reader->json;

    if (json_type(json, token) != JSON_OBJECT)
        return;
    for (uint32_t member = json_first(json, token); member != JSON_NONE; member = json_next(json, member)) {
        struct slice name, value;

        if (text_of(reader, member, &name) && text_of(reader, json_value(json, member), &value))
            event_add_key(reader->event, name, value);
    }
    if (are_of_rule)
        reader->event->rule_keys = reader->event->key_count;
}

static void read_amount(struct reader *reader, uint32_t token, struct slice name)
{
    struct event *event = reader->event;
    int64_t amount;

    if (event->action == EVENT_AUDIT || json_type(reader->json, token) != JSON_NUMBER ||
        decimal_parse(json_raw(reader->json, token), &amount) != DECIMAL_OK)
        return;
    event->flags |= EVENT_HAS_NUMBERS;
    if (slice_equal(name, SLICE("limit")) || slice_equal(name, SLICE("reserved")))
        event->limit = amount;
    else if (slice_equal(name, SLICE("remaining")))
        event->remaining = amount;
    else
        event->cost = amount;
}

static void read_wait(struct reader *reader, uint32_t token)
{
    uint64_t milliseconds;

    if (json_type(reader->json, token) == JSON_NULL)
        reader->event->wait_ns = INT64_MAX;
    else if (number_of(reader, token, &milliseconds) &&
             milliseconds < (uint64_t)(INT64_MAX / NANOSECONDS_PER_MILLISECOND))
        reader->event->wait_ns = (int64_t)milliseconds * NANOSECONDS_PER_MILLISECOND;
}

static void read_warnings(struct reader *reader, uint32_t token)
{
    static const struct {
        uint8_t bit;
        struct slice name;
    } rows[] = {
#define EVENT_WARNING_ROW(bit, name) {bit, {name, sizeof(name) - 1}},
        EVENT_WARNING_ROWS(EVENT_WARNING_ROW)
#undef EVENT_WARNING_ROW
    };
    const struct json *json = reader->json;
    struct slice text;

    if (json_type(json, token) != JSON_ARRAY)
        return;
    for (uint32_t item = json_first(json, token); item != JSON_NONE; item = json_next(json, item))
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            if (text_of(reader, item, &text) && slice_equal(text, rows[i].name))
                reader->event->warnings |= rows[i].bit;
}

static void read_client(struct reader *reader, uint32_t token)
{
    struct slice text;

    if (text_of(reader, token, &text) && !address_parse(text, &reader->event->client))
        reader->event->client.family = ADDRESS_NONE;
}

static void read_audit(struct event *event, struct slice name, uint32_t number)
{
    if (slice_equal(name, SLICE("generation_before")))
        event->generation_before = number;
    else if (slice_equal(name, SLICE("uid")))
        event->uid = number;
    else if (slice_equal(name, SLICE("pid")))
        event->pid = number;
    if (slice_equal(name, SLICE("uid")) || slice_equal(name, SLICE("pid")))
        event->flags |= EVENT_HAS_WHO;
}

static void read_count(struct reader *reader, uint32_t token, struct slice name)
{
    struct event *event = reader->event;
    uint64_t number;

    if (!number_of(reader, token, &number) || number > UINT32_MAX)
        return;
    if (slice_equal(name, SLICE("weight")))
        event->weight = (uint32_t)number;
    else if (slice_equal(name, SLICE("delay_ms")))
        event->delay_ms = (uint32_t)number;
    else if (slice_equal(name, SLICE("generation")))
        event->generation = (uint32_t)number;
    else if (slice_equal(name, SLICE("status")) && number <= UINT16_MAX)
        event->status = (uint16_t)number;
    else if (slice_equal(name, SLICE("worker")) && number <= UINT16_MAX)
        event->writer = (uint16_t)number;
    else if (event->action == EVENT_AUDIT)
        read_audit(event, name, (uint32_t)number);
}

/* What stands in a line only when it is true. */
static void read_flag(struct reader *reader, uint32_t token, struct slice name)
{
    if (!slice_equal(json_raw(reader->json, token), SLICE("true")))
        return;
    if (slice_equal(name, SLICE("cut")))
        reader->event->flags |= EVENT_IS_CUT;
    else if (slice_equal(name, SLICE("hashed")))
        reader->event->flags |= EVENT_IS_HASHED;
}

static void read_member(struct reader *reader, struct slice name, uint32_t value)
{
    if (slice_equal(name, SLICE("time")))
        read_time(reader, value);
    else if (slice_equal(name, SLICE("action")))
        read_action(reader, value);
    else if (slice_equal(name, SLICE("keys")))
        read_keys(reader, value, true);
    else if (slice_equal(name, SLICE("other_keys")))
        read_keys(reader, value, false);
    else if (slice_equal(name, SLICE("client")))
        read_client(reader, value);
    else if (slice_equal(name, SLICE("limit")) || slice_equal(name, SLICE("reserved")) ||
             slice_equal(name, SLICE("remaining")) || slice_equal(name, SLICE("cost")))
        read_amount(reader, value, name);
    else if (slice_equal(name, SLICE("wait_ms")))
        read_wait(reader, value);
    else if (slice_equal(name, SLICE("warnings")))
        read_warnings(reader, value);
    else if (json_type(reader->json, value) == JSON_NUMBER)
        read_count(reader, value, name);
    else if (json_type(reader->json, value) == JSON_BOOLEAN)
        read_flag(reader, value, name);
    else
        read_text(reader, value, name);
}

bool event_line_parse(struct slice line, struct event *event)
{
    static const struct json_gate_limits limits = {.max_bytes = EVENT_PRINT_SIZE, .max_tokens = MAX_TOKENS};
    struct reader reader = {.event = event};
    struct json_gate_fault fault;
    struct json *json = json_parse(line, &limits, &fault);

    reader.json = json;
    reader.region = json ? region_new() : NULL;
    event_begin(event, EVENT_ALLOW, 0);
    event->writer = EVENTS_WRITER_DOOR; /* which is not told */
    if (reader.region && json_type(json, JSON_ROOT) == JSON_OBJECT)
        for (uint32_t name = json_first(json, JSON_ROOT); name != JSON_NONE; name = json_next(json, name)) {
            struct slice text;

            if (text_of(&reader, name, &text))
                read_member(&reader, text, json_value(json, name));
        }
    region_free(reader.region);
    json_free(json);
    return reader.has_time && reader.has_action;
}
