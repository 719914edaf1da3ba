/* SPDX-License-Identifier: MPL-2.0
 *
 * The values that keys are compared with, brought to the form in which requests will show them.
 */
#include "policy/load_private.h"

#include "policy/decide_cells.h"
#include "policy/facts.h"
#include "policy/lines.h"
#include "policy/load.h"
#include "shm/address.h"

#define MAX_VALUE 1024

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
void load_key_value_warn_of_pattern(struct load *load, uint32_t token, struct slice path)
{
    char mark = load_value_find_pattern(path, "*{}");

    if (mark != '\0')
        load_warn(load, token, LOAD_LITERAL_PATH,
                  "\"%.*s\" is no pattern: only a path with a \"%c\" in it is this one; what is below a path is a selector's "
                  "\"pathPrefix\"", SHOWN(path), mark);
}

bool load_key_value_read(struct load *load, uint32_t token, uint32_t descriptor, const char *name, struct slice *value)
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
        load_key_value_warn_of_pattern(load, token, *value);
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
