/* SPDX-License-Identifier: MPL-2.0
 *
 * A JSON line as it is read: what its members have told so far, and what readers of members share.
 */
#ifndef FAIRVISOR_CLI_JSON_READING_H
#define FAIRVISOR_CLI_JSON_READING_H

#include "cli/json_value.h"

struct json_reading {
    struct json_line line;
    struct slice path, query; /* behind path, as keys give it */
    bool has_target, has_end; /* has_end: its time is that of the answer, as in nginx */
    struct fact_field key_fields[RECORD_MAX_FIELDS]; /* header fields, as keys give them */
    size_t key_field_count;
};

typedef bool json_log_reader(struct json_reading *reading, struct slice name, uint32_t value);

/* All return false when the record is refused. */

/* Hands the members of the object OBJECT, which is the value of NAME, to READ. */
bool json_log_read_members(struct json_reading *reading, struct slice name, uint32_t object, json_log_reader *read);

/* MORE behind TEXT, in the record's region. */
bool json_log_append(struct json_reading *reading, struct slice *text, struct slice more);

bool json_log_set_client(struct json_reading *reading, struct slice text);
bool json_log_set_claims(struct json_reading *reading, struct slice object);

/* The object of identity keys VALUE: a json_log_reader. Its header fields wait for json_keys_add_fields, when all members are
 * read: where "headers" has a field, that one counts. */
bool json_keys_read(struct json_reading *reading, struct slice name, uint32_t value);
bool json_keys_add_fields(struct json_reading *reading);

#endif
