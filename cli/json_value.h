/* SPDX-License-Identifier: MPL-2.0
 *
 * Values of a JSON line of a log: what a member must be, and what is said when it is not.
 */
#ifndef FAIRVISOR_CLI_JSON_VALUE_H
#define FAIRVISOR_CLI_JSON_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/record.h"
#include "policy/json.h"
#include "shm/slice.h"

struct json_line {
    const struct json *json;
    struct record *record; /* whose region texts with escapes go to */
};

/* All but the first read the value VALUE of the member NAME; false: the record is refused, because NAME is not what it must be. */
bool json_value_refuse(const struct json_line *line, struct slice name, const char *wanted);
bool json_value_text(const struct json_line *line, struct slice name, uint32_t value, struct slice *text);

/* As a claim or a field has it: a string as it is, a number or boolean in its spelling. */
bool json_value_scalar(const struct json_line *line, struct slice name, uint32_t value, struct slice *text);

/* Whole, not negative. */
bool json_value_count(const struct json_line *line, struct slice name, uint32_t value, int64_t *count);

/* To nanoseconds: "2026-01-31T08:00:00.123Z" or seconds since 1970; seconds. */
bool json_value_time(const struct json_line *line, struct slice name, uint32_t value, int64_t *ns);
bool json_value_seconds(const struct json_line *line, struct slice name, uint32_t value, int64_t *ns);

#endif
