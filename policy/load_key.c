/* SPDX-License-Identifier: MPL-2.0
 *
 * Keys: from "header:X-Api-Key" to a descriptor that the whole bundle has once.
 */
#include "policy/load_private.h"

#include <stdlib.h>

#include "policy/load.h"
#include "policy/origin.h"
#include "shm/near.h"
#include "shm/siphash.h"

#define MAX_KEY    128
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
