/* SPDX-License-Identifier: MPL-2.0
 *
 * Values of identity keys, as the decision log has them, become the parts of a request that such keys are read from.
 */
#include "cli/json_reading.h"

#include <stdio.h>
#include <string.h>

/* Where the value of a key without a name comes from: see origin.h. "" is known otherwise. */
static const struct {
    const char *key, *field;
} plain_keys[] = {{"ip:country", "X-Country-Code"}, {"ip:asn", "X-ASN"}, {"ip:type", "X-ASN-Type"}, {"ip:tor", "X-Tor-Exit"}};

/* Percent-encodes all that is not unreserved. */
static bool append_encoded(struct json_reading *reading, struct slice *text, struct slice more)
{
    char *encoded = region_take(reading->line.record->region, 3 * more.size + 1, 1);
    size_t size = 0;

    if (!encoded)
        return record_refuse(reading->line.record, "memory is out");
    for (size_t i = 0; i < more.size; i++) {
        char c = more.data[i], lower = slice_lower(c);

        if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c)))
            encoded[size++] = c;
        else
            size += (size_t)snprintf(encoded + size, 4, "%%%02X", (unsigned char)c);
    }
    return json_log_append(reading, text, (struct slice){encoded, size});
}

static bool add_parameter(struct json_reading *reading, struct slice name, struct slice value)
{
    return (reading->query.size == 0 || json_log_append(reading, &reading->query, SLICE("&"))) &&
           append_encoded(reading, &reading->query, name) && json_log_append(reading, &reading->query, SLICE("=")) &&
           append_encoded(reading, &reading->query, value);
}

static struct slice behind(struct slice text, size_t count)
{
    return (struct slice){text.data + count, text.size - count};
}

static bool add_key_field(struct json_reading *reading, struct slice name, struct slice value)
{
    if (reading->key_field_count == RECORD_MAX_FIELDS)
        return record_refuse(reading->line.record, "it has more than %d header fields", RECORD_MAX_FIELDS);
    reading->key_fields[reading->key_field_count++] = (struct fact_field){name, value};
    return true;
}

static bool read_key(struct json_reading *reading, struct slice key, uint32_t value)
{
    struct slice text;

    if (slice_has_prefix(key, SLICE("jwt:")))
        return true; /* all at once: see gather_claims */
    if (!json_value_scalar(&reading->line, key, value, &text))
        return false;
    if (slice_has_prefix(key, SLICE("header:")))
        return add_key_field(reading, behind(key, 7), text);
    if (slice_has_prefix(key, SLICE("query:")))
        return add_parameter(reading, behind(key, 6), text);
    if (slice_equal(key, SLICE("ip:address")))
        return json_log_set_client(reading, text);
    for (size_t i = 0; i < sizeof(plain_keys) / sizeof(plain_keys[0]); i++)
        if (slice_equal(key, slice_of(plain_keys[i].key)))
            return add_key_field(reading, slice_of(plain_keys[i].field), text);
    return true;
}

/* Appends the jwt: keys of OBJECT to the text of an object of claims, as they are spelt in the line. */
static bool gather_claims(struct json_reading *reading, uint32_t object, struct slice *claims)
{
    for (uint32_t member = json_first(reading->line.json, object); member != JSON_NONE;
         member = json_next(reading->line.json, member)) {
        uint32_t value = json_value(reading->line.json, member);
        struct slice name = json_raw(reading->line.json, member), raw = json_raw(reading->line.json, value);
        bool is_text = json_type(reading->line.json, value) == JSON_STRING;

        if (!slice_has_prefix(name, SLICE("jwt:")))
            continue;
        if (!json_log_append(reading, claims, claims->size == 0 ? SLICE("{\"") : SLICE(",\"")) ||
            !json_log_append(reading, claims, behind(name, 4)) ||
            !json_log_append(reading, claims, is_text ? SLICE("\":\"") : SLICE("\":")) ||
            !json_log_append(reading, claims, raw) || !json_log_append(reading, claims, is_text ? SLICE("\"") : SLICE("")))
            return false;
    }
    return true;
}

bool json_keys_read(struct json_reading *reading, struct slice name, uint32_t value)
{
    struct slice claims = {NULL, 0};

    if (!json_log_read_members(reading, name, value, read_key) || !gather_claims(reading, value, &claims))
        return false;
    return claims.size == 0 || (json_log_append(reading, &claims, SLICE("}")) && json_log_set_claims(reading, claims));
}

/* Fields that keys tell of, where "headers" does not have them. */
bool json_keys_add_fields(struct json_reading *reading)
{
    for (size_t i = 0; i < reading->key_field_count; i++) {
        const struct fact_field *field = &reading->key_fields[i];

        if (!record_has_field(reading->line.record, field->name) && !record_add_field(reading->line.record, field->name, field->value))
            return false;
    }
    return true;
}
