/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads lines by a log_format: each variable's value ends where the text behind the variable begins. nginx escapes what
 * would end it too early (escape=default as \xHH, escape=json as \"), so that no value can pretend to be another.
 */
#include "cli/access_log.h"

#include <stdio.h>
#include <string.h>

#include "policy/iso8601.h"
#include "shm/hex_digit.h"
#include "shm/moment.h"

static const struct {
    const char *name;
    enum access_log_meaning meaning;
} variables[] = {
    {"time_local", ACCESS_LOG_TIME_LOCAL}, {"time_iso8601", ACCESS_LOG_TIME_ISO}, {"msec", ACCESS_LOG_SECONDS},
    {"request_time", ACCESS_LOG_DURATION}, {"request", ACCESS_LOG_REQUEST},       {"request_method", ACCESS_LOG_METHOD},
    {"request_uri", ACCESS_LOG_TARGET},    {"uri", ACCESS_LOG_TARGET},            {"document_uri", ACCESS_LOG_TARGET},
    {"args", ACCESS_LOG_QUERY},            {"query_string", ACCESS_LOG_QUERY},    {"host", ACCESS_LOG_HOST},
    {"remote_addr", ACCESS_LOG_CLIENT},
};

/* ---- the format -------------------------------------------------------------------------------------------------- */

static bool is_name_byte(char c)
{
    char lower = slice_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool take_name(struct slice *format, struct slice *name)
{
    const char *end = format->data + format->size, *at = format->data + 1;
    bool has_brace = at < end && *at == '{';

    name->data = at += has_brace;
    while (at < end && is_name_byte(*at))
        at++;
    name->size = (size_t)(at - name->data);
    if (has_brace && (at == end || *at++ != '}'))
        return false;
    *format = (struct slice){at, (size_t)(end - at)};
    return name->size > 0;
}

static struct slice take_literal(struct slice *format)
{
    const char *dollar = format->size > 0 ? memchr(format->data, '$', format->size) : NULL;
    struct slice literal = {format->data, dollar ? (size_t)(dollar - format->data) : format->size};

    *format = (struct slice){format->data + literal.size, format->size - literal.size};
    return literal;
}

static void find_meaning(struct access_log_part *part)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        if (slice_equal(part->name, slice_of(variables[i].name)))
            part->meaning = variables[i].meaning;
    if (part->meaning != ACCESS_LOG_NOTHING || !slice_has_prefix(part->name, SLICE("http_")) ||
        part->name.size - 5 >= sizeof(part->field))
        return;
    part->meaning = ACCESS_LOG_FIELD;
    for (size_t i = 5; i < part->name.size; i++)
        part->field[i - 5] = part->name.data[i] == '_' ? '-' : part->name.data[i];
}

static bool has_meaning(const struct access_log *log, unsigned wanted)
{
    for (size_t i = 0; i < log->count; i++)
        if ((wanted >> log->parts[i].meaning & 1) != 0)
            return true;
    return false;
}

bool access_log_tells(const struct access_log *log, unsigned meanings, struct slice field)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->parts[i].meaning == ACCESS_LOG_FIELD && slice_equal_nocase(slice_of(log->parts[i].field), field))
            return true;
    return has_meaning(log, meanings);
}

bool access_log_compile(struct access_log *log, struct slice format, struct failure *failure)
{
    memset(log, 0, sizeof(*log));
    log->opening = take_literal(&format);
    while (format.size > 0) {
        struct access_log_part *part = &log->parts[log->count++];

        if (log->count > ACCESS_LOG_MAX_PARTS)
            return failure_set(failure, EXIT_CODE_USAGE, "the log format has more than %d variables", ACCESS_LOG_MAX_PARTS);
        if (!take_name(&format, &part->name))
            return failure_set(failure, EXIT_CODE_USAGE, "the log format has a '$' without the name of a variable");
        part->literal = take_literal(&format);
        if (part->literal.size == 0 && format.size > 0)
            return failure_set(failure, EXIT_CODE_USAGE,
                               "in the log format nothing stands between $%.*s and the next variable, so that nobody can "
                               "tell them apart",
                               (int)part->name.size, part->name.data);
        find_meaning(part);
    }
    if (!has_meaning(log, 1u << ACCESS_LOG_TIME_LOCAL | 1u << ACCESS_LOG_TIME_ISO | 1u << ACCESS_LOG_SECONDS))
        return failure_set(failure, EXIT_CODE_USAGE, "the log format needs one of $time_local, $time_iso8601 and $msec");
    if (!has_meaning(log, 1u << ACCESS_LOG_REQUEST | 1u << ACCESS_LOG_TARGET))
        return failure_set(failure, EXIT_CODE_USAGE, "the log format needs one of $request, $request_uri and $uri");
    return true;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* Resolves one escape at TEXT, which begins with a backslash. Returns the bytes of TEXT that it takes. */
static size_t resolve(struct slice text, char *byte)
{
    static const char letters[] = "nrtbf", bytes[] = "\n\r\t\b\f";
    size_t digits_at = text.size > 1 && text.data[1] == 'x' ? 2 : text.size > 3 && memcmp(text.data + 1, "u00", 3) == 0 ? 4 : 0;
    const char *letter = text.size > 1 ? memchr(letters, text.data[1], sizeof(letters) - 1) : NULL;

    *byte = text.data[0];
    if (digits_at > 0 && digits_at + 2 <= text.size && hex_digit(text.data[digits_at]) >= 0 &&
        hex_digit(text.data[digits_at + 1]) >= 0) {
        *byte = (char)(hex_digit(text.data[digits_at]) * 16 + hex_digit(text.data[digits_at + 1]));
        return digits_at + 2;
    }
    if (letter)
        *byte = bytes[letter - letters];
    else if (text.size > 1 && (text.data[1] == '"' || text.data[1] == '\\' || text.data[1] == '/'))
        *byte = text.data[1];
    else
        return 1;
    return 2;
}

static bool unescape(struct record *record, struct slice *value)
{
    struct slice rest = *value;
    size_t size = 0;
    char *copy;

    if (value->size == 0 || !memchr(value->data, '\\', value->size))
        return true;
    copy = record_take(record, value->size);
    if (!copy)
        return record_refuse(record, "it is too long");
    while (rest.size > 0) {
        size_t used = 1;

        if (rest.data[0] == '\\')
            used = resolve(rest, &copy[size++]);
        else
            copy[size++] = rest.data[0];
        rest = (struct slice){rest.data + used, rest.size - used};
    }
    *value = (struct slice){copy, size};
    return true;
}

/* Where LITERAL begins in TEXT, not counting what an odd number of backslashes escapes. */
static const char *find_literal(struct slice text, struct slice literal)
{
    const char *found = text.data;

    while ((found = memmem(found, (size_t)(text.data + text.size - found), literal.data, literal.size))) {
        size_t slashes = 0;

        while (found - slashes > text.data && found[-1 - (ptrdiff_t)slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0 || literal.data[0] != '"')
            return found;
        found++;
    }
    return NULL;
}

static bool parse_local_anew(struct slice text, int64_t *ns)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[32];
    bool is_coarse;

    if (text.size != 26 || text.data[2] != '/' || text.data[6] != '/' || text.data[11] != ':' || text.data[20] != ' ')
        return false;
    for (int month = 0; month < 12; month++)
        if (memcmp(months + month * 3, text.data + 3, 3) == 0) {
            int size = snprintf(iso, sizeof(iso), "%.4s-%02d-%.2sT%.8s%.5s", text.data + 7, month + 1, text.data,
                                text.data + 12, text.data + 21);

            return record_parse_iso((struct slice){iso, (size_t)size}, ns, &is_coarse);
        }
    return false;
}

/* "10/Oct/2000:13:55:36 -0700"; most lines have the time of the one before. */
static bool parse_local(struct access_log *log, struct slice text, int64_t *ns)
{
    if (text.size == 26 && memcmp(log->last_time, text.data, 26) == 0) {
        *ns = log->last_ns;
        return true;
    }
    if (!parse_local_anew(text, ns))
        return false;
    memcpy(log->last_time, text.data, 26);
    log->last_ns = *ns;
    return true;
}

static bool refuse_time(struct record *record, struct slice text)
{
    return record_refuse(record, "the time '%.*s' cannot be read", (int)(text.size < 40 ? text.size : 40), text.data);
}

static bool take_query(struct record *record, struct slice query)
{
    char *joined;

    if (query.size == 0 || memchr(record->target.data, '?', record->target.size))
        return true;
    joined = record_take(record, record->target.size + query.size + 1);
    if (!joined)
        return record_refuse(record, "it is too long");
    memcpy(joined, record->target.data, record->target.size);
    joined[record->target.size] = '?';
    memcpy(joined + record->target.size + 1, query.data, query.size);
    record->target = (struct slice){joined, record->target.size + query.size + 1};
    return true;
}

static bool take(struct access_log *log, const struct access_log_part *part, struct slice value, struct record *record)
{
    switch (part->meaning) {
    case ACCESS_LOG_TIME_LOCAL:
        record->is_coarse = true;
        return parse_local(log, value, &record->time_ns) || refuse_time(record, value);
    case ACCESS_LOG_TIME_ISO:
        return record_parse_iso(value, &record->time_ns, &record->is_coarse) || refuse_time(record, value);
    case ACCESS_LOG_SECONDS:
        record->is_coarse = false;
        return record_parse_seconds(value, &record->time_ns) || refuse_time(record, value);
    case ACCESS_LOG_DURATION:
        if (value.size > 0 && !record_parse_seconds(value, &record->duration_ns))
            return record_refuse(record, "the request_time '%.*s' is no number of seconds",
                                 (int)(value.size < 40 ? value.size : 40), value.data);
        return true;
    case ACCESS_LOG_REQUEST:
        return record_set_request(record, value);
    case ACCESS_LOG_METHOD:
        record->method = value;
        return true;
    case ACCESS_LOG_TARGET:
        record->target = value;
        return true;
    case ACCESS_LOG_HOST:
        record->host = value;
        return true;
    case ACCESS_LOG_CLIENT:
        return record_set_client(record, value);
    case ACCESS_LOG_FIELD:
        return value.size == 0 || record_add_field(record, slice_of(part->field), value);
    case ACCESS_LOG_QUERY:
    case ACCESS_LOG_NOTHING:
        break;
    }
    return true;
}

/* Cuts the value of PART off the front of REST. */
static bool cut_value(const struct access_log_part *part, struct slice *rest, struct slice *value)
{
    const char *end = rest->data + rest->size, *found = end;

    if (part->literal.size > 0)
        found = find_literal(*rest, part->literal);
    if (!found)
        return false;
    *value = (struct slice){rest->data, (size_t)(found - rest->data)};
    found += part->literal.size;
    *rest = (struct slice){found, (size_t)(end - found)};
    return true;
}

/* A fine time is that of the answer's end: the request came a request_time earlier. */
static bool finish(struct record *record, struct slice query)
{
    if (!take_query(record, query))
        return false;
    if (record->method.size == 0)
        record->method = SLICE("GET");
    if (record->duration_ns > 0 && !record->is_coarse && record->duration_ns <= record->time_ns)
        record->time_ns -= record->duration_ns;
    return true;
}

bool access_log_parse(struct access_log *log, struct slice line, struct record *record)
{
    struct slice query = {NULL, 0};

    if (!slice_has_prefix(line, log->opening))
        return record_refuse(record, "it does not begin like the log format");
    line = (struct slice){line.data + log->opening.size, line.size - log->opening.size};
    for (size_t i = 0; i < log->count; i++) {
        const struct access_log_part *part = &log->parts[i];
        struct slice value;

        if (!cut_value(part, &line, &value))
            return record_refuse(record, "what the log format has behind $%.*s is missing", (int)part->name.size,
                                 part->name.data);
        if (part->meaning == ACCESS_LOG_NOTHING)
            continue;
        if (slice_equal(value, SLICE("-")))
            value = SLICE("");
        if (!unescape(record, &value) || !take(log, part, value, record))
            return false;
        if (part->meaning == ACCESS_LOG_QUERY)
            query = value;
    }
    if (line.size > 0)
        return record_refuse(record, "it is longer than the log format");
    return finish(record, query);
}
