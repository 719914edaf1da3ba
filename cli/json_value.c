/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads values of a JSON line: see json_value.h.
 */
#include "cli/json_value.h"

#include "policy/decimal.h"

bool json_value_refuse(const struct json_line *line, struct slice name, const char *wanted)
{
    return record_refuse(line->record, "\"%.*s\" is %s", (int)(name.size < 40 ? name.size : 40), name.data, wanted);
}

bool json_value_text(const struct json_line *line, struct slice name, uint32_t value, struct slice *text)
{
    if (json_type(line->json, value) != JSON_STRING)
        return json_value_refuse(line, name, "a string");
    return json_text(line->json, value, line->record->region, text) || record_refuse(line->record, "memory is out");
}

bool json_value_scalar(const struct json_line *line, struct slice name, uint32_t value, struct slice *text)
{
    enum json_type type = json_type(line->json, value);

    if (type != JSON_NUMBER && type != JSON_BOOLEAN)
        return json_value_text(line, name, value, text);
    *text = json_raw(line->json, value);
    return true;
}

bool json_value_count(const struct json_line *line, struct slice name, uint32_t value, int64_t *count)
{
    int64_t millionths;

    if (json_type(line->json, value) != JSON_NUMBER ||
        decimal_parse(json_raw(line->json, value), &millionths) != DECIMAL_OK || millionths < 0 || millionths % 1000000 != 0)
        return json_value_refuse(line, name, "a whole number that is not negative");
    *count = millionths / 1000000;
    return true;
}

bool json_value_time(const struct json_line *line, struct slice name, uint32_t value, int64_t *ns)
{
    bool is_coarse, is_number = json_type(line->json, value) == JSON_NUMBER;
    struct slice text;

    if (is_number && record_parse_seconds(json_raw(line->json, value), ns))
        return true;
    if (is_number || !json_value_text(line, name, value, &text) || !record_parse_iso(text, ns, &is_coarse))
        return json_value_refuse(line, name, "a time, as in \"2026-01-31T08:00:00.123Z\", or a number of seconds since 1970");
    return true;
}

bool json_value_seconds(const struct json_line *line, struct slice name, uint32_t value, int64_t *ns)
{
    struct slice text;

    if (!json_value_scalar(line, name, value, &text) || !record_parse_seconds(text, ns))
        return json_value_refuse(line, name, "a number of seconds");
    return true;
}
