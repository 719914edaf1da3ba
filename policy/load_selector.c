/* SPDX-License-Identifier: MPL-2.0
 *
 * Selectors: paths, methods and hosts of a policy.
 */
#include "policy/load_private.h"

#include "policy/facts.h"
#include "policy/load.h"
#include "shm/near.h"

#define MAX_METHOD 32
#define MAX_HOST   253

static bool is_in_list(const struct slice *list, uint32_t count, struct slice text)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal(list[i], text))
            return true;
    return false;
}

static void complain_repeated(struct load *load, uint32_t token, const char *name, struct slice text)
{
    load_complain(load, token, "duplicate_value", "\"%s\" has \"%.*s\" twice; remove one of the two", name,
                  SHOWN(text));
}

/* Methods are case-sensitive (RFC 9110 9.1), so "get" would match nothing. */
bool load_selector_check_method(struct load *load, uint32_t token, struct slice text, const char *code)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= 'a' && text.data[i] <= 'z') {
            load_complain(load, token, code, "the method \"%.*s\" must be in upper case", SHOWN(text));
            return false;
        }
        if (!(text.data[i] >= 'A' && text.data[i] <= 'Z') && text.data[i] != '-' && text.data[i] != '_') {
            load_complain(load, token, code, "\"%.*s\" is not a method", SHOWN(text));
            return false;
        }
    }
    return true;
}

/* Any method is taken, for applications have their own; one slip away from a standard one it is rather a slip, and two words are
 * every method elsewhere. */
static void warn_of_method(struct load *load, uint32_t token, struct slice text)
{
    struct near near;

    if (slice_equal(text, SLICE("ANY")) || slice_equal(text, SLICE("ALL"))) {
        load_warn(load, token, "unusual_method",
                  "\"%.*s\" is a method by itself here, which hardly a request has; leave \"methods\" out for every method",
                  SHOWN(text));
        return;
    }
    near_init(&near, text);
    for (uint32_t i = 0; i < BUNDLE_METHOD_COUNT; i++)
        near_offer(&near, bundle_methods[i]);
    if (near.best.size > 0 && near.distance == 1)
        load_warn(load, token, "unusual_method", "\"%.*s\" is no standard method; did you mean \"%.*s\"?", SHOWN(text),
                  SHOWN(near.best));
}

static void read_methods(struct load *load, uint32_t list, struct policy *policy)
{
    struct slice *others = load_take(load, json_count(load->json, list), sizeof(*others));

    for (uint32_t token = json_first(load->json, list); token != JSON_NONE && others;
         token = json_next(load->json, token)) {
        struct slice text;
        uint32_t index;

        if (!load_value_text(load, token, "method", 1, MAX_METHOD, &text) ||
            !load_selector_check_method(load, token, text, "bad_method"))
            continue;
        index = bundle_method_index(text);
        if (index == BUNDLE_NO_INDEX ? is_in_list(others, policy->other_method_count, text)
                                     : (policy->method_bits >> index & 1) != 0)
            complain_repeated(load, token, "methods", text);
        else if (index != BUNDLE_NO_INDEX)
            policy->method_bits |= UINT64_C(1) << index;
        else {
            warn_of_method(load, token, text);
            others[policy->other_method_count++] = text;
        }
    }
    policy->other_methods = others;
}

bool load_selector_check_host(struct load *load, uint32_t token, struct slice text, const char *code)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '*') {
            load_complain(load, token, code, "\"%.*s\": hosts are exact; name each host by itself, or none",
                          SHOWN(text));
            return false;
        }
        if (c <= 0x20 || c >= 0x7F || strchr("/?#@,\\\"", c)) {
            load_complain(load, token, code, "\"%.*s\" is not a host name, such as api.example.com", SHOWN(text));
            return false;
        }
    }
    return true;
}

static void read_hosts(struct load *load, uint32_t list, struct policy *policy)
{
    struct slice *hosts = load_take(load, json_count(load->json, list), sizeof(*hosts));

    for (uint32_t token = json_first(load->json, list); token != JSON_NONE && hosts;
         token = json_next(load->json, token)) {
        struct slice text;
        char *canonical;

        if (!load_value_text(load, token, "host", 1, MAX_HOST, &text) ||
            !load_selector_check_host(load, token, text, "bad_host"))
            continue;
        canonical = load_take(load, text.size, 1);
        if (!canonical)
            break;
        text = facts_host(text, canonical);
        if (text.size == 0)
            load_complain(load, token, "bad_host", "a host must have a name, such as api.example.com");
        else if (is_in_list(hosts, policy->host_count, text))
            complain_repeated(load, token, "hosts", text);
        else
            hosts[policy->host_count++] = text;
    }
    policy->hosts = hosts;
}

/* Paths are compared byte by byte; what elsewhere stands for any of them would cover nothing here. */
static void warn_of_pattern(struct load *load, const struct load_value *path)
{
    char mark = path->is_valid ? load_value_find_pattern(path->text, "*{}^$") : '\0';

    if (mark != '\0')
        load_warn(load, path->token, LOAD_LITERAL_PATH,
                  "\"%.*s\" is no pattern: it covers only paths with a \"%c\" in them; \"pathPrefix\": \"/v1/chat\" covers "
                  "all that is below",
                  SHOWN(path->text), mark);
}

static void read_paths(struct load *load, const struct load_record *record, struct policy *policy)
{
    const struct load_value *exact = load_object_get(record, FIELD_selector_pathExact);
    const struct load_value *prefix = load_object_get(record, FIELD_selector_pathPrefix);

    if (!exact->is_given && !prefix->is_given && !exact->is_misspelt && !prefix->is_misspelt)
        load_complain(load, record->token, "missing_field",
                      "a selector needs \"pathExact\" or \"pathPrefix\"; \"pathPrefix\": \"/\" covers every path");
    warn_of_pattern(load, exact);
    warn_of_pattern(load, prefix);
    policy->path_is_exact = exact->is_given;
    policy->path = exact->is_given ? exact->text : prefix->text;
    if (exact->is_given && prefix->is_given)
        policy->also_prefix = prefix->text;
}

void load_selector_read(struct load *load, uint32_t token, struct policy *policy)
{
    struct load_record record;
    const struct load_value *value;

    if (!load_object_read(load, OBJECT_selector, token, &record))
        return;
    read_paths(load, &record, policy);
    value = load_object_get(&record, FIELD_selector_methods);
    if (value->is_valid)
        read_methods(load, value->token, policy);
    value = load_object_get(&record, FIELD_selector_hosts);
    if (value->is_valid)
        read_hosts(load, value->token, policy);
}
