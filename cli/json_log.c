/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads a request from a JSON object, member by member.
 */
#include "cli/json_log.h"

#include <stdio.h>
#include <string.h>

#include "cli/json_reading.h"

static const struct json_gate_limits line_limits = {2u << 20, 4096};

/* ---- members ----------------------------------------------------------------------------------------------------- */

static bool read_method(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_text(&reading->line, name, value, &reading->line.record->method);
}

static bool read_target(struct json_reading *reading, struct slice name, uint32_t value)
{
    reading->has_target = true;
    return json_value_text(&reading->line, name, value, &reading->line.record->target);
}

static bool read_path(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_text(&reading->line, name, value, &reading->path);
}

static bool read_query(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_text(&reading->line, name, value, &reading->query);
}

static bool read_host(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_text(&reading->line, name, value, &reading->line.record->host);
}

static bool read_body(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_text(&reading->line, name, value, &reading->line.record->body);
}

static bool read_model(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_text(&reading->line, name, value, &reading->line.record->model);
}

static bool read_time(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_time(&reading->line, name, value, &reading->line.record->time_ns);
}

static bool read_duration(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_seconds(&reading->line, name, value, &reading->line.record->duration_ns);
}

static bool read_prompt(struct json_reading *reading, struct slice name, uint32_t value)
{
    reading->line.record->has_usage = true;
    return json_value_count(&reading->line, name, value, &reading->line.record->prompt_tokens);
}

static bool read_completion(struct json_reading *reading, struct slice name, uint32_t value)
{
    reading->line.record->has_usage = true;
    return json_value_count(&reading->line, name, value, &reading->line.record->completion_tokens);
}

static bool read_weight(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_value_count(&reading->line, name, value, &reading->line.record->weight);
}

/* ---- variables of nginx, where a log_format makes JSON of them ------------------------------------------------------ */

static bool read_request(struct json_reading *reading, struct slice name, uint32_t value)
{
    struct slice text;

    reading->has_target = true;
    return json_value_text(&reading->line, name, value, &text) && record_set_request(reading->line.record, text);
}

/* In whole seconds. */
static bool read_iso(struct json_reading *reading, struct slice name, uint32_t value)
{
    reading->line.record->is_coarse = true;
    return read_time(reading, name, value);
}

static bool read_msec(struct json_reading *reading, struct slice name, uint32_t value)
{
    reading->has_end = true;
    return json_value_seconds(&reading->line, name, value, &reading->line.record->time_ns);
}

/* http_NAME: the header field of which it is the variable; an empty one is absent. */
static bool read_field(struct json_reading *reading, struct slice name, uint32_t value)
{
    struct slice text;
    char *field = region_take(reading->line.record->region, name.size, 1);

    if (!field)
        return record_refuse(reading->line.record, "memory is out");
    for (size_t i = 5; i < name.size; i++)
        field[i - 5] = name.data[i] == '_' ? '-' : name.data[i];
    if (!json_value_scalar(&reading->line, name, value, &text))
        return false;
    return text.size == 0 || record_add_field(reading->line.record, (struct slice){field, name.size - 5}, text);
}

/* ---- what the service tells --------------------------------------------------------------------------------------- */

/* Of the decision log only these two are requests: a shadow rule's line stands beside one of them. */
static bool read_action(struct json_reading *reading, struct slice name, uint32_t value)
{
    struct slice action;

    if (!json_value_text(&reading->line, name, value, &action))
        return false;
    reading->line.record->verdict = slice_equal(action, SLICE("allow"))    ? RECORD_ALLOWED
                               : slice_equal(action, SLICE("reject")) ? RECORD_REJECTED
                                                                      : RECORD_UNTOLD;
    reading->line.record->is_request = reading->line.record->verdict != RECORD_UNTOLD;
    return true;
}

/* Of the reasons only this one is not the policy's. */
static bool read_reason(struct json_reading *reading, struct slice name, uint32_t value)
{
    struct slice reason;

    if (json_type(reading->line.json, value) != JSON_STRING)
        return true; /* of somebody else's log */
    if (!json_value_text(&reading->line, name, value, &reason))
        return false;
    reading->line.record->has_bad_token = slice_equal(reason, SLICE("jwt_invalid"));
    return true;
}

static bool read_keys(struct json_reading *reading, struct slice name, uint32_t value)
{
    reading->line.record->tells_keys = true;
    return json_keys_read(reading, name, value);
}

/* The service names a policy together with all keys that it looked at, if there are any. */
static bool read_policy(struct json_reading *reading, struct slice name, uint32_t value)
{
    (void)name;
    (void)value;
    reading->line.record->tells_keys = true;
    return true;
}

/* Lines that the service writes about itself stand in the same file. */
static bool read_level(struct json_reading *reading, struct slice name, uint32_t value)
{
    (void)name;
    (void)value;
    reading->line.record->is_request = false;
    return true;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

bool json_log_append(struct json_reading *reading, struct slice *text, struct slice more)
{
    char *joined = region_take(reading->line.record->region, text->size + more.size + 1, 1);

    if (!joined)
        return record_refuse(reading->line.record, "memory is out");
    if (text->size > 0)
        memcpy(joined, text->data, text->size);
    if (more.size > 0)
        memcpy(joined + text->size, more.data, more.size);
    *text = (struct slice){joined, text->size + more.size};
    return true;
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

/* The decision log hides an address as # and 16 digits: it becomes an address that no host has (fd00::/16), one for each. */
bool json_log_set_client(struct json_reading *reading, struct slice text)
{
    char hidden[64];
    int size;

    if (text.size != 17 || text.data[0] != '#')
        return record_set_client(reading->line.record, text);
    size = snprintf(hidden, sizeof(hidden), "fd00::%.4s:%.4s:%.4s:%.4s", text.data + 1, text.data + 5, text.data + 9,
                    text.data + 13);
    return record_set_client(reading->line.record, (struct slice){hidden, (size_t)size});
}

static bool read_client(struct json_reading *reading, struct slice name, uint32_t value)
{
    struct slice text;

    return json_value_text(&reading->line, name, value, &text) && json_log_set_client(reading, text);
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

bool json_log_read_members(struct json_reading *reading, struct slice name, uint32_t object, json_log_reader *read)
{
    if (json_type(reading->line.json, object) != JSON_OBJECT)
        return json_value_refuse(&reading->line, name, "an object");
    for (uint32_t member = json_first(reading->line.json, object); member != JSON_NONE;
         member = json_next(reading->line.json, member)) {
        struct slice key;

        if (!json_text(reading->line.json, member, reading->line.record->region, &key))
            return record_refuse(reading->line.record, "memory is out");
        if (!read(reading, key, json_value(reading->line.json, member)))
            return false;
    }
    return true;
}

/* A field that occurs several times is a list. */
static bool read_header(struct json_reading *reading, struct slice name, uint32_t value)
{
    struct slice text;

    if (json_type(reading->line.json, value) != JSON_ARRAY)
        return json_value_scalar(&reading->line, name, value, &text) && record_add_field(reading->line.record, name, text);
    for (uint32_t item = json_first(reading->line.json, value); item != JSON_NONE; item = json_next(reading->line.json, item))
        if (!json_value_scalar(&reading->line, name, item, &text) || !record_add_field(reading->line.record, name, text))
            return false;
    return true;
}

static bool read_headers(struct json_reading *reading, struct slice name, uint32_t value)
{
    return json_log_read_members(reading, name, value, read_header);
}

/* Claims are read from a document of their own. */
bool json_log_set_claims(struct json_reading *reading, struct slice object)
{
    struct json_gate_fault fault;
    struct json *json = json_parse(object, &line_limits, &fault);

    if (json) {
        claims_free(reading->line.record->claims);
        reading->line.record->claims = claims_of(json);
    }
    json_free(json);
    return reading->line.record->claims || record_refuse(reading->line.record, "its claims cannot be read");
}

static bool read_claims(struct json_reading *reading, struct slice name, uint32_t value)
{
    struct slice raw;

    if (json_type(reading->line.json, value) != JSON_OBJECT)
        return json_value_refuse(&reading->line, name, "an object");
    raw = json_raw(reading->line.json, value);
    return json_log_set_claims(reading, raw);
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    json_log_reader *read;
} members[] = {
    {"time", read_time},           {"ts", read_time},
    {"timestamp", read_time},      {"method", read_method},
    {"uri", read_target},          {"path", read_path},
    {"query", read_query},         {"host", read_host},
    {"client", read_client},       {"headers", read_headers},
    {"keys", read_keys},           {"other_keys", read_keys},
    {"model", read_model},
    {"claims", read_claims},       {"body", read_body},
    {"duration_seconds", read_duration}, {"request_time", read_duration},
    {"prompt_tokens", read_prompt}, {"completion_tokens", read_completion},
    {"weight", read_weight},       {"action", read_action},
    {"level", read_level},         {"reason", read_reason},
    {"policy", read_policy},
    {"request", read_request},     {"request_uri", read_target},
    {"request_method", read_method}, {"args", read_query},
    {"remote_addr", read_client},  {"time_iso8601", read_iso},
    {"msec", read_msec},
};

static bool read_member(struct json_reading *reading, struct slice name, uint32_t value)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (slice_equal(name, slice_of(members[i].name)))
            return members[i].read(reading, name, value);
    if (slice_has_prefix(name, SLICE("http_")) && name.size > 5)
        return read_field(reading, name, value);
    return true;
}

static bool finish(struct json_reading *reading)
{
    struct record *record = reading->line.record;

    if (!record->is_request)
        return true;
    if (!json_keys_add_fields(reading))
        return false;
    if (!reading->has_target)
        record->target = reading->path;
    if (reading->query.size > 0 && record->target.size > 0 && !memchr(record->target.data, '?', record->target.size) &&
        (!json_log_append(reading, &record->target, SLICE("?")) || !json_log_append(reading, &record->target, reading->query)))
        return false;
    if (record->target.size == 0)
        return record_refuse(record, "it has no \"uri\" and no \"path\"");
    if (record->method.size == 0)
        record->method = SLICE("GET");
    if (reading->has_end && record->duration_ns > 0 && record->duration_ns <= record->time_ns)
        record->time_ns -= record->duration_ns;
    return true;
}

bool json_log_parse(struct slice line, struct record *record)
{
    struct json_reading reading = {.line = {.record = record}};
    struct json_gate_fault fault;
    struct json *json = json_parse(line, &line_limits, &fault);
    bool is_read;

    if (!json)
        return record_refuse(record, "it is not JSON: byte %zu: %s", fault.offset + 1, fault.sentence);
    reading.line.json = json;
    record->region = region_new();
    if (!record->region)
        is_read = record_refuse(record, "memory is out");
    else if (json_type(json, JSON_ROOT) != JSON_OBJECT)
        is_read = record_refuse(record, "it is JSON, but no object");
    else
        is_read = json_log_read_members(&reading, SLICE(""), JSON_ROOT, read_member) && finish(&reading);
    json_free(json);
    return is_read;
}
