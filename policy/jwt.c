/* SPDX-License-Identifier: MPL-2.0
 *
 * Verification in the order: form, header, keys, signature, payload, times, names. Nothing of the payload is read
 * before the signature is good.
 */
#include "policy/jwt.h"

#include "policy/decimal.h"

#define DECIMAL_PLACES 6 /* of a microsecond */

const struct jwt_fault_row jwt_faults[JWT_FAULTS] = {
    [JWT_GOOD] = {"", "", "the token is good"},
#define FAULT(symbol, cause, sentence) [JWT_##symbol] = {#symbol, cause, sentence},
#include "policy/jwt_faults.def"
#undef FAULT
};

/* ---- signature --------------------------------------------------------------------------------------------------- */

static bool is_named(const struct jwks_key *key, struct slice id)
{
    return key->id && slice_equal((struct slice){key->id, key->id_size}, id);
}

/* The only key of that kid is tried, if its algorithm is the one the header names. */
static enum jwt_fault try_named(struct jwt *jwt, const struct jwks *keys, const struct jwt_header *header,
                                struct slice input, struct slice signature)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct jwks_key *key = &keys->keys[i];

        if (!is_named(key, header->key_id))
            continue;
        if (!slice_equal(slice_of(key->key.algorithm->name), header->algorithm))
            return JWT_algorithm;
        if (!jwt_algorithm_verify(&key->key, input, signature))
            return JWT_signature;
        jwt->key = key;
        return JWT_GOOD;
    }
    return JWT_key;
}

/* Without a kid, each key of the algorithm. */
static enum jwt_fault try_all(struct jwt *jwt, const struct jwks *keys, const struct jwt_header *header,
                              struct slice input, struct slice signature)
{
    size_t fitting = 0;

    for (size_t i = 0; i < keys->count; i++)
        fitting += slice_equal(slice_of(keys->keys[i].key.algorithm->name), header->algorithm);
    if (fitting == 0)
        return JWT_algorithm;
    if (fitting > JWT_MAX_TRIED)
        return JWT_ambiguous;
    for (size_t i = 0; i < keys->count; i++) {
        const struct jwks_key *key = &keys->keys[i];

        if (slice_equal(slice_of(key->key.algorithm->name), header->algorithm) &&
            jwt_algorithm_verify(&key->key, input, signature)) {
            jwt->key = key;
            return JWT_GOOD;
        }
    }
    return JWT_signature;
}

static enum jwt_fault read_header(struct jwt *jwt, struct jwt_header *header)
{
    struct json *json = jwt_shape_parse(jwt->header);
    bool is_read = json && jwt_shape_header(json, jwt->region, header);

    json_free(json);
    if (!is_read)
        return JWT_header;
    return header->has_critical ? JWT_critical : JWT_GOOD;
}

static bool decode(struct jwt *jwt, struct slice part, struct slice *bytes)
{
    struct slice decoded;

    if (!jwt_shape_decode(jwt->region, part, &decoded))
        return false;
    *bytes = decoded;
    return true;
}

enum jwt_fault jwt_open(struct slice token, const struct jwks *keys, struct jwt *jwt)
{
    struct jwt_header header;
    struct jwt_shape shape;
    struct slice signature;
    enum jwt_fault fault;

    *jwt = (struct jwt){.region = NULL};
    if (token.size > JWT_SHAPE_MAX_SIZE)
        return JWT_too_long;
    if (!jwt_shape_split(token, &shape))
        return JWT_malformed;
    jwt->region = region_new();
    if (!jwt->region)
        return JWT_memory;
    if (!decode(jwt, shape.header, &jwt->header) || !decode(jwt, shape.payload, &jwt->payload) ||
        !decode(jwt, shape.signature, &signature))
        return JWT_malformed;
    fault = read_header(jwt, &header);
    if (fault != JWT_GOOD)
        return fault;
    return header.key_id.data ? try_named(jwt, keys, &header, shape.input, signature)
                              : try_all(jwt, keys, &header, shape.input, signature);
}

void jwt_close(struct jwt *jwt)
{
    region_free(jwt->region);
    jwt->region = NULL;
}

/* ---- claims ------------------------------------------------------------------------------------------------------ */

/* The registered claims as tokens of the payload; JSON_NONE: not there. */
struct registered {
    uint32_t issuer, audience, expires, not_before, issued_at;
};

static bool find_registered(const struct json *json, struct region *region, struct registered *registered)
{
    const struct {
        struct slice name;
        uint32_t *value;
    } rows[] = {{SLICE("iss"), &registered->issuer},
                {SLICE("aud"), &registered->audience},
                {SLICE("exp"), &registered->expires},
                {SLICE("nbf"), &registered->not_before},
                {SLICE("iat"), &registered->issued_at}};
    struct slice name;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        *rows[i].value = JSON_NONE;
    for (uint32_t at = json_first(json, JSON_ROOT); at != JSON_NONE; at = json_next(json, at)) {
        if (!json_text(json, at, region, &name))
            return false;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            if (slice_equal(name, rows[i].name))
                *rows[i].value = json_value(json, at);
    }
    return true;
}

/* A number without exponent, cut behind its sixth decimal place: some issuers write more of them. */
static struct slice cut(struct slice number)
{
    const char *point = memchr(number.data, '.', number.size);
    size_t most = point ? (size_t)(point - number.data) + 1 + DECIMAL_PLACES : number.size;

    if (most < number.size && !memchr(number.data, 'e', number.size) && !memchr(number.data, 'E', number.size))
        number.size = most;
    return number;
}

/* Reads a NumericDate (RFC 7519 2) into microseconds. What lies beyond two centuries is at the end of all time. */
static bool read_time(const struct json *json, uint32_t value, int64_t *time_us)
{
    struct slice number = json_raw(json, value);

    if (json_type(json, value) != JSON_NUMBER)
        return false;
    switch (decimal_parse(cut(number), time_us)) {
    case DECIMAL_OK:
        return true;
    case DECIMAL_TOO_LARGE:
        *time_us = number.data[0] == '-' ? INT64_MIN : INT64_MAX;
        return true;
    case DECIMAL_MALFORMED:
    case DECIMAL_NOT_EXACT:
        break;
    }
    return false;
}

static int64_t add(int64_t time_us, int64_t more_us)
{
    int64_t sum;

    if (__builtin_add_overflow(time_us, more_us, &sum))
        return more_us > 0 ? INT64_MAX : INT64_MIN;
    return time_us == INT64_MAX || time_us == INT64_MIN ? time_us : sum;
}

static enum jwt_fault read_span(const struct json *json, const struct registered *registered,
                                const struct jwt_rules *rules, struct jwt_span *span)
{
    const uint32_t begins[] = {registered->not_before, registered->issued_at};
    int64_t time_us;

    if (registered->expires == JSON_NONE)
        return JWT_endless;
    if (!read_time(json, registered->expires, &time_us))
        return JWT_time;
    span->until_us = add(time_us, rules->leeway_us);
    span->from_us = INT64_MIN;
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        if (begins[i] == JSON_NONE)
            continue;
        if (!read_time(json, begins[i], &time_us))
            return JWT_time;
        time_us = add(time_us, -rules->leeway_us);
        span->from_us = time_us > span->from_us ? time_us : span->from_us;
    }
    return JWT_GOOD;
}

static bool is_text(const struct json *json, uint32_t value, struct region *region, struct slice expected)
{
    struct slice text;

    return value != JSON_NONE && json_type(json, value) == JSON_STRING && json_text(json, value, region, &text) &&
           slice_equal(text, expected);
}

/* aud is a string or a list of strings (RFC 7519 4.1.3). */
static bool is_for(const struct json *json, uint32_t audience, struct region *region, struct slice expected)
{
    if (audience == JSON_NONE || json_type(json, audience) != JSON_ARRAY)
        return is_text(json, audience, region, expected);
    for (uint32_t at = json_first(json, audience); at != JSON_NONE; at = json_next(json, at))
        if (is_text(json, at, region, expected))
            return true;
    return false;
}

static enum jwt_fault check_payload(const struct json *json, struct region *region, const struct jwt_rules *rules,
                                    int64_t now_us, struct jwt_span *span)
{
    struct registered registered;
    enum jwt_fault fault;

    if (!find_registered(json, region, &registered))
        return JWT_memory;
    fault = read_span(json, &registered, rules, span);
    if (fault != JWT_GOOD)
        return fault;
    if (now_us >= span->until_us)
        return JWT_expired;
    if (now_us < span->from_us)
        return JWT_early;
    if (rules->issuer.size > 0 && !is_text(json, registered.issuer, region, rules->issuer))
        return JWT_issuer;
    if (rules->audience.size > 0 && !is_for(json, registered.audience, region, rules->audience))
        return JWT_audience;
    return JWT_GOOD;
}

enum jwt_fault jwt_check(const struct jwt *jwt, const struct jwt_rules *rules, int64_t now_us, struct claims **claims,
                         struct jwt_span *span)
{
    struct json *json = jwt_shape_parse(jwt->payload);
    enum jwt_fault fault = json ? check_payload(json, jwt->region, rules, now_us, span) : JWT_payload;

    if (fault == JWT_GOOD) {
        *claims = claims_of(json);
        fault = *claims ? JWT_GOOD : JWT_memory;
    }
    json_free(json);
    return fault;
}
