/* SPDX-License-Identifier: MPL-2.0
 *
 * Claims of a token, read and not verified. A token passes four gates before its payload is believed to be one: size,
 * shape (three parts that are not empty, of the base64url alphabet), a header that is a JSON object with an alg and no
 * crit, and a payload that is a JSON object without a repeated name.
 *
 * The payload is read with json.c and not with libjwt's jwt_decode: libjwt 1.10.2 refuses every token whose header says
 * typ at+jwt (RFC 9068) or an algorithm it lacks (PS256, EdDSA), takes the last of two equal names, takes an array for
 * a payload, and gives 0 for a claim that is null, a fraction or a list. A second reader would be needed for what it
 * refuses, and two readers that differ are a way around a limit. The unit test compares both where libjwt takes a
 * token.
 */
#include "policy/claims.h"

#include "policy/json.h"

#define MAX_TOKENS ((size_t)2048)

struct claim {
    struct slice name, value;
};

struct claims {
    struct region *region; /* all of this lives in it */
    struct claim *items;
    size_t count;
};

/* ---- shape ----------------------------------------------------------------------------------------------------- */

/* The token behind "Bearer "; empty when there is none (RFC 6750 2.1). */
static struct slice bearer_token(struct slice authorization)
{
    static const struct slice scheme = {"Bearer", 6};

    if (authorization.size <= scheme.size || authorization.data[scheme.size] != ' ' ||
        !slice_equal_nocase((struct slice){authorization.data, scheme.size}, scheme))
        return (struct slice){NULL, 0};
    return slice_trim((struct slice){authorization.data + scheme.size, authorization.size - scheme.size});
}

/* Value of a base64url digit (RFC 4648 5), or -1. */
static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Splits at exactly two dots into three parts of base64url digits, none of them empty. */
static bool split_token(struct slice token, struct slice parts[3])
{
    size_t part = 0, start = 0;

    for (size_t i = 0; i <= token.size; i++) {
        if (i < token.size && token.data[i] != '.') {
            if (digit_value(token.data[i]) < 0)
                return false;
            continue;
        }
        if (part == 3 || i == start)
            return false;
        parts[part++] = (struct slice){token.data + start, i - start};
        start = i + 1;
    }
    return part == 3;
}

/* Decodes a part. false for a length or left-over bits that no encoder writes, and when memory is out. */
static bool decode_part(struct region *region, struct slice part, struct slice *bytes)
{
    char *out = region_take(region, part.size, 1);
    uint32_t bits = 0;
    unsigned held = 0;
    size_t used = 0;

    if (!out || part.size % 4 == 1)
        return false;
    for (size_t i = 0; i < part.size; i++) {
        bits = (bits << 6 | (uint32_t)digit_value(part.data[i])) & 0xFFFF;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[used++] = (char)(bits >> held);
        }
    }
    *bytes = (struct slice){out, used};
    return (bits & ((1u << held) - 1)) == 0;
}

/* ---- content --------------------------------------------------------------------------------------------------- */

/* Tokens of a part that must be a JSON object without a repeated name; NULL when it is not. The caller frees them. */
static struct json *parse_part(struct region *region, struct slice part)
{
    static const struct json_gate_limits limits = {CLAIMS_MAX_TOKEN, MAX_TOKENS};
    struct json_gate_fault fault;
    struct json *json = NULL;
    struct slice bytes;
    size_t repeated;

    if (decode_part(region, part, &bytes))
        json = json_parse(bytes, &limits, &fault);
    if (json && json_type(json, JSON_ROOT) == JSON_OBJECT && json_duplicates(json, NULL, 0, &repeated) && repeated == 0)
        return json;
    json_free(json);
    return NULL;
}

/* RFC 7515: alg must be there (4.1.1), and what crit lists must be understood (4.1.11), which is nothing here. */
static bool has_usable_header(struct region *region, struct slice part)
{
    struct json *json = parse_part(region, part);
    bool has_algorithm = false, has_crit = false;
    struct slice name;

    if (!json)
        return false;
    for (uint32_t at = json_first(json, JSON_ROOT); at != JSON_NONE; at = json_next(json, at)) {
        if (!json_text(json, at, region, &name))
            has_crit = true; /* cannot be told */
        has_crit |= slice_equal(name, SLICE("crit"));
        has_algorithm |= slice_equal(name, SLICE("alg")) && json_type(json, json_value(json, at)) == JSON_STRING;
    }
    json_free(json);
    return has_algorithm && !has_crit;
}

static bool is_integer(struct slice number)
{
    for (size_t i = 0; i < number.size; i++)
        if (number.data[i] == '.' || (number.data[i] | 0x20) == 'e')
            return false;
    return true;
}

/* Adds the member NAME when its value is one that claims_find gives. false when memory is out. */
static bool add_claim(struct claims *claims, const struct json *json, uint32_t name)
{
    struct claim *claim = &claims->items[claims->count];
    uint32_t value = json_value(json, name);
    enum json_type type = json_type(json, value);

    if (type != JSON_STRING && type != JSON_NUMBER && type != JSON_BOOLEAN)
        return true;
    claim->value = json_raw(json, value);
    if (type == JSON_NUMBER && !is_integer(claim->value))
        return true;
    if (type == JSON_STRING && !json_text(json, value, claims->region, &claim->value))
        return false;
    if (!json_text(json, name, claims->region, &claim->name))
        return false;
    claims->count += claim->value.size > 0;
    return true;
}

static bool read_payload(struct claims *claims, struct slice part)
{
    struct json *json = parse_part(claims->region, part);
    bool is_fine;

    if (!json)
        return false;
    claims->items = region_take(claims->region, json_count(json, JSON_ROOT), sizeof(*claims->items));
    is_fine = claims->items != NULL;
    for (uint32_t at = json_first(json, JSON_ROOT); is_fine && at != JSON_NONE; at = json_next(json, at))
        is_fine = add_claim(claims, json, at);
    json_free(json);
    return is_fine;
}

struct claims *claims_read(struct slice authorization)
{
    struct slice token = bearer_token(authorization), parts[3];
    struct region *region;
    struct claims *claims;

    if (token.size == 0 || token.size > CLAIMS_MAX_TOKEN || !split_token(token, parts))
        return NULL;
    region = region_new();
    claims = region ? region_take(region, 1, sizeof(*claims)) : NULL;
    if (claims) {
        claims->region = region;
        if (has_usable_header(region, parts[0]) && read_payload(claims, parts[1]))
            return claims;
    }
    region_free(region);
    return NULL;
}

void claims_free(struct claims *claims)
{
    if (claims)
        region_free(claims->region);
}

bool claims_find(const struct claims *claims, struct slice name, struct slice *value)
{
    for (size_t i = 0; i < claims->count; i++) {
        if (slice_equal(claims->items[i].name, name)) {
            *value = claims->items[i].value;
            return true;
        }
    }
    return false;
}
