/* SPDX-License-Identifier: MPL-2.0
 *
 * Values of keys, each worked out at most once per request. Nothing is allocated and nothing formatted but an address;
 * what has to be put together goes to the cache's scratch.
 */
#include "policy/descriptor.h"

#include <stdlib.h>

#include "shm/address.h"
#include "shm/hex_digit.h"

bool descriptor_cache_init(struct descriptor_cache *cache, const struct bundle *bundle, size_t scratch_size)
{
    *cache = (struct descriptor_cache){.bundle = bundle, .scratch_size = scratch_size};
    cache->entries = calloc((size_t)bundle->descriptor_count + DESCRIPTOR_MAX_MORE, sizeof(*cache->entries));
    cache->scratch = malloc(scratch_size > 0 ? scratch_size : 1);
    if (cache->entries && cache->scratch)
        return true;
    descriptor_cache_fini(cache);
    return false;
}

void descriptor_cache_fini(struct descriptor_cache *cache)
{
    free(cache->entries);
    free(cache->scratch);
    *cache = (struct descriptor_cache){.bundle = NULL};
}

void descriptor_cache_add(struct descriptor_cache *cache, const struct descriptor *more)
{
    cache->more = more;
    memset(cache->entries + cache->bundle->descriptor_count, 0, DESCRIPTOR_MAX_MORE * sizeof(*cache->entries));
}

const struct descriptor *descriptor_cache_at(const struct descriptor_cache *cache, uint32_t descriptor)
{
    uint32_t own = cache->bundle->descriptor_count;

    return descriptor < own ? &cache->bundle->descriptors[descriptor] : &cache->more[descriptor - own];
}

void descriptor_cache_begin(struct descriptor_cache *cache, const struct facts *facts, const struct claims *claims)
{
    cache->facts = facts;
    cache->claims = claims;
    cache->scratch_used = 0;
    origin_begin(&cache->origin);
    if (++cache->request != 0)
        return;
    /* The number of the request came round: entries of long ago must not look like this one's. */
    memset(cache->entries, 0, (cache->bundle->descriptor_count + DESCRIPTOR_MAX_MORE) * sizeof(*cache->entries));
    cache->request = 1;
}

/* SIZE bytes of scratch, or NULL when it is used up. */
static char *take_scratch(struct descriptor_cache *cache, size_t size)
{
    char *bytes = cache->scratch + cache->scratch_used;

    if (cache->scratch_size - cache->scratch_used < size)
        return NULL;
    cache->scratch_used += size;
    return bytes;
}

/* ---- header fields --------------------------------------------------------------------------------------------- */

static bool has_name(const struct fact_field *field, struct slice name)
{
    return field->name.size == name.size && slice_equal_nocase(field->name, name);
}

/* Joins the fields from FIRST on; SIZE is the length of the whole. */
static bool join_fields(struct descriptor_cache *cache, struct slice name, size_t first, size_t size,
                        struct slice *value)
{
    char *out = take_scratch(cache, size), *at = out;

    if (!out)
        return false;
    for (size_t i = first; i < cache->facts->field_count; i++) {
        const struct fact_field *field = &cache->facts->fields[i];

        if (!has_name(field, name))
            continue;
        if (i > first) {
            *at++ = ',';
            *at++ = ' ';
        }
        if (field->value.size > 0)
            memcpy(at, field->value.data, field->value.size);
        at += field->value.size;
    }
    *value = (struct slice){out, size};
    return true;
}

static bool header_value(struct descriptor_cache *cache, struct slice name, struct slice *value)
{
    size_t count = 0, first = 0, size = 0, text = 0;

    for (size_t i = 0; i < cache->facts->field_count; i++) {
        const struct fact_field *field = &cache->facts->fields[i];

        if (!has_name(field, name))
            continue;
        if (count++ == 0)
            first = i;
        size += (count > 1 ? 2 : 0) + field->value.size;
        text += field->value.size;
    }
    if (text == 0)
        return false;
    if (count > 1)
        return join_fields(cache, name, first, size, value);
    *value = cache->facts->fields[first].value;
    return true;
}

/* ---- query parameters (application/x-www-form-urlencoded) ------------------------------------------------------ */

/* Decodes the byte at *AT and moves on. A percent sign without two digits stands for itself. */
static char decode_byte(struct slice text, size_t *at)
{
    char c = text.data[(*at)++];
    int high, low;

    if (c == '+')
        return ' ';
    if (c != '%' || text.size - *at < 2)
        return c;
    high = hex_digit(text.data[*at]);
    low = hex_digit(text.data[*at + 1]);
    if (high < 0 || low < 0)
        return c;
    *at += 2;
    return (char)(high * 16 + low);
}

static bool decodes_to(struct slice text, struct slice name)
{
    size_t at = 0, i = 0;

    while (at < text.size && i < name.size)
        if (decode_byte(text, &at) != name.data[i++])
            return false;
    return at == text.size && i == name.size;
}

static bool decode(struct descriptor_cache *cache, struct slice text, struct slice *value)
{
    size_t used = 0;
    char *out;

    *value = text;
    if (!memchr(text.data, '%', text.size) && !memchr(text.data, '+', text.size))
        return true;
    out = take_scratch(cache, text.size);
    if (!out)
        return false;
    for (size_t at = 0; at < text.size;)
        out[used++] = decode_byte(text, &at);
    *value = (struct slice){out, used};
    return true;
}

static bool query_value(struct descriptor_cache *cache, struct slice name, struct slice *value)
{
    struct slice rest = cache->facts->query;

    while (rest.size > 0) {
        const char *end = memchr(rest.data, '&', rest.size);
        struct slice pair = {rest.data, end ? (size_t)(end - rest.data) : rest.size};
        const char *equals = pair.size > 0 ? memchr(pair.data, '=', pair.size) : NULL;
        struct slice key = {pair.data, equals ? (size_t)(equals - pair.data) : pair.size};

        if (decodes_to(key, name)) {
            struct slice text = {NULL, 0};

            if (equals)
                text = (struct slice){equals + 1, pair.size - key.size - 1};
            return text.size > 0 && decode(cache, text, value);
        }
        rest = end ? (struct slice){end + 1, rest.size - pair.size - 1} : (struct slice){NULL, 0};
    }
    return false;
}

/* ---- the client and the rest ----------------------------------------------------------------------------------- */

static bool address_value(struct descriptor_cache *cache, bool is_prefix, struct slice *value)
{
    struct address address = cache->facts->client;
    char *text;

    if (address.family == ADDRESS_NONE)
        return false;
    if (is_prefix && address.family == ADDRESS_IPV6)
        memset(address.bytes + 8, 0, 8);
    text = take_scratch(cache, ADDRESS_TEXT_SIZE);
    if (!text)
        return false;
    *value = (struct slice){text, address_print(&address, text)};
    cache->scratch_used -= ADDRESS_TEXT_SIZE - value->size;
    return true;
}

static bool find_value(struct descriptor_cache *cache, const struct descriptor *descriptor, struct slice *value)
{
    switch (descriptor->source) {
    case DESCRIPTOR_JWT:
        return cache->claims && claims_find(cache->claims, descriptor->name, value);
    case DESCRIPTOR_HEADER:
        return header_value(cache, descriptor->name, value);
    case DESCRIPTOR_QUERY:
        return query_value(cache, descriptor->name, value);
    case DESCRIPTOR_IP_ADDRESS:
        return address_value(cache, false, value);
    case DESCRIPTOR_IP_PREFIX:
        return address_value(cache, true, value);
    case DESCRIPTOR_PATH:
        *value = cache->facts->path;
        return true;
    case DESCRIPTOR_METHOD:
        *value = cache->facts->method;
        return true;
    case DESCRIPTOR_HOST:
        *value = cache->facts->host;
        return true;
    case DESCRIPTOR_IP_COUNTRY:
    case DESCRIPTOR_IP_ASN:
    case DESCRIPTOR_IP_TYPE:
    case DESCRIPTOR_IP_TOR:
    case DESCRIPTOR_UA_BOT:
    case DESCRIPTOR_UA_BOT_CATEGORY:
        return origin_find(&cache->origin, cache->facts, descriptor->source, value);
    }
    return false;
}

bool descriptor_value(struct descriptor_cache *cache, uint32_t descriptor, struct slice *value)
{
    struct descriptor_entry *entry = &cache->entries[descriptor];

    if (entry->request != cache->request) {
        entry->value = (struct slice){NULL, 0};
        entry->is_present =
            find_value(cache, descriptor_cache_at(cache, descriptor), &entry->value) && entry->value.size > 0;
        entry->request = cache->request;
    }
    *value = entry->value;
    return entry->is_present;
}

void descriptor_cache_set(struct descriptor_cache *cache, uint32_t descriptor, struct slice value)
{
    cache->entries[descriptor] =
        (struct descriptor_entry){.request = cache->request, .is_present = value.size > 0, .value = value};
}
