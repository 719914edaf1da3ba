/* SPDX-License-Identifier: MPL-2.0
 *
 * Kill switches and the two overrides.
 */
#include "policy/load_private.h"

static void read_override(struct load *load, const struct load_value *value, struct override *override)
{
    const struct load_value *expires_at;
    struct load_record record;

    override->expires_at = BUNDLE_NEVER;
    if (!value->is_valid || !load_object_read(load, OBJECT_override, value->token, &record))
        return;
    override->is_enabled = load_object_get(&record, FIELD_override_enabled)->number == 1;
    override->reason = load_object_get(&record, FIELD_override_reason)->text;
    expires_at = load_object_get(&record, FIELD_override_expires_at);
    if (!expires_at->is_valid)
        return;
    override->expires_at = expires_at->number;
    if (override->is_enabled && expires_at->number <= load->now)
        load_complain(load, expires_at->token, "expired",
                      "the override has ended; set \"expires_at\" to a time in the future, or \"enabled\" to false");
}

static bool read_kill_switch(struct load *load, uint32_t token, struct kill_switch *kill_switch)
{
    const struct load_value *scope_key, *scope_value, *route, *expires_at;
    struct load_record record;

    if (!load_object_read(load, OBJECT_kill_switch, token, &record))
        return false;
    scope_key = load_object_get(&record, FIELD_kill_switch_scope_key);
    scope_value = load_object_get(&record, FIELD_kill_switch_scope_value);
    route = load_object_get(&record, FIELD_kill_switch_route);
    expires_at = load_object_get(&record, FIELD_kill_switch_expires_at);
    *kill_switch = (struct kill_switch){
        .descriptor = scope_key->descriptor,
        .route = route->text,
        .reason = load_object_get(&record, FIELD_kill_switch_reason)->text,
        .expires_at = expires_at->is_valid ? expires_at->number : BUNDLE_NEVER,
    };
    if (route->is_valid)
        load_key_value_warn_of_pattern(load, route->token, route->text);
    return scope_key->is_valid && scope_value->is_valid &&
           load_key_value_read(load, scope_value->token, scope_key->descriptor, "scope_value", &kill_switch->value);
}

static void read_kill_switches(struct load *load, uint32_t list)
{
    struct kill_switch *switches = load_take(load, json_count(load->json, list), sizeof(*switches));
    uint32_t count = 0;

    for (uint32_t token = json_first(load->json, list); token != JSON_NONE && switches;
         token = json_next(load->json, token))
        if (read_kill_switch(load, token, &switches[count]))
            count++;
    load->bundle->kill_switches = switches;
    load->bundle->kill_switch_count = count;
}

void load_switches_read(struct load *load, const struct load_record *bundle)
{
    const struct load_value *list = load_object_get(bundle, FIELD_bundle_kill_switches);

    read_override(load, load_object_get(bundle, FIELD_bundle_global_shadow), &load->bundle->global_shadow);
    read_override(load, load_object_get(bundle, FIELD_bundle_kill_switch_override),
                  &load->bundle->kill_switch_override);
    if (list->is_valid)
        read_kill_switches(load, list->token);
}
