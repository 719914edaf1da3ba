/* SPDX-License-Identifier: MPL-2.0
 *
 * Takes tokens apart, strictly: each thing that two readers could see differently is refused.
 */
#include "policy/jwt_shape.h"

#include "policy/base64url.h"

#define MAX_JSON_TOKENS ((size_t)2048)

/* RFC 9110 (11.4) wants spaces behind the scheme. Upstreams that split at any white space see a token behind a tab, too, or, as
 * they read fields as ISO 8859-1, behind NEL or a space without break: its bearer must not pass for somebody without claims here. */
static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\x85' || c == '\xA0';
}

static struct slice trim(struct slice text)
{
    while (text.size > 0 && is_space(text.data[0]))
        text = (struct slice){text.data + 1, text.size - 1};
    while (text.size > 0 && is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

struct slice jwt_shape_bearer(struct slice authorization)
{
    static const struct slice scheme = {"Bearer", 6};

    if (authorization.size <= scheme.size || !is_space(authorization.data[scheme.size]) ||
        !slice_equal_nocase((struct slice){authorization.data, scheme.size}, scheme))
        return (struct slice){NULL, 0};
    return trim((struct slice){authorization.data + scheme.size, authorization.size - scheme.size});
}

/* The bytes of TEXT up to the next dot, which are taken off it; *HAS_DOT when there was one. */
static struct slice take_part(struct slice *text, bool *has_dot)
{
    const char *dot = text->size > 0 ? memchr(text->data, '.', text->size) : NULL;
    struct slice part = {text->data, dot ? (size_t)(dot - text->data) : text->size};
    size_t used = part.size + (dot ? 1 : 0);

    *has_dot = dot != NULL;
    if (used > 0)
        *text = (struct slice){text->data + used, text->size - used};
    return part;
}

static bool take_parts(struct slice token, struct slice parts[3])
{
    bool has_dot = false;

    for (int i = 0; i < 3; i++) {
        parts[i] = take_part(&token, &has_dot);
        if (has_dot != (i < 2))
            return false;
    }
    return true;
}

/* The bytes of TEXT up to the next space or comma, which are taken off it. */
static struct slice take_word(struct slice *text)
{
    struct slice word = {text->data, 0};
    size_t used;

    while (word.size < text->size && !is_space(text->data[word.size]) && text->data[word.size] != ',')
        word.size++;
    used = word.size < text->size ? word.size + 1 : word.size;
    *text = (struct slice){text->data + used, text->size - used};
    return word;
}

/* Many an upstream takes one word of what stands there, and does not look at what is behind it or before. */
bool jwt_shape_is_meant(struct slice bearer)
{
    struct slice parts[3];

    if (take_parts(bearer, parts))
        return true;
    while (bearer.size > 0)
        if (take_parts(take_word(&bearer), parts))
            return true;
    return false;
}

bool jwt_shape_split(struct slice token, struct jwt_shape *shape)
{
    struct slice parts[3];

    if (token.size > JWT_SHAPE_MAX_SIZE || !take_parts(token, parts))
        return false;
    shape->header = parts[0];
    shape->payload = parts[1];
    shape->signature = parts[2];
    shape->input = (struct slice){token.data, parts[0].size + 1 + parts[1].size};
    return parts[0].size > 0 && parts[1].size > 0 && parts[2].size > 0;
}

bool jwt_shape_decode(struct region *region, struct slice part, struct slice *bytes)
{
    char *out = region_take(region, BASE64URL_BYTES_SIZE(part.size), 1);

    bytes->data = out;
    return out && base64url_decode(part, out, &bytes->size);
}

struct json *jwt_shape_parse(struct slice bytes)
{
    static const struct json_gate_limits limits = {JWT_SHAPE_MAX_SIZE, MAX_JSON_TOKENS};
    struct json_gate_fault fault;
    struct json *json = json_parse(bytes, &limits, &fault);
    size_t repeated;

    if (json && json_type(json, JSON_ROOT) == JSON_OBJECT && json_duplicates(json, NULL, 0, &repeated) && repeated == 0)
        return json;
    json_free(json);
    return NULL;
}

static bool read_string(const struct json *json, uint32_t name, struct region *region, struct slice *text)
{
    uint32_t value = json_value(json, name);

    return json_type(json, value) == JSON_STRING && json_text(json, value, region, text);
}

bool jwt_shape_header(const struct json *json, struct region *region, struct jwt_header *header)
{
    struct slice name;

    *header = (struct jwt_header){.has_critical = false};
    for (uint32_t at = json_first(json, JSON_ROOT); at != JSON_NONE; at = json_next(json, at)) {
        if (!json_text(json, at, region, &name))
            return false;
        if (slice_equal(name, SLICE("alg")) && !read_string(json, at, region, &header->algorithm))
            return false;
        if (slice_equal(name, SLICE("kid")) && !read_string(json, at, region, &header->key_id))
            return false;
        header->has_critical |= slice_equal(name, SLICE("crit"));
    }
    return header->algorithm.data != NULL;
}
