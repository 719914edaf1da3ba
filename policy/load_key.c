/* SPDX-License-Identifier: MPL-2.0
 *
 * Keys: from "header:X-Api-Key" to a descriptor that the whole bundle has once, and the values that keys are compared
 * with, brought to the form in which requests will show them.
 */
#include "policy/load_private.h"

#include <stdlib.h>

#include "policy/decide_cells.h"
#include "policy/facts.h"
#include "policy/lines.h"
#include "policy/load.h"
#include "policy/origin.h"
#include "shm/address.h"
#include "shm/near.h"
#include "shm/siphash.h"

#define MAX_KEY    128
#define MAX_VALUE  1024
#define FIRST_ROOM 64

/* Every key there is. A text that ends in a colon takes a name behind it. */
static const struct key_form {
    const char *text;
    const char *canonical;
    enum descriptor_source source;
} forms[] = {
    {"jwt:", "jwt:", DESCRIPTOR_JWT},
    {"header:", "header:", DESCRIPTOR_HEADER},
    {"query:", "query:", DESCRIPTOR_QUERY},
    {"ip:address", "ip:address", DESCRIPTOR_IP_ADDRESS},
    {"ip:addr", "ip:address", DESCRIPTOR_IP_ADDRESS},
    {"ip:prefix", "ip:prefix", DESCRIPTOR_IP_PREFIX},
    {"path", "path", DESCRIPTOR_PATH},
    {"method", "method", DESCRIPTOR_METHOD},
    {"host", "host", DESCRIPTOR_HOST},
    {"ip:country", "ip:country", DESCRIPTOR_IP_COUNTRY},
    {"ip:asn", "ip:asn", DESCRIPTOR_IP_ASN},
    {"ip:type", "ip:type", DESCRIPTOR_IP_TYPE},
    {"ip:tor", "ip:tor", DESCRIPTOR_IP_TOR},
    {"ua:bot", "ua:bot", DESCRIPTOR_UA_BOT},
    {"ua:bot_category", "ua:bot_category", DESCRIPTOR_UA_BOT_CATEGORY},
};
#define FORM_COUNT (sizeof(forms) / sizeof(forms[0]))

static bool takes_name(const struct key_form *form)
{
    return form->text[strlen(form->text) - 1] == ':';
}

static bool needs_database(enum descriptor_source source)
{
    return (origin_needs(source) & (1u << SETTINGS_REFERENCE_COUNTRIES | 1u << SETTINGS_REFERENCE_NUMBERS)) != 0;
}

static const struct key_form *find_form(struct slice text)
{
    for (size_t i = 0; i < FORM_COUNT; i++) {
        struct slice known = slice_of(forms[i].text);

        if (takes_name(&forms[i]) ? slice_has_prefix(text, known) : slice_equal(text, known))
            return &forms[i];
    }
    return NULL;
}

static void complain_unknown(struct load *load, uint32_t token, struct slice text)
{
    const char *colon = memchr(text.data, ':', text.size), *advice = load_word_key_advice(text);
    struct near near;

    if (advice) {
        load_complain(load, token, "unknown_key", "\"%.*s\" is not a key; %s", SHOWN(text), advice);
        return;
    }
    near_init(&near, text);
    for (size_t i = 0; i < FORM_COUNT; i++)
        if (!takes_name(&forms[i]))
            near_offer(&near, slice_of(forms[i].text));
    if (near.best.size > 0) {
        load_complain(load, token, "unknown_key", "\"%.*s\" is not a key; did you mean \"%.*s\"?", SHOWN(text),
                      SHOWN(near.best));
        return;
    }
    near_init(&near, (struct slice){text.data, colon ? (size_t)(colon - text.data) + 1 : text.size});
    for (size_t i = 0; i < FORM_COUNT; i++)
        if (takes_name(&forms[i]))
            near_offer(&near, slice_of(forms[i].text));
    if (near.best.size > 0 && colon)
        load_complain(load, token, "unknown_key", "\"%.*s\" is not a key; did you mean \"%.*s%.*s\"?", SHOWN(text),
                      SHOWN(near.best),
                      SHOWN(((struct slice){colon + 1, text.size - (size_t)(colon + 1 - text.data)})));
    else
        load_complain(load, token, "unknown_key",
                      "\"%.*s\" is not a key; keys are jwt:CLAIM, header:NAME, query:NAME, ip:address, ip:prefix, "
                      "ip:country, ip:asn, ip:type, ip:tor, ua:bot, ua:bot_category, path, method and host",
                      SHOWN(text));
}

/* A field name is a token (RFC 9110 5.6.2). */
static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i], lower = slice_lower(c);

        if (!((c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return text.size > 0;
}

static bool check_name(struct load *load, uint32_t token, const struct key_form *form, struct slice name)
{
    if (name.size == 0) {
        load_complain(load, token, "bad_key", "\"%s\" needs a name behind its colon", form->text);
        return false;
    }
    if (form->source == DESCRIPTOR_HEADER && !is_token(name)) {
        load_complain(load, token, "bad_key", "\"%.*s\" cannot be the name of a header field", SHOWN(name));
        return false;
    }
    return true;
}

/* Makes the descriptor's canonical text, a NUL behind it so that it can name a value in a sentence, and its name. */
static bool make_descriptor(struct load *load, const struct key_form *form, struct slice name,
                            struct descriptor *descriptor)
{
    struct slice head = slice_of(form->canonical);
    char *text = load_take(load, head.size + name.size + 1, 1);

    if (!text)
        return false;
    memcpy(text, head.data, head.size);
    for (size_t i = 0; i < name.size; i++)
        text[head.size + i] = form->source == DESCRIPTOR_HEADER ? slice_lower(name.data[i]) : name.data[i];
    *descriptor = (struct descriptor){
        .source = form->source,
        .name = {text + head.size, name.size},
        .text = {text, head.size + name.size},
    };
    return true;
}

bool load_key_parse(struct slice text, struct descriptor *descriptor)
{
    const struct key_form *form = find_form(text);
    size_t head = form ? strlen(form->text) : 0;
    bool has_name = form && takes_name(form);

    if (!form || strcmp(form->text, form->canonical) != 0 || (has_name && text.size == head))
        return false;
    *descriptor = (struct descriptor){.source = form->source, .text = text};
    if (has_name)
        descriptor->name = (struct slice){text.data + head, text.size - head};
    return true;
}

/* ---- every key once -------------------------------------------------------------------------------------------- */

static uint32_t *find_slot(const struct load_keys *keys, struct slice text)
{
    static const uint64_t no_secret[2] = {0, 0};
    uint64_t hash[2];

    siphash_of(no_secret, text.data, text.size, hash);
    for (uint32_t at = (uint32_t)hash[0];; at++) {
        uint32_t *slot = &keys->slots[at & (keys->slot_count - 1)];

        if (*slot == 0 || slice_equal(keys->items[*slot - 1].text, text))
            return slot;
    }
}

static bool grow(struct load_keys *keys)
{
    uint32_t room = keys->room > 0 ? keys->room * 2 : FIRST_ROOM;
    struct descriptor *items = realloc(keys->items, room * sizeof(*items));
    uint32_t *slots = calloc((size_t)room * 2, sizeof(*slots));

    if (items)
        keys->items = items;
    if (!items || !slots) {
        free(slots);
        return false;
    }
    free(keys->slots);
    keys->slots = slots;
    keys->slot_count = room * 2;
    keys->room = room;
    for (uint32_t i = 0; i < keys->count; i++)
        *find_slot(keys, keys->items[i].text) = i + 1;
    return true;
}

static bool add_descriptor(struct load *load, const struct descriptor *descriptor, uint32_t *index)
{
    struct load_keys *keys = &load->keys;
    uint32_t *slot;

    if (keys->count == keys->room && !grow(keys)) {
        load->is_out_of_memory = true;
        return false;
    }
    slot = find_slot(keys, descriptor->text);
    if (*slot == 0) {
        keys->items[keys->count++] = *descriptor;
        *slot = keys->count;
    }
    *index = *slot - 1;
    return true;
}

bool load_key_finish(struct load *load)
{
    struct descriptor *copy = load_take(load, load->keys.count, sizeof(*copy));

    if (!copy)
        return false;
    if (load->keys.count > 0)
        memcpy(copy, load->keys.items, load->keys.count * sizeof(*copy));
    for (uint32_t i = 0; i < load->keys.count; i++) {
        load->bundle->uses_jwt |= copy[i].source == DESCRIPTOR_JWT;
        load->bundle->uses_underscores |=
            copy[i].source == DESCRIPTOR_HEADER && memchr(copy[i].name.data, '_', copy[i].name.size);
        load->bundle->uses_client |= slice_has_prefix(copy[i].text, SLICE("ip:"));
        load->bundle->references |= origin_needs(copy[i].source);
    }
    load->bundle->descriptors = copy;
    load->bundle->descriptor_count = load->keys.count;
    return true;
}

void load_key_fini(struct load *load)
{
    free(load->keys.items);
    free(load->keys.slots);
}

/* Fields that a key knows better than their bytes do. */
static const struct {
    const char *name, *why;
} told_fields[] = {
    {"host", "names whom the gateway asks, where a gateway asks for decisions; \"host\" is the host that the client asks for, in "
             "lower case and without its port"},
    {"x-forwarded-host", "may be written in many ways; \"host\" is the same in lower case and without its port"},
    {"x-original-host", "may be written in many ways; \"host\" is the same in lower case and without its port"},
    {"x-forwarded-for", "is a list that clients may begin; \"ip:prefix\" is the client's address, as the peers in trusted_proxies "
                        "tell it"},
};

static void warn_of_field(struct load *load, uint32_t token, struct slice text, struct slice name)
{
    if (memchr(name.data, '_', name.size))
        load_warn(load, token, "underscore",
                  "nginx and others that it may pass drop a field with \"_\" in its name, unless told otherwise "
                  "(underscores_in_headers): then no request has \"%.*s\"", SHOWN(text));
    for (size_t i = 0; i < sizeof(told_fields) / sizeof(told_fields[0]); i++)
        if (slice_equal_nocase(name, slice_of(told_fields[i].name)))
            load_warn(load, token, "told_field", "\"%.*s\" %s", SHOWN(text), told_fields[i].why);
}

bool load_key_read(struct load *load, uint32_t token, uint32_t *descriptor)
{
    const struct key_form *form;
    struct descriptor made;
    struct slice text, name;

    if (!load_value_text(load, token, "key", 1, MAX_KEY, &text))
        return false;
    form = find_form(text);
    if (!form) {
        complain_unknown(load, token, text);
        return false;
    }
    if (needs_database(form->source) && !geoip_is_built_in()) {
        load_complain(load, token, "not_built_in",
                      "the key \"%s\" needs libmaxminddb, which this program was built without; " GEOIP_CURE,
                      form->text);
        return false;
    }
    name = (struct slice){text.data + strlen(form->text), text.size - strlen(form->text)};
    if (takes_name(form) && !check_name(load, token, form, name))
        return false;
    if (form->source == DESCRIPTOR_HEADER)
        warn_of_field(load, token, text, name);
    if (form->source == DESCRIPTOR_JWT && load->jwt_token == JSON_NONE)
        load->jwt_token = token;
    return make_descriptor(load, form, takes_name(form) ? name : (struct slice){NULL, 0}, &made) &&
           add_descriptor(load, &made, descriptor);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static bool keep(struct load *load, const char *text, size_t size, struct slice *value)
{
    load->is_out_of_memory |= !region_copy(load->region, (struct slice){text, size}, value);
    return !load->is_out_of_memory;
}

static bool keep_address(struct load *load, const struct address *address, struct slice *value)
{
    char text[ADDRESS_TEXT_SIZE];

    return keep(load, text, address_print(address, text), value);
}

static bool canonical_address(struct load *load, uint32_t token, struct slice *value)
{
    struct address address;
    struct network network;

    if (address_parse(*value, &address))
        return keep_address(load, &address, value);
    if (address_parse_network(*value, &network)) {
        load_complain(load, token, "bad_value",
                      "\"%.*s\" is a network, and ip:address is one address; ip:prefix takes the /64 network of an IPv6 one, "
                      "ip:asn and ip:country whole operators and countries; other networks are for your gateway or firewall to "
                      "stop", SHOWN(*value));
        return false;
    }
    load_complain(load, token, "bad_value", "\"%.*s\" is not an IPv4 or IPv6 address", SHOWN(*value));
    return false;
}

/* An IPv6 network may be written with its length or as any address in it; it is kept without. */
static bool canonical_prefix(struct load *load, uint32_t token, struct slice *value)
{
    struct network network;

    if (address_parse(*value, &network.address) ||
        (address_parse_network(*value, &network) && network.address.family == ADDRESS_IPV6 && network.prefix_bits == 64)) {
        if (network.address.family == ADDRESS_IPV6)
            memset(network.address.bytes + 8, 0, 8);
        return keep_address(load, &network.address, value);
    }
    load_complain(load, token, "bad_value",
                  "\"%.*s\" is neither an IPv4 address nor the /64 network of an IPv6 one, such as 2001:db8:1:2::/64",
                  SHOWN(*value));
    return false;
}

static bool canonical_host(struct load *load, struct slice *value)
{
    char *out = load_take(load, value->size, 1);

    if (!out)
        return false;
    *value = facts_host(*value, out);
    return true;
}

static bool refuse_value(struct load *load, uint32_t token, struct slice value, const char *key, const char *wanted)
{
    load_complain(load, token, "bad_value", "\"%.*s\" cannot be a value of %s; it is %s", SHOWN(value), key, wanted);
    return false;
}

static bool canonical_country(struct load *load, uint32_t token, struct slice *value)
{
    char country[GEOIP_COUNTRY_SIZE];

    if (!geoip_parse_country(*value, country))
        return refuse_value(load, token, *value, "ip:country", "two letters, as in DE");
    return keep(load, country, sizeof(country), value);
}

static bool canonical_asn(struct load *load, uint32_t token, struct slice *value)
{
    char digits[GEOIP_ASN_SIZE];
    uint32_t number;

    if (!geoip_parse_asn(*value, &number))
        return refuse_value(load, token, *value, "ip:asn", "a number from 1 to 4294967295, as in 64496");
    return keep(load, digits, geoip_print_asn(number, digits), value);
}

/* Requests will only ever show these: anything else would be a rule that never applies. */
static bool check_word(struct load *load, uint32_t token, enum descriptor_source source, struct slice value)
{
    if (source == DESCRIPTOR_IP_TYPE || source == DESCRIPTOR_UA_BOT_CATEGORY)
        return lines_is_name(value) ||
               refuse_value(load, token, value, source == DESCRIPTOR_IP_TYPE ? "ip:type" : "ua:bot_category",
                            "a word of 1 to 32 of a-z, 0-9, '_' and '-' that begins with a letter");
    return slice_equal(value, SLICE("true")) || slice_equal(value, SLICE("false")) ||
           refuse_value(load, token, value, source == DESCRIPTOR_IP_TOR ? "ip:tor" : "ua:bot", "true or false");
}

/* Field values come without spaces around them (RFC 9110 5.5). */
static void warn_of_space(struct load *load, uint32_t token, const struct descriptor *key, struct slice value)
{
    if (value.data[0] == ' ' || value.data[value.size - 1] == ' ')
        load_warn(load, token, "stray_space", "\"%.*s\" begins or ends with a space, so %s; remove the space", SHOWN(value),
                  key->source == DESCRIPTOR_HEADER ? "no request has it, for a field's value never does"
                                                   : "only a request whose value does, too, has it");
}

/* Values are compared byte for byte. Fields that tell media types have an asterisk of their own. */
static void warn_of_asterisk(struct load *load, uint32_t token, struct slice value)
{
    bool is_media_type = value.size > 1 && value.data[value.size - 2] == '/';

    if (value.data[value.size - 1] == '*' && !is_media_type)
        load_warn(load, token, "literal_value",
                  "\"*\" stands for itself here, so only a request with exactly \"%.*s\" has this value; give each value "
                  "a rule of its own", SHOWN(value));
}

/* Copied from a log or a list, it looks as if it were the value; requests never have it. */
static void warn_of_hash(struct load *load, uint32_t token, const struct descriptor *key, struct slice value)
{
    if (decide_cells_is_hash(value))
        load_warn(load, token, LOAD_HASHED_VALUE,
                  "\"%.*s\" is how logs and lists show the hash of a value that the setting redact hides; requests with that "
                  "value do not match it, and the value is not kept: write the value of %.*s itself, which your gateway's or "
                  "application's log may have, or `fairvisor top` from now on with redact = none", SHOWN(value),
                  SHOWN(key->text));
}

/* Paths, too; what is an asterisk elsewhere has many shapes there. */
void load_key_warn_of_pattern(struct load *load, uint32_t token, struct slice path)
{
    char mark = load_value_find_pattern(path, "*{}");

    if (mark != '\0')
        load_warn(load, token, LOAD_LITERAL_PATH,
                  "\"%.*s\" is no pattern: only a path with a \"%c\" in it is this one; what is below a path is a selector's "
                  "\"pathPrefix\"", SHOWN(path), mark);
}

bool load_key_read_value(struct load *load, uint32_t token, uint32_t descriptor, const char *name, struct slice *value)
{
    if (!load_value_text(load, token, name, 1, MAX_VALUE, value))
        return false;
    switch (load->keys.items[descriptor].source) {
    case DESCRIPTOR_IP_ADDRESS:
        return canonical_address(load, token, value);
    case DESCRIPTOR_IP_PREFIX:
        return canonical_prefix(load, token, value);
    case DESCRIPTOR_HOST:
        return load_selector_check_host(load, token, *value, "bad_value") && canonical_host(load, value);
    case DESCRIPTOR_METHOD:
        return load_selector_check_method(load, token, *value, "bad_value");
    case DESCRIPTOR_PATH:
        load_key_warn_of_pattern(load, token, *value);
        return load_value_check_path(load, token, name, *value);
    case DESCRIPTOR_IP_COUNTRY:
        return canonical_country(load, token, value);
    case DESCRIPTOR_IP_ASN:
        return canonical_asn(load, token, value);
    case DESCRIPTOR_IP_TYPE:
    case DESCRIPTOR_IP_TOR:
    case DESCRIPTOR_UA_BOT:
    case DESCRIPTOR_UA_BOT_CATEGORY:
        return check_word(load, token, load->keys.items[descriptor].source, *value);
    default:
        warn_of_space(load, token, &load->keys.items[descriptor], *value);
        warn_of_asterisk(load, token, *value);
        warn_of_hash(load, token, &load->keys.items[descriptor], *value);
        return true;
    }
}
