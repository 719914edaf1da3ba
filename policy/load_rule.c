/* SPDX-License-Identifier: MPL-2.0
 *
 * Rules and the fallback limit: keys, conditions, and the identity that a rule's counters are found by.
 */
#include "policy/load_private.h"

#define IDENTITY_FORMAT 1

/* The fields that rules and fallbacks share, by object. */
static const struct rule_fields {
    enum field name, keys, algorithm, config, on_missing, on_full;
} rule_fields[2] = {
    {FIELD_rule_name, FIELD_rule_limit_keys, FIELD_rule_algorithm, FIELD_rule_algorithm_config, FIELD_rule_on_missing,
     FIELD_rule_on_full},
    {FIELD_fallback_name, FIELD_fallback_limit_keys, FIELD_fallback_algorithm, FIELD_fallback_algorithm_config,
     FIELD_fallback_on_missing, FIELD_fallback_on_full},
};

static void read_keys(struct load *load, uint32_t list, struct rule *rule)
{
    uint32_t *keys = load_take(load, json_count(load->json, list), sizeof(*keys));

    for (uint32_t token = json_first(load->json, list); token != JSON_NONE && keys;
         token = json_next(load->json, token)) {
        uint32_t key, i = 0;

        if (!load_key_read(load, token, &key))
            continue;
        while (i < rule->key_count && keys[i] != key)
            i++;
        if (i < rule->key_count)
            load_complain(load, token, "duplicate_value", "\"limit_keys\" has \"%.*s\" twice; remove one of the two",
                          SHOWN(load->keys.items[key].text));
        else
            keys[rule->key_count++] = key;
    }
    rule->keys = keys;
}

static void read_match(struct load *load, uint32_t object, struct rule *rule)
{
    struct match_condition *conditions = load_take(load, json_count(load->json, object), sizeof(*conditions));

    for (uint32_t name = json_first(load->json, object); name != JSON_NONE && conditions;
         name = json_next(load->json, name)) {
        struct match_condition *condition = &conditions[rule->condition_count];

        if (load_key_read(load, name, &condition->descriptor) &&
            load_key_value_read(load, json_value(load->json, name), condition->descriptor,
                                load->keys.items[condition->descriptor].text.data, &condition->value))
            rule->condition_count++;
    }
    rule->conditions = conditions;
}

struct packer {
    unsigned char *bytes; /* NULL: only measure */
    size_t used;
};

static void pack(struct packer *packer, struct slice text)
{
    unsigned char length[4] = {(unsigned char)text.size, (unsigned char)(text.size >> 8),
                               (unsigned char)(text.size >> 16), (unsigned char)(text.size >> 24)};

    if (packer->bytes) {
        memcpy(packer->bytes + packer->used, length, sizeof(length));
        if (text.size > 0)
            memcpy(packer->bytes + packer->used + sizeof(length), text.data, text.size);
    }
    packer->used += sizeof(length) + text.size;
}

/* Format byte, then each with its length: policy id, role, rule name, algorithm, the keys. No limit is in it and
 * nothing of the JSON's order: counters outlive a change of either. */
static void pack_identity(const struct load *load, const struct policy *policy, const struct rule *rule,
                          struct packer *packer)
{
    if (packer->bytes)
        packer->bytes[0] = IDENTITY_FORMAT;
    packer->used = 1;
    pack(packer, policy->id);
    pack(packer, rule->is_fallback ? SLICE("fallback") : SLICE("rule"));
    pack(packer, rule->name);
    pack(packer, slice_of(bundle_algorithm_name(rule->algorithm)));
    for (uint32_t i = 0; i < rule->key_count; i++)
        pack(packer, load->keys.items[rule->keys[i]].text);
}

static void make_identity(struct load *load, const struct policy *policy, struct rule *rule)
{
    struct packer packer = {NULL, 0};

    pack_identity(load, policy, rule, &packer);
    packer.bytes = load_take(load, packer.used, 1);
    if (!packer.bytes)
        return;
    pack_identity(load, policy, rule, &packer);
    rule->identity = (struct slice){(const char *)packer.bytes, packer.used};
}

bool load_rule_read(struct load *load, enum object object, uint32_t token, const struct policy *policy,
                    struct rule *rule)
{
    const struct rule_fields *fields = &rule_fields[object == OBJECT_fallback];
    const struct load_value *keys, *algorithm, *config, *match, *on_full;
    struct load_record record;

    if (!load_object_read(load, object, token, &record))
        return false;
    rule->is_fallback = object == OBJECT_fallback;
    rule->name = load_object_get(&record, fields->name)->text;
    rule->on_missing = (enum on_missing)load_object_get(&record, fields->on_missing)->number;
    on_full = load_object_get(&record, fields->on_full);
    keys = load_object_get(&record, fields->keys);
    if (keys->is_valid)
        read_keys(load, keys->token, rule);
    algorithm = load_object_get(&record, fields->algorithm);
    config = load_object_get(&record, fields->config);
    if (algorithm->is_valid && config->is_valid)
        load_algorithm_read(load, algorithm, config->token, rule);
    rule->admits_when_full = on_full->is_valid ? on_full->number == 1 : rule->algorithm == ALGORITHM_TOKEN_BUCKET;
    if (object == OBJECT_rule) {
        match = load_object_get(&record, FIELD_rule_match);
        if (match->is_valid)
            read_match(load, match->token, rule);
    }
    make_identity(load, policy, rule);
    return true;
}
