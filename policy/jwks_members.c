/* SPDX-License-Identifier: MPL-2.0
 *
 * Members of a JWK: see jwks_members.h.
 */
#include "policy/jwks_members.h"

const struct jwks_members_row jwks_members_table[JWKS_MEMBER_COUNT] = {
#define ROW(name, is_private) {#name, is_private},
    JWKS_MEMBERS(ROW)
#undef ROW
};

bool jwks_members_find(struct jwks_reading *reading)
{
    const struct jwks_key_source *source = reading->source;
    struct slice name;

    for (int i = 0; i < JWKS_MEMBER_COUNT; i++)
        reading->values[i] = JSON_NONE;
    if (json_type(source->json, reading->object) != JSON_OBJECT)
        return jwks_key_refuse(source, reading->object, "a key is an object (RFC 7517 4), not %s",
                               json_type_name(json_type(source->json, reading->object)));
    for (uint32_t at = json_first(source->json, reading->object); at != JSON_NONE; at = json_next(source->json, at)) {
        if (!json_text(source->json, at, source->region, &name))
            return failure_set(source->failure, EXIT_CODE_OS, "there is no memory for the keys of %s", source->file);
        for (int i = 0; i < JWKS_MEMBER_COUNT; i++)
            if (slice_equal(name, slice_of(jwks_members_table[i].name)))
                reading->values[i] = json_value(source->json, at);
    }
    return true;
}

bool jwks_members_has(const struct jwks_reading *reading, enum jwks_member member)
{
    return reading->values[member] != JSON_NONE;
}

bool jwks_members_refuse(const struct jwks_reading *reading, enum jwks_member member, const char *sentence)
{
    uint32_t token = jwks_members_has(reading, member) ? reading->values[member] : reading->object;

    return jwks_key_refuse(reading->source, token, "%s %s", jwks_members_table[member].name, sentence);
}

bool jwks_members_text(const struct jwks_reading *reading, enum jwks_member member, struct slice *text)
{
    const struct jwks_key_source *source = reading->source;

    if (!jwks_members_has(reading, member))
        return jwks_members_refuse(reading, member, "is missing");
    if (json_type(source->json, reading->values[member]) != JSON_STRING)
        return jwks_members_refuse(reading, member, "must be a string");
    if (!json_text(source->json, reading->values[member], source->region, text))
        return failure_set(source->failure, EXIT_CODE_OS, "there is no memory for the keys of %s", source->file);
    return true;
}

/* Taken from the document itself: an escape is no digit of base64url, and a secret must not be copied on the way. */
bool jwks_members_bytes(const struct jwks_reading *reading, enum jwks_member member,
                        unsigned char out[JWKS_MEMBERS_MOST], size_t *size)
{
    struct slice text;

    if (!jwks_members_has(reading, member) || json_type(reading->source->json, reading->values[member]) != JSON_STRING)
        return jwks_members_text(reading, member, &text);
    text = json_raw(reading->source->json, reading->values[member]);
    if (text.size > JWKS_MEMBERS_TEXT)
        return jwks_members_refuse(reading, member, "is too long");
    if (text.size == 0 || !base64url_decode(text, out, size))
        return jwks_members_refuse(reading, member, "must be base64url without padding (RFC 7515 2)");
    return true;
}
