/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads a request from a JSON object. The values of identity keys, as the decision log has them, become the parts of a request
 * that such keys are read from.
 */
#include "cli/json_log.h"

#include <stdio.h>
#include <string.h>

#include "policy/decimal.h"
#include "policy/json.h"
#include "shm/moment.h"

static const struct json_gate_limits line_limits = {2u << 20, 4096};

struct reading {
    const struct json *json;
    struct record *record;
    struct slice path, query; /* behind path, as keys give it */
    bool has_target;
    struct fact_field key_fields[RECORD_MAX_FIELDS]; /* header fields, as keys give them */
    size_t key_field_count;
};

typedef bool reader(struct reading *reading, struct slice name, uint32_t value);

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool refuse_type(struct reading *reading, struct slice name, const char *wanted)
{
    return record_refuse(reading->record, "\"%.*s\" is %s", (int)(name.size < 40 ? name.size : 40), name.data, wanted);
}

static bool read_text(struct reading *reading, struct slice name, uint32_t value, struct slice *text)
{
    if (json_type(reading->json, value) != JSON_STRING)
        return refuse_type(reading, name, "a string");
    return json_text(reading->json, value, reading->record->region, text) ||
           record_refuse(reading->record, "memory is out");
}

/* As a claim or a field has it: a string as it is, a number or boolean in its spelling. */
static bool read_scalar(struct reading *reading, struct slice name, uint32_t value, struct slice *text)
{
    enum json_type type = json_type(reading->json, value);

    if (type != JSON_NUMBER && type != JSON_BOOLEAN)
        return read_text(reading, name, value, text);
    *text = json_raw(reading->json, value);
    return true;
}

static bool read_count(struct reading *reading, struct slice name, uint32_t value, int64_t *count)
{
    int64_t millionths;

    if (json_type(reading->json, value) != JSON_NUMBER ||
        decimal_parse(json_raw(reading->json, value), &millionths) != DECIMAL_OK || millionths < 0 ||
        millionths % 1000000 != 0)
        return refuse_type(reading, name, "a whole number that is not negative");
    *count = millionths / 1000000;
    return true;
}

static bool read_method(struct reading *reading, struct slice name, uint32_t value)
{
    return read_text(reading, name, value, &reading->record->method);
}

static bool read_target(struct reading *reading, struct slice name, uint32_t value)
{
    reading->has_target = true;
    return read_text(reading, name, value, &reading->record->target);
}

static bool read_path(struct reading *reading, struct slice name, uint32_t value)
{
    return read_text(reading, name, value, &reading->path);
}

static bool read_query(struct reading *reading, struct slice name, uint32_t value)
{
    return read_text(reading, name, value, &reading->query);
}

static bool read_host(struct reading *reading, struct slice name, uint32_t value)
{
    return read_text(reading, name, value, &reading->record->host);
}

static bool read_body(struct reading *reading, struct slice name, uint32_t value)
{
    return read_text(reading, name, value, &reading->record->body);
}

static bool read_model(struct reading *reading, struct slice name, uint32_t value)
{
    return read_text(reading, name, value, &reading->record->model);
}

static bool read_time(struct reading *reading, struct slice name, uint32_t value)
{
    struct record *record = reading->record;
    bool is_coarse, is_number = json_type(reading->json, value) == JSON_NUMBER;
    struct slice text;

    if (is_number && record_parse_seconds(json_raw(reading->json, value), &record->time_ns))
        return true;
    if (is_number || !read_text(reading, name, value, &text) || !record_parse_iso(text, &record->time_ns, &is_coarse))
        return refuse_type(reading, name, "a time, as in \"2026-01-31T08:00:00.123Z\", or a number of seconds since 1970");
    return true;
}

static bool read_duration(struct reading *reading, struct slice name, uint32_t value)
{
    struct slice text;

    if (!read_scalar(reading, name, value, &text) || !record_parse_seconds(text, &reading->record->duration_ns))
        return refuse_type(reading, name, "a number of seconds");
    return true;
}

static bool read_prompt(struct reading *reading, struct slice name, uint32_t value)
{
    reading->record->has_usage = true;
    return read_count(reading, name, value, &reading->record->prompt_tokens);
}

static bool read_completion(struct reading *reading, struct slice name, uint32_t value)
{
    reading->record->has_usage = true;
    return read_count(reading, name, value, &reading->record->completion_tokens);
}

static bool read_weight(struct reading *reading, struct slice name, uint32_t value)
{
    return read_count(reading, name, value, &reading->record->weight);
}

/* Of the decision log only these two are requests: a shadow rule's line stands beside one of them. */
static bool read_action(struct reading *reading, struct slice name, uint32_t value)
{
    struct slice action;

    if (!read_text(reading, name, value, &action))
        return false;
    reading->record->verdict = slice_equal(action, SLICE("allow"))    ? RECORD_ALLOWED
                               : slice_equal(action, SLICE("reject")) ? RECORD_REJECTED
                                                                      : RECORD_UNTOLD;
    reading->record->is_request = reading->record->verdict != RECORD_UNTOLD;
    return true;
}

/* Of the reasons only this one is not the policy's. */
static bool read_reason(struct reading *reading, struct slice name, uint32_t value)
{
    struct slice reason;

    if (json_type(reading->json, value) != JSON_STRING)
        return true; /* of somebody else's log */
    if (!read_text(reading, name, value, &reason))
        return false;
    reading->record->has_bad_token = slice_equal(reason, SLICE("jwt_invalid"));
    return true;
}

/* Lines that the service writes about itself stand in the same file. */
static bool read_level(struct reading *reading, struct slice name, uint32_t value)
{
    (void)name;
    (void)value;
    reading->record->is_request = false;
    return true;
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

/* The decision log hides an address as # and 16 digits: it becomes an address that no host has (fd00::/16), one for each. */
static bool set_client(struct reading *reading, struct slice text)
{
    char hidden[64];
    int size;

    if (text.size != 17 || text.data[0] != '#')
        return record_set_client(reading->record, text);
    size = snprintf(hidden, sizeof(hidden), "fd00::%.4s:%.4s:%.4s:%.4s", text.data + 1, text.data + 5, text.data + 9,
                    text.data + 13);
    return record_set_client(reading->record, (struct slice){hidden, (size_t)size});
}

static bool read_client(struct reading *reading, struct slice name, uint32_t value)
{
    struct slice text;

    return read_text(reading, name, value, &text) && set_client(reading, text);
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

static bool read_members(struct reading *reading, struct slice name, uint32_t object, reader *read)
{
    if (json_type(reading->json, object) != JSON_OBJECT)
        return refuse_type(reading, name, "an object");
    for (uint32_t member = json_first(reading->json, object); member != JSON_NONE;
         member = json_next(reading->json, member)) {
        struct slice key;

        if (!json_text(reading->json, member, reading->record->region, &key))
            return record_refuse(reading->record, "memory is out");
        if (!read(reading, key, json_value(reading->json, member)))
            return false;
    }
    return true;
}

/* A field that occurs several times is a list. */
static bool read_header(struct reading *reading, struct slice name, uint32_t value)
{
    struct slice text;

    if (json_type(reading->json, value) != JSON_ARRAY)
        return read_scalar(reading, name, value, &text) && record_add_field(reading->record, name, text);
    for (uint32_t item = json_first(reading->json, value); item != JSON_NONE; item = json_next(reading->json, item))
        if (!read_scalar(reading, name, item, &text) || !record_add_field(reading->record, name, text))
            return false;
    return true;
}

static bool read_headers(struct reading *reading, struct slice name, uint32_t value)
{
    return read_members(reading, name, value, read_header);
}

/* Claims are read from a document of their own. */
static bool set_claims(struct reading *reading, struct slice object)
{
    struct json_gate_fault fault;
    struct json *json = json_parse(object, &line_limits, &fault);

    if (json) {
        claims_free(reading->record->claims);
        reading->record->claims = claims_of(json);
    }
    json_free(json);
    return reading->record->claims || record_refuse(reading->record, "its claims cannot be read");
}

static bool read_claims(struct reading *reading, struct slice name, uint32_t value)
{
    struct slice raw;

    if (json_type(reading->json, value) != JSON_OBJECT)
        return refuse_type(reading, name, "an object");
    raw = json_raw(reading->json, value);
    return set_claims(reading, raw);
}

/* ---- keys of the decision log ------------------------------------------------------------------------------------ */

/* Where the value of a key without a name comes from: see origin.h. "" is known otherwise. */
static const struct {
    const char *key, *field;
} plain_keys[] = {{"ip:country", "X-Country-Code"}, {"ip:asn", "X-ASN"}, {"ip:type", "X-ASN-Type"}, {"ip:tor", "X-Tor-Exit"}};

static bool append(struct reading *reading, struct slice *text, struct slice more)
{
    char *joined = region_take(reading->record->region, text->size + more.size + 1, 1);

    if (!joined)
        return record_refuse(reading->record, "memory is out");
    if (text->size > 0)
        memcpy(joined, text->data, text->size);
    if (more.size > 0)
        memcpy(joined + text->size, more.data, more.size);
    *text = (struct slice){joined, text->size + more.size};
    return true;
}

/* Percent-encodes all that is not unreserved. */
static bool append_encoded(struct reading *reading, struct slice *text, struct slice more)
{
    char *encoded = region_take(reading->record->region, 3 * more.size + 1, 1);
    size_t size = 0;

    if (!encoded)
        return record_refuse(reading->record, "memory is out");
    for (size_t i = 0; i < more.size; i++) {
        char c = more.data[i], lower = slice_lower(c);

        if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c)))
            encoded[size++] = c;
        else
            size += (size_t)snprintf(encoded + size, 4, "%%%02X", (unsigned char)c);
    }
    return append(reading, text, (struct slice){encoded, size});
}

static bool add_parameter(struct reading *reading, struct slice name, struct slice value)
{
    return (reading->query.size == 0 || append(reading, &reading->query, SLICE("&"))) &&
           append_encoded(reading, &reading->query, name) && append(reading, &reading->query, SLICE("=")) &&
           append_encoded(reading, &reading->query, value);
}

static struct slice behind(struct slice text, size_t count)
{
    return (struct slice){text.data + count, text.size - count};
}

static bool add_key_field(struct reading *reading, struct slice name, struct slice value)
{
    if (reading->key_field_count == RECORD_MAX_FIELDS)
        return record_refuse(reading->record, "it has more than %d header fields", RECORD_MAX_FIELDS);
    reading->key_fields[reading->key_field_count++] = (struct fact_field){name, value};
    return true;
}

static bool read_key(struct reading *reading, struct slice key, uint32_t value)
{
    struct slice text;

    if (slice_has_prefix(key, SLICE("jwt:")))
        return true; /* all at once: see gather_claims */
    if (!read_scalar(reading, key, value, &text))
        return false;
    if (slice_has_prefix(key, SLICE("header:")))
        return add_key_field(reading, behind(key, 7), text);
    if (slice_has_prefix(key, SLICE("query:")))
        return add_parameter(reading, behind(key, 6), text);
    if (slice_equal(key, SLICE("ip:address")))
        return set_client(reading, text);
    for (size_t i = 0; i < sizeof(plain_keys) / sizeof(plain_keys[0]); i++)
        if (slice_equal(key, slice_of(plain_keys[i].key)))
            return add_key_field(reading, slice_of(plain_keys[i].field), text);
    return true;
}

/* Appends the jwt: keys of OBJECT to the text of an object of claims, as they are spelt in the line. */
static bool gather_claims(struct reading *reading, uint32_t object, struct slice *claims)
{
    for (uint32_t member = json_first(reading->json, object); member != JSON_NONE;
         member = json_next(reading->json, member)) {
        struct slice name = json_raw(reading->json, member), raw = json_raw(reading->json, json_value(reading->json, member));
        bool is_text = json_type(reading->json, json_value(reading->json, member)) == JSON_STRING;

        if (!slice_has_prefix(name, SLICE("jwt:")))
            continue;
        if (!append(reading, claims, claims->size == 0 ? SLICE("{\"") : SLICE(",\"")) ||
            !append(reading, claims, behind(name, 4)) || !append(reading, claims, is_text ? SLICE("\":\"") : SLICE("\":")) ||
            !append(reading, claims, raw) || !append(reading, claims, is_text ? SLICE("\"") : SLICE("")))
            return false;
    }
    return true;
}

static bool read_keys(struct reading *reading, struct slice name, uint32_t value)
{
    struct slice claims = {NULL, 0};

    if (!read_members(reading, name, value, read_key) || !gather_claims(reading, value, &claims))
        return false;
    return claims.size == 0 || (append(reading, &claims, SLICE("}")) && set_claims(reading, claims));
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    reader *read;
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
};

static bool read_member(struct reading *reading, struct slice name, uint32_t value)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (slice_equal(name, slice_of(members[i].name)))
            return members[i].read(reading, name, value);
    return true;
}

/* Fields that keys tell of, where "headers" does not have them. */
static bool add_key_fields(struct reading *reading)
{
    for (size_t i = 0; i < reading->key_field_count; i++) {
        const struct fact_field *field = &reading->key_fields[i];

        if (!record_has_field(reading->record, field->name) && !record_add_field(reading->record, field->name, field->value))
            return false;
    }
    return true;
}

static bool finish(struct reading *reading)
{
    struct record *record = reading->record;

    if (!record->is_request)
        return true;
    if (!add_key_fields(reading))
        return false;
    if (!reading->has_target) {
        record->target = reading->path;
        if (reading->query.size > 0 &&
            (!append(reading, &record->target, SLICE("?")) || !append(reading, &record->target, reading->query)))
            return false;
    }
    if (record->target.size == 0)
        return record_refuse(record, "it has no \"uri\" and no \"path\"");
    if (record->method.size == 0)
        record->method = SLICE("GET");
    return true;
}

bool json_log_parse(struct slice line, struct record *record)
{
    struct reading reading = {.record = record};
    struct json_gate_fault fault;
    struct json *json = json_parse(line, &line_limits, &fault);
    bool is_read;

    if (!json)
        return record_refuse(record, "it is not JSON: byte %zu: %s", fault.offset + 1, fault.sentence);
    reading.json = json;
    record->region = region_new();
    if (!record->region)
        is_read = record_refuse(record, "memory is out");
    else if (json_type(json, JSON_ROOT) != JSON_OBJECT)
        is_read = record_refuse(record, "it is JSON, but no object");
    else
        is_read = read_members(&reading, SLICE(""), JSON_ROOT, read_member) && finish(&reading);
    json_free(json);
    return is_read;
}
