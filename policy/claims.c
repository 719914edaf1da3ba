/* SPDX-License-Identifier: MPL-2.0
 *
 * Claims of a token, as names and texts in one piece of memory: what a policy may compare, and nothing else of the
 * token.
 *
 * The payload is read with json.c and not with libjwt's jwt_decode: libjwt 1.10.2 refuses every token whose header says
 * typ at+jwt (RFC 9068) or an algorithm it lacks (PS256, EdDSA), takes the last of two equal names, takes an array for
 * a payload, and gives 0 for a claim that is null, a fraction or a list. A second reader would be needed for what it
 * refuses, and two readers that differ are a way around a limit. The unit test compares both where libjwt takes a
 * token.
 */
#include "policy/claims.h"

#include <stdlib.h>

struct claim {
    struct slice name, value;
};

struct claims {
    size_t size; /* of all of this */
    size_t count;
    struct claim items[]; /* and behind them the bytes they point to */
};

/* The claims on their way: found, and still pointing elsewhere. */
struct harvest {
    const struct json *json;
    struct region *region;
    struct claim *items;
    size_t count, bytes;
};

static bool is_integer(struct slice number)
{
    for (size_t i = 0; i < number.size; i++)
        if (number.data[i] == '.' || (number.data[i] | 0x20) == 'e')
            return false;
    return true;
}

/* Adds the member NAME when its value is one that claims_find gives. false when memory is out. */
static bool add_claim(struct harvest *harvest, uint32_t name)
{
    struct claim *claim = &harvest->items[harvest->count];
    uint32_t value = json_value(harvest->json, name);
    enum json_type type = json_type(harvest->json, value);

    if (type != JSON_STRING && type != JSON_NUMBER && type != JSON_BOOLEAN)
        return true;
    claim->value = json_raw(harvest->json, value);
    if (type == JSON_NUMBER && !is_integer(claim->value))
        return true;
    if (type == JSON_STRING && !json_text(harvest->json, value, harvest->region, &claim->value))
        return false;
    if (!json_text(harvest->json, name, harvest->region, &claim->name))
        return false;
    if (claim->value.size == 0)
        return true;
    harvest->bytes += claim->name.size + claim->value.size;
    harvest->count++;
    return true;
}

static struct slice keep(struct slice text, char **next)
{
    struct slice kept = {*next, text.size};

    if (text.size > 0)
        memcpy(*next, text.data, text.size);
    *next += text.size;
    return kept;
}

static struct claims *pack(const struct harvest *harvest)
{
    size_t size = sizeof(struct claims) + harvest->count * sizeof(struct claim) + harvest->bytes;
    struct claims *claims = malloc(size);
    char *next;

    if (!claims)
        return NULL;
    claims->size = size;
    claims->count = harvest->count;
    next = (char *)&claims->items[claims->count];
    for (size_t i = 0; i < claims->count; i++) {
        claims->items[i].name = keep(harvest->items[i].name, &next);
        claims->items[i].value = keep(harvest->items[i].value, &next);
    }
    return claims;
}

struct claims *claims_of(const struct json *payload)
{
    struct harvest harvest = {.json = payload, .region = region_new()};
    struct claims *claims = NULL;
    bool is_fine;

    if (!harvest.region)
        return NULL;
    harvest.items = region_take(harvest.region, json_count(payload, JSON_ROOT), sizeof(*harvest.items));
    is_fine = harvest.items != NULL;
    for (uint32_t at = json_first(payload, JSON_ROOT); is_fine && at != JSON_NONE; at = json_next(payload, at))
        is_fine = add_claim(&harvest, at);
    if (is_fine)
        claims = pack(&harvest);
    region_free(harvest.region);
    return claims;
}

static bool has_usable_header(struct region *region, struct slice part)
{
    struct jwt_header header;
    struct slice bytes;
    struct json *json = jwt_shape_decode(region, part, &bytes) ? jwt_shape_parse(bytes) : NULL;
    bool is_usable = json && jwt_shape_header(json, region, &header) && !header.has_critical;

    json_free(json);
    return is_usable;
}

static struct claims *read_payload(struct region *region, struct slice part)
{
    struct slice bytes;
    struct json *json = jwt_shape_decode(region, part, &bytes) ? jwt_shape_parse(bytes) : NULL;
    struct claims *claims = json ? claims_of(json) : NULL;

    json_free(json);
    return claims;
}

struct claims *claims_read(struct slice authorization)
{
    struct jwt_shape shape;
    struct slice signature;
    struct region *region;
    struct claims *claims = NULL;

    if (!jwt_shape_split(jwt_shape_bearer(authorization), &shape))
        return NULL;
    region = region_new();
    if (region && has_usable_header(region, shape.header) && jwt_shape_decode(region, shape.signature, &signature))
        claims = read_payload(region, shape.payload);
    region_free(region);
    return claims;
}

void claims_free(struct claims *claims)
{
    free(claims);
}

size_t claims_size(const struct claims *claims)
{
    return claims->size;
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
