/* SPDX-License-Identifier: MPL-2.0
 *
 * Any object of the bundle, read by the table of fields.
 */
#include "policy/load_private.h"

#include "shm/near.h"
#include "shm/setting.h"

#define HOMES_SIZE 320

const struct load_value *load_object_get(const struct load_record *record, enum field field)
{
    return &record->values[field - fields_first(record->object)];
}

static struct slice nearest_key(enum object object, struct slice key)
{
    struct near near;

    near_init(&near, key);
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++)
        near_offer(&near, slice_of(fields_table[field].key));
    for (size_t i = 0; i < FIELDS_ALIAS_COUNT; i++)
        if (fields_aliases[i].object == object)
            near_offer(&near, slice_of(fields_aliases[i].key));
    return near.best;
}

/* "the bundle", "a rule or fallback_limit": of what KEY is a field; "" of nothing. */
static void find_homes(struct slice key, char homes[HOMES_SIZE])
{
    size_t used = 0;

    homes[0] = '\0';
    for (enum object object = 0; object < OBJECT_COUNT && used < HOMES_SIZE; object++)
        if (fields_find(object, key) != FIELD_COUNT)
            used += (size_t)snprintf(homes + used, HOMES_SIZE - used, "%s%s", used > 0 ? " or " : "",
                                     fields_objects[object].title);
}

static void complain_unknown(struct load *load, struct load_record *record, uint32_t name, struct slice key)
{
    enum object object = record->object;
    struct slice nearest = nearest_key(object, key);
    const char *title = fields_objects[object].title, *advice = load_word_field_advice(object, key);
    char known[320] = "", homes[HOMES_SIZE];
    size_t used = 0;

    if (advice) {
        load_complain(load, name, "unknown_field", "\"%.*s\" is not a field of %s; %s", SHOWN(key), title, advice);
        return;
    }
    find_homes(key, homes);
    if (homes[0] != '\0') {
        load_complain(load, name, "unknown_field", "\"%.*s\" is not a field of %s; it belongs to %s", SHOWN(key), title,
                      homes);
        return;
    }
    if (nearest.size > 0) {
        load_complain(load, name, "unknown_field", "\"%.*s\" is not a field of %s; did you mean \"%.*s\"?", SHOWN(key),
                      title, SHOWN(nearest));
        record->values[fields_find(object, nearest) - fields_first(object)].is_misspelt = true;
        return;
    }
    if (setting_find(key)) {
        load_complain(load, name, "unknown_field", "\"%.*s\" is not a field of %s; it is a setting, and stands in fairvisor.conf",
                      SHOWN(key), title);
        return;
    }
    for (enum field field = fields_first(object); field < fields_first(object + 1) && used < sizeof(known); field++)
        used +=
            (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "", fields_table[field].key);
    load_complain(load, name, "unknown_field", "\"%.*s\" is not a field of %s; its fields are %s", SHOWN(key), title,
                  known);
}

static void read_member(struct load *load, struct load_record *record, uint32_t name)
{
    struct load_value *value;
    struct slice key;
    enum field field;

    if (!load_text(load, name, &key))
        return;
    field = fields_find(record->object, key);
    if (field == FIELD_COUNT) {
        complain_unknown(load, record, name, key);
        return;
    }
    value = &record->values[field - fields_first(record->object)];
    if (value->is_given) {
        struct slice earlier;

        /* The very same name twice was found as a duplicate already. */
        if (load_text(load, value->name, &earlier) && !slice_equal(key, earlier))
            load_complain(load, name, "given_twice", "\"%.*s\" and \"%.*s\" are the same field; remove one of the two",
                          SHOWN(key), SHOWN(earlier));
        return;
    }
    value->is_given = true;
    value->name = name;
    value->token = json_value(load->json, name);
    value->is_valid = load_value_read(load, &fields_table[field], value);
}

/* Is the object's field "enabled" given and true? */
static bool is_enabled(const struct load_record *record)
{
    enum field field = fields_find(record->object, SLICE("enabled"));
    const struct load_value *value = field < FIELD_COUNT ? load_object_get(record, field) : NULL;

    return value && value->is_valid && value->number == 1;
}

/* What to begin with, where it is not plain from the field's name. */
static const char *example_of(enum field field)
{
    return field == FIELD_cost_based_staged_actions ? "; at least \"staged_actions\": [" LOAD_LAST_STAGE "]" : "";
}

static void finish_value(struct load *load, struct load_record *record, enum field field)
{
    const struct field_row *row = &fields_table[field];
    struct load_value *value = &record->values[field - fields_first(record->object)];

    if (value->is_given)
        return;
    value->is_valid = load_value_set_standard(row, value);
    if (value->is_misspelt)
        return;
    if (row->need == FIELD_NEED_REQUIRED)
        load_complain(load, record->token, "missing_field", "%s needs the field \"%s\", which is missing%s",
                      fields_objects[record->object].title, row->key, example_of(field));
    else if (row->need == FIELD_NEED_ENABLED && is_enabled(record))
        load_complain(load, record->token, "missing_field",
                      "%s that is enabled needs the field \"%s\", which is missing",
                      fields_objects[record->object].title, row->key);
}

void load_object_leave_out(enum object object, struct load_record *record)
{
    *record = (struct load_record){.object = object, .token = JSON_NONE};
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++) {
        struct load_value *value = &record->values[field - fields_first(object)];

        value->name = value->token = JSON_NONE;
        value->is_valid = load_value_set_standard(&fields_table[field], value);
    }
}

bool load_object_read(struct load *load, enum object object, uint32_t token, struct load_record *record)
{
    *record = (struct load_record){.object = object, .token = token};
    for (size_t i = 0; i < FIELDS_PER_OBJECT; i++)
        record->values[i].name = record->values[i].token = JSON_NONE;
    if (json_type(load->json, token) != JSON_OBJECT) {
        load_value_complain_type(load, token, fields_objects[object].title, "an object");
        return false;
    }
    for (uint32_t name = json_first(load->json, token); name != JSON_NONE; name = json_next(load->json, name))
        read_member(load, record, name);
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++)
        finish_value(load, record, field);
    return true;
}
