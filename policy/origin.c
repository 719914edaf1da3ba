/* SPDX-License-Identifier: MPL-2.0
 *
 * One function for each key; the fields of a trusted proxy first, then the tables.
 */
#include "policy/origin.h"

#include <string.h>

#define NUMBER_BIT (1u << SETTINGS_REFERENCE_NUMBERS)
#define BOTS_BIT   (1u << SETTINGS_REFERENCE_BOTS)

unsigned origin_needs(enum descriptor_source source)
{
    switch (source) {
    case DESCRIPTOR_IP_COUNTRY:
        return 1u << SETTINGS_REFERENCE_COUNTRIES;
    case DESCRIPTOR_IP_ASN:
        return NUMBER_BIT;
    case DESCRIPTOR_IP_TYPE:
        return NUMBER_BIT | 1u << SETTINGS_REFERENCE_TYPES;
    case DESCRIPTOR_IP_TOR:
        return 1u << SETTINGS_REFERENCE_TOR;
    case DESCRIPTOR_UA_BOT:
    case DESCRIPTOR_UA_BOT_CATEGORY:
        return BOTS_BIT;
    default:
        return 0;
    }
}

/* "true", "false", "1" or "0". */
static bool parse_flag(struct slice text, bool *flag)
{
    *flag = slice_equal_nocase(text, SLICE("true")) || slice_equal(text, SLICE("1"));
    return *flag || slice_equal_nocase(text, SLICE("false")) || slice_equal(text, SLICE("0"));
}

void origin_begin(struct origin *origin)
{
    origin->has_asked_number = false;
    origin->has_asked_agent = false;
}

static bool set_flag(bool flag, struct slice *value)
{
    *value = flag ? SLICE("true") : SLICE("false");
    return true;
}

/* ---- what a trusted proxy says ----------------------------------------------------------------------------------- */

static void count_ignored(const struct origin *origin, enum counter cause)
{
    if (origin->slot)
        counters_add(origin->slot, cause, 1);
}

/* The one field NAME of a trusted proxy. */
static bool find_field(const struct origin *origin, const struct facts *facts, struct slice name, struct slice *value)
{
    size_t count = 0;

    if (!facts->peer_is_trusted)
        return false;
    for (size_t i = 0; i < facts->field_count; i++)
        if (slice_equal_nocase(facts->fields[i].name, name) && count++ == 0)
            *value = slice_trim(facts->fields[i].value);
    if (count > 1)
        count_ignored(origin, COUNTER_overrides_repeated);
    return count == 1;
}

static bool said_country(struct origin *origin, const struct facts *facts)
{
    struct slice text;

    if (!find_field(origin, facts, SLICE("X-Country-Code"), &text))
        return false;
    if (geoip_parse_country(text, origin->country))
        return true;
    count_ignored(origin, COUNTER_overrides_invalid);
    return false;
}

static bool said_number(struct origin *origin, const struct facts *facts)
{
    struct slice text;

    if (!find_field(origin, facts, SLICE("X-ASN"), &text))
        return false;
    if (geoip_parse_asn(text, &origin->number))
        return true;
    count_ignored(origin, COUNTER_overrides_invalid);
    return false;
}

static bool said_type(const struct origin *origin, const struct facts *facts, struct slice *type)
{
    struct slice text;

    if (!find_field(origin, facts, SLICE("X-ASN-Type"), &text))
        return false;
    if (origin->references && origin->references->types && asn_types_find_name(origin->references->types, text, type))
        return true;
    count_ignored(origin, COUNTER_overrides_invalid);
    return false;
}

static bool said_tor(const struct origin *origin, const struct facts *facts, bool *is_tor)
{
    struct slice text;

    if (!find_field(origin, facts, SLICE("X-Tor-Exit"), &text))
        return false;
    if (parse_flag(text, is_tor))
        return true;
    count_ignored(origin, COUNTER_overrides_invalid);
    return false;
}

/* ---- the address ------------------------------------------------------------------------------------------------- */

static bool find_country(struct origin *origin, const struct facts *facts, struct slice *value)
{
    const struct references *references = origin->references;

    *value = (struct slice){origin->country, sizeof(origin->country)};
    return said_country(origin, facts) || (references && references->countries &&
                                           geoip_find_country(references->countries, &facts->client, origin->country));
}

static bool find_number(struct origin *origin, const struct facts *facts)
{
    const struct references *references = origin->references;

    if (origin->has_asked_number)
        return origin->has_number;
    origin->has_asked_number = true;
    origin->has_number =
        said_number(origin, facts) ||
        (references && references->numbers && geoip_find_asn(references->numbers, &facts->client, &origin->number));
    return origin->has_number;
}

static bool find_asn(struct origin *origin, const struct facts *facts, struct slice *value)
{
    if (!find_number(origin, facts))
        return false;
    *value = (struct slice){origin->digits, geoip_print_asn(origin->number, origin->digits)};
    return true;
}

static bool find_type(struct origin *origin, const struct facts *facts, struct slice *value)
{
    const struct references *references = origin->references;

    if (said_type(origin, facts, value))
        return true;
    return references && references->types && find_number(origin, facts) &&
           asn_types_find(references->types, origin->number, value);
}

static bool find_tor(const struct origin *origin, const struct facts *facts, struct slice *value)
{
    const struct references *references = origin->references;
    bool is_tor;

    if (said_tor(origin, facts, &is_tor))
        return set_flag(is_tor, value);
    if (!references || !references->tor || facts->client.family == ADDRESS_NONE)
        return false;
    return set_flag(networks_has(references->tor, &facts->client), value);
}

/* ---- the User-Agent ---------------------------------------------------------------------------------------------- */

static void read_agent(struct origin *origin, const struct facts *facts)
{
    origin->has_asked_agent = true;
    origin->has_agent = false;
    origin->bot = BOTS_NONE;
    for (size_t i = 0; i < facts->field_count; i++) {
        const struct fact_field *field = &facts->fields[i];

        if (field->value.size == 0 || !slice_equal_nocase(field->name, SLICE("User-Agent")))
            continue;
        origin->has_agent = true;
        origin->bot = bots_find(origin->references->bots, field->value, origin->bot);
    }
}

static bool find_bot(struct origin *origin, const struct facts *facts, bool wants_category, struct slice *value)
{
    if (!origin->references || !origin->references->bots)
        return false;
    if (!origin->has_asked_agent)
        read_agent(origin, facts);
    if (!wants_category)
        return set_flag(!origin->has_agent || origin->bot != BOTS_NONE, value);
    if (!origin->has_agent)
        *value = SLICE(BOTS_EMPTY_CATEGORY);
    else if (origin->bot != BOTS_NONE)
        *value = bots_category(origin->references->bots, origin->bot);
    return !origin->has_agent || origin->bot != BOTS_NONE;
}

bool origin_find(struct origin *origin, const struct facts *facts, enum descriptor_source source, struct slice *value)
{
    switch (source) {
    case DESCRIPTOR_IP_COUNTRY:
        return find_country(origin, facts, value);
    case DESCRIPTOR_IP_ASN:
        return find_asn(origin, facts, value);
    case DESCRIPTOR_IP_TYPE:
        return find_type(origin, facts, value);
    case DESCRIPTOR_IP_TOR:
        return find_tor(origin, facts, value);
    case DESCRIPTOR_UA_BOT:
        return find_bot(origin, facts, false, value);
    case DESCRIPTOR_UA_BOT_CATEGORY:
        return find_bot(origin, facts, true, value);
    default:
        return false;
    }
}
