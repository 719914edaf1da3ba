/* SPDX-License-Identifier: MPL-2.0
 *
 * What readers of logs share: see record.h.
 */
#include "cli/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/iso8601.h"
#include "policy/path.h"
#include "shm/moment.h"

/* Beside texts of a line that are written anew, path and host of the request lie there. */
#define SCRATCH_PARTS 4

bool record_init(struct record *record, size_t size)
{
    memset(record, 0, sizeof(*record));
    record->scratch_size = SCRATCH_PARTS * (size + 16);
    record->scratch = malloc(record->scratch_size);
    return record->scratch != NULL;
}

void record_fini(struct record *record)
{
    claims_free(record->claims);
    region_free(record->region);
    free(record->scratch);
    memset(record, 0, sizeof(*record));
}

void record_begin(struct record *record)
{
    claims_free(record->claims);
    region_free(record->region);
    record->claims = NULL;
    record->region = NULL;
    record->scratch_used = 0;
    record->field_count = 0;
    record->time_ns = RECORD_NO_TIME;
    record->duration_ns = -1;
    record->is_coarse = false;
    record->is_request = true;
    record->verdict = RECORD_UNTOLD;
    record->tells_keys = false;
    record->has_bad_token = false;
    record->has_usage = false;
    record->prompt_tokens = record->completion_tokens = 0;
    record->weight = 1;
    record->method = record->target = record->host = record->body = record->model = SLICE("");
    record->client = (struct address){.family = ADDRESS_NONE};
    record->cause[0] = '\0';
}

bool record_refuse(struct record *record, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(record->cause, sizeof(record->cause), format, arguments);
    va_end(arguments);
    return false;
}

bool record_add_field(struct record *record, struct slice name, struct slice value)
{
    if (record->field_count == RECORD_MAX_FIELDS)
        return record_refuse(record, "it has more than %d header fields", RECORD_MAX_FIELDS);
    record->fields[record->field_count++] = (struct fact_field){name, slice_trim(value)};
    return true;
}

bool record_has_field(const struct record *record, struct slice name)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (slice_equal_nocase(record->fields[i].name, name))
            return true;
    return false;
}

bool record_set_client(struct record *record, struct slice text)
{
    if (text.size == 0 || slice_has_prefix(text, SLICE("unix:")) || address_parse_forwarded(text, &record->client))
        return true;
    return record_refuse(record, "the client is an IPv4 or IPv6 address, not '%.*s'", (int)(text.size < 50 ? text.size : 50),
                         text.data);
}

bool record_set_request(struct record *record, struct slice text)
{
    const char *first = text.size > 0 ? memchr(text.data, ' ', text.size) : NULL;
    const char *last = text.size > 0 ? memrchr(text.data, ' ', text.size) : NULL;

    if (!first || last == first || !slice_has_prefix((struct slice){last + 1, (size_t)(text.data + text.size - last - 1)}, SLICE("HTTP/")))
        return record_refuse(record, "the request is not METHOD TARGET HTTP/VERSION: '%.*s'",
                             (int)(text.size < 50 ? text.size : 50), text.data);
    record->method = (struct slice){text.data, (size_t)(first - text.data)};
    record->target = (struct slice){first + 1, (size_t)(last - first - 1)};
    return true;
}

char *record_take(struct record *record, size_t count)
{
    char *taken = record->scratch + record->scratch_used;

    if (count > record->scratch_size - record->scratch_used)
        return NULL;
    record->scratch_used += count;
    return taken;
}

/* ---- points in time ---------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes up to nine decimal places behind a point off the front of TEXT. */
static bool take_fraction(struct slice *text, int64_t *ns)
{
    int64_t unit = NANOSECONDS_PER_SECOND;
    size_t used = 1;

    *ns = 0;
    for (; used < text->size && is_digit(text->data[used]) && unit > 1; used++)
        *ns += (text->data[used] - '0') * (unit /= 10);
    if (used == 1 || (used < text->size && is_digit(text->data[used])))
        return false;
    *text = (struct slice){text->data + used, text->size - used};
    return true;
}

/* "Z", "+01:00", "-0700". */
static bool parse_offset(struct slice text, int64_t *seconds)
{
    int64_t hours, minutes;
    size_t minutes_at = text.size == 6 ? 4 : 3;

    *seconds = 0;
    if (slice_equal(text, SLICE("Z")))
        return true;
    if ((text.size != 6 && text.size != 5) || (text.data[0] != '+' && text.data[0] != '-') ||
        (text.size == 6 && text.data[3] != ':') || !is_digit(text.data[1]) || !is_digit(text.data[2]) ||
        !is_digit(text.data[minutes_at]) || !is_digit(text.data[minutes_at + 1]))
        return false;
    hours = (text.data[1] - '0') * 10 + text.data[2] - '0';
    minutes = (text.data[minutes_at] - '0') * 10 + text.data[minutes_at + 1] - '0';
    *seconds = (hours * 60 + minutes) * (text.data[0] == '-' ? -60 : 60);
    return hours <= 14 && minutes < 60;
}

bool record_parse_iso(struct slice text, int64_t *ns, bool *is_coarse)
{
    char utc[ISO8601_TEXT_SIZE];
    int64_t seconds, offset, fraction = 0;

    if (text.size < sizeof(utc) - 1)
        return false;
    memcpy(utc, text.data, sizeof(utc) - 2);
    utc[sizeof(utc) - 2] = 'Z';
    utc[sizeof(utc) - 1] = '\0';
    if (!iso8601_parse(slice_of(utc), &seconds))
        return false;
    text = (struct slice){text.data + sizeof(utc) - 2, text.size - (sizeof(utc) - 2)};
    *is_coarse = text.data[0] != '.';
    if ((!*is_coarse && !take_fraction(&text, &fraction)) || !parse_offset(text, &offset))
        return false;
    seconds -= offset;
    if (seconds < 0 || seconds > INT64_C(9000000000))
        return false;
    *ns = seconds * NANOSECONDS_PER_SECOND + fraction;
    return true;
}

bool record_parse_seconds(struct slice text, int64_t *ns)
{
    int64_t seconds = 0, fraction = 0;
    size_t used = 0;

    for (; used < text.size && used < 10 && is_digit(text.data[used]); used++)
        seconds = seconds * 10 + (text.data[used] - '0');
    if (used == 0 || seconds > INT64_C(9000000000))
        return false;
    text = (struct slice){text.data + used, text.size - used};
    if (text.size > 0 && (text.data[0] != '.' || !take_fraction(&text, &fraction) || text.size > 0))
        return false;
    *ns = seconds * NANOSECONDS_PER_SECOND + fraction;
    return true;
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static bool find_field(const struct record *record, struct slice name, struct slice *value)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (slice_equal_nocase(record->fields[i].name, name)) {
            *value = record->fields[i].value;
            return true;
        }
    return false;
}

bool record_facts(struct record *record, struct facts *facts)
{
    struct slice path, query, authorization;
    char *paths, *hosts;

    if (!path_split(record->target, &path, &query))
        return record_refuse(record, "the target begins with '/', unlike '%.*s'",
                             (int)(record->target.size < 50 ? record->target.size : 50), record->target.data);
    if (record->host.size == 0)
        find_field(record, SLICE("host"), &record->host);
    paths = record_take(record, PATH_NORMAL_SIZE(path.size));
    hosts = record_take(record, record->host.size + 1);
    if (!paths || !hosts)
        return record_refuse(record, "it is too long");
    if (!record->claims && find_field(record, SLICE("authorization"), &authorization))
        record->claims = claims_read(authorization);
    *facts = (struct facts){.method = record->method,
                            .host = facts_host(record->host, hosts),
                            .path = path_normalize(path, paths),
                            .query = query,
                            .fields = record->fields,
                            .field_count = record->field_count,
                            .body = record->body,
                            .client = record->client,
                            .peer_is_trusted = true};
    return true;
}
