/* SPDX-License-Identifier: MPL-2.0
 *
 * Lines of events: see event_print.h. Allocates nothing. The longest event there can be (every byte of its texts escaped as
 * six, texts that lie over each other included) fits into a line.
 */
#include "shm/event_print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shm/events.h"
#include "shm/line.h"
#include "shm/moment.h"
#include "shm/utf8.h"

#define MILLIONTHS                  INT64_C(1000000)
#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)

static const char *const text_names[EVENT_TEXTS] = {
#define EVENT_TEXT_NAME(symbol, name, most) name,
    EVENT_TEXT_ROWS(EVENT_TEXT_NAME)
#undef EVENT_TEXT_NAME
};

static const struct {
    uint8_t bit;
    const char *name;
} warnings[] = {
#define EVENT_WARNING_ROW(bit, name) {bit, name},
    EVENT_WARNING_ROWS(EVENT_WARNING_ROW)
#undef EVENT_WARNING_ROW
};

size_t event_print_number(int64_t millionths, char text[EVENT_PRINT_NUMBER_SIZE])
{
    uint64_t size = millionths < 0 ? -(uint64_t)millionths : (uint64_t)millionths;
    uint64_t part = size % MILLIONTHS;
    int length = snprintf(text, EVENT_PRINT_NUMBER_SIZE, "%s%" PRIu64, millionths < 0 ? "-" : "", size / MILLIONTHS);

    if (part == 0)
        return (size_t)length;
    length += snprintf(text + length, EVENT_PRINT_NUMBER_SIZE - (size_t)length, ".%06" PRIu64, part);
    while (text[length - 1] == '0')
        text[--length] = '\0';
    return (size_t)length;
}

void event_print_time(int64_t wall_ns, char text[EVENT_PRINT_TIME_SIZE])
{
    int64_t at_ns = wall_ns < 0 ? 0 : wall_ns;
    time_t seconds = (time_t)(at_ns / NANOSECONDS_PER_SECOND);
    struct tm when;
    size_t size;

    gmtime_r(&seconds, &when); /* 63 bits of nanoseconds end in the year 2262 */
    size = strftime(text, EVENT_PRINT_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &when);
    snprintf(text + size, EVENT_PRINT_TIME_SIZE - size, ".%03dZ",
             (int)(at_ns % NANOSECONDS_PER_SECOND / NANOSECONDS_PER_MILLISECOND));
}

static void put_time(struct line *line, int64_t wall_ns)
{
    char text[EVENT_PRINT_TIME_SIZE];

    event_print_time(wall_ns, text);
    line_put(line, "%s", text);
}

/* One character of a stranger, in the inside of a JSON string or in a plain line. */
static void put_character(struct line *line, struct slice character, bool is_whole, bool is_json)
{
    unsigned char first = (unsigned char)character.data[0];

    if (!is_whole)
        line_put(line, is_json ? "\\ufffd" : "?");
    else if (utf8_is_control(character.data, character.size))
        line_put(line, is_json ? "\\u%04x" : "?", utf8_point(character.data, character.size));
    else if (is_json && (first == '"' || first == '\\'))
        line_put(line, "\\%c", first);
    else
        line_put(line, "%.*s", (int)character.size, character.data);
}

static void put_text(struct line *line, struct slice text, bool is_json)
{
    while (text.size > 0) {
        size_t size = utf8_size(text), used = size ? size : 1;

        put_character(line, (struct slice){text.data, used}, size > 0, is_json);
        text = (struct slice){text.data + used, text.size - used};
    }
}

static void put_number(struct line *line, const char *before, int64_t millionths)
{
    char text[EVENT_PRINT_NUMBER_SIZE];

    event_print_number(millionths, text);
    line_put(line, "%s%s", before, text);
}

/* Milliseconds, rounded up: who comes back then is not too early. */
static int64_t milliseconds(int64_t ns)
{
    return ns / NANOSECONDS_PER_MILLISECOND + (ns % NANOSECONDS_PER_MILLISECOND > 0);
}

/* ---- JSON --------------------------------------------------------------------------------------------------------- */

static void json_texts(struct line *line, const struct event *event)
{
    for (int i = 0; i < EVENT_TEXTS; i++) {
        struct slice text = event_get(event, (enum event_text)i);

        if (text.size == 0)
            continue;
        line_put(line, ",\"%s\":\"", text_names[i]);
        put_text(line, text, true);
        line_put(line, "\"");
    }
}

static void json_key(struct line *line, const char *before, struct slice name, struct slice value)
{
    line_put(line, "%s\"", before);
    put_text(line, name, true);
    line_put(line, "\":\"");
    put_text(line, value, true);
    line_put(line, "\"");
}

static void json_keys(struct line *line, const struct event *event)
{
    struct slice name, value;
    size_t at = 0;

    while (event_next_key(event, &at, &name, &value)) {
        if (at == (size_t)event->rule_keys + 1)
            json_key(line, at == 1 ? ",\"other_keys\":{" : "},\"other_keys\":{", name, value);
        else
            json_key(line, at == 1 ? ",\"keys\":{" : ",", name, value);
    }
    if (at > 0)
        line_put(line, "}");
}

static void json_numbers(struct line *line, const struct event *event)
{
    if (event->action == EVENT_AUDIT || !(event->flags & EVENT_HAS_NUMBERS))
        return;
    if (event->action == EVENT_SETTLE) {
        put_number(line, ",\"reserved\":", event->reserved);
        put_number(line, ",\"cost\":", event->cost);
        return;
    }
    put_number(line, ",\"limit\":", event->limit);
    put_number(line, ",\"remaining\":", event->remaining);
    put_number(line, ",\"cost\":", event->cost);
    if (event->wait_ns == INT64_MAX)
        line_put(line, ",\"wait_ms\":null");
    else if (event->wait_ns > 0)
        line_put(line, ",\"wait_ms\":%" PRId64, milliseconds(event->wait_ns));
}

static void json_warnings(struct line *line, const struct event *event)
{
    bool is_first = true;

    for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++)
        if (event->warnings & warnings[i].bit) {
            line_put(line, "%s\"%s\"", is_first ? ",\"warnings\":[" : ",", warnings[i].name);
            is_first = false;
        }
    if (!is_first)
        line_put(line, "]");
}

static void json_origin(struct line *line, const struct event *event)
{
    if (event->status)
        line_put(line, ",\"status\":%u", event->status);
    if (event->delay_ms)
        line_put(line, ",\"delay_ms\":%" PRIu32, event->delay_ms);
    if (event->weight > 1)
        line_put(line, ",\"weight\":%" PRIu32, event->weight);
    if (event->action == EVENT_AUDIT && event->flags & EVENT_HAS_WHO)
        line_put(line, ",\"uid\":%" PRIu32 ",\"pid\":%" PRIu32, event->uid, event->pid);
    if (event->action == EVENT_AUDIT && event->generation_before)
        line_put(line, ",\"generation_before\":%" PRIu32, event->generation_before);
    if (event->generation)
        line_put(line, ",\"generation\":%" PRIu32, event->generation);
    if (event->writer < EVENTS_WRITER_DOOR)
        line_put(line, ",\"worker\":%u", event->writer);
    if (event->flags & EVENT_IS_HASHED)
        line_put(line, ",\"hashed\":true");
    if (event->flags & EVENT_IS_CUT)
        line_put(line, ",\"cut\":true");
}

static void put_client(struct line *line, const struct event *event, const char *before, const char *behind)
{
    char text[ADDRESS_TEXT_SIZE];

    if (event->client.family <= ADDRESS_IPV6 && address_print(&event->client, text) > 0)
        line_put(line, "%s%s%s", before, text, behind);
}

size_t event_print_json(const struct event *event, char out[EVENT_PRINT_SIZE])
{
    struct line line = {out, EVENT_PRINT_SIZE - 1, 0};

    line_put(&line, "{\"time\":\"");
    put_time(&line, event->wall_ns);
    line_put(&line, "\",\"action\":\"%s\"", event_action_name(event->action));
    json_texts(&line, event);
    put_client(&line, event, ",\"client\":\"", "\"");
    json_keys(&line, event);
    json_numbers(&line, event);
    json_warnings(&line, event);
    json_origin(&line, event);
    line_put(&line, "}");
    out[line.used] = '\n';
    return line.used + 1;
}

/* ---- text --------------------------------------------------------------------------------------------------------- */

static void plain_text(struct line *line, const struct event *event, enum event_text which, const char *before)
{
    struct slice text = event_get(event, which);

    if (text.size == 0)
        return;
    line_put(line, "%s", before);
    put_text(line, text, false);
}

static void plain_keys(struct line *line, const struct event *event)
{
    struct slice name, value;
    size_t at = 0;

    while (at < event->rule_keys && event_next_key(event, &at, &name, &value)) {
        line_put(line, " ");
        put_text(line, name, false);
        line_put(line, "=");
        put_text(line, value, false);
    }
}

static void plain_numbers(struct line *line, const struct event *event)
{
    if ((event->flags & EVENT_HAS_NUMBERS) && event->action == EVENT_SETTLE) {
        put_number(line, " cost ", event->cost);
        put_number(line, " in place of ", event->reserved);
    } else if (event->action != EVENT_AUDIT && (event->flags & EVENT_HAS_NUMBERS)) {
        put_number(line, " ", event->remaining);
        put_number(line, "/", event->limit);
        put_number(line, " cost ", event->cost);
        if (event->wait_ns == INT64_MAX)
            line_put(line, " never fits");
        else if (event->wait_ns > 0)
            line_put(line, " wait %" PRId64 " ms", milliseconds(event->wait_ns));
    }
    if (event->delay_ms)
        line_put(line, " held back %" PRIu32 " ms", event->delay_ms);
    for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++)
        if (event->warnings & warnings[i].bit)
            line_put(line, " %s", warnings[i].name);
    if (event->weight > 1)
        line_put(line, " (one of %" PRIu32 ")", event->weight);
}

#define SHOWN_HASH 12 /* digits of a sha256; the other formats have all */

/* At most MOST bytes of a text that may be two: what it was before, and what it is. */
static void plain_change(struct line *line, const struct event *event, const char *name, enum event_text before,
                         enum event_text after, size_t most)
{
    struct slice texts[2] = {event_get(event, before), event_get(event, after)};

    if (texts[1].size == 0)
        return;
    line_put(line, ", %s ", name);
    for (int i = 0; i < 2; i++) {
        put_text(line, (struct slice){texts[i].data, texts[i].size < most ? texts[i].size : most}, false);
        line_put(line, i == 0 && texts[0].size > 0 ? " -> " : "");
    }
}

/* Who did it, and on which bundle. */
static void plain_audit(struct line *line, const struct event *event)
{
    if (event->flags & EVENT_HAS_WHO)
        line_put(line, " by uid %" PRIu32 " (pid %" PRIu32 ")", event->uid, event->pid);
    plain_text(line, event, EVENT_TEXT_DETAIL, ", ");
    plain_change(line, event, "version", EVENT_TEXT_VERSION_BEFORE, EVENT_TEXT_VERSION, SIZE_MAX);
    if (event->generation_before)
        line_put(line, ", generation %" PRIu32 " -> %" PRIu32, event->generation_before, event->generation);
    else if (event->generation)
        line_put(line, ", generation %" PRIu32, event->generation);
    plain_change(line, event, "sha256", EVENT_TEXT_HASH_BEFORE, EVENT_TEXT_HASH, SHOWN_HASH);
}

size_t event_print_text(const struct event *event, char out[EVENT_PRINT_SIZE])
{
    struct line line = {out, EVENT_PRINT_SIZE - 1, 0};

    put_time(&line, event->wall_ns);
    line_put(&line, " %-12s", event_action_name(event->action));
    plain_text(&line, event, EVENT_TEXT_REASON, " ");
    plain_text(&line, event, EVENT_TEXT_POLICY, " ");
    plain_text(&line, event, EVENT_TEXT_RULE, "/");
    plain_keys(&line, event);
    plain_numbers(&line, event);
    plain_text(&line, event, EVENT_TEXT_METHOD, " ");
    plain_text(&line, event, EVENT_TEXT_HOST, " ");
    plain_text(&line, event, EVENT_TEXT_PATH, " ");
    put_client(&line, event, " from ", "");
    if (event->action == EVENT_AUDIT)
        plain_audit(&line, event);
    plain_text(&line, event, EVENT_TEXT_NOTE, " - ");
    out[line.used] = '\n';
    return line.used + 1;
}
