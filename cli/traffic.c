/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads a log twice: first for the times of its lines, which are then put in order, then line by line. What cannot be
 * read is counted and the first of it kept for the report.
 */
#include "cli/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "cli/json_log.h"
#include "shm/log.h"
#include "shm/moment.h"

#define MAX_LINE       (2u << 20)
#define PROGRESS_LINES 16384

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice next_line(struct slice *rest)
{
    const char *end = memchr(rest->data, '\n', rest->size);
    struct slice line = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
    size_t used = line.size + (end ? 1 : 0);

    *rest = (struct slice){rest->data + used, rest->size - used};
    while (line.size > 0 && is_space(line.data[line.size - 1]))
        line.size--;
    return line;
}

static size_t longest_line(struct slice rest)
{
    size_t longest = 0;

    while (rest.size > 0) {
        struct slice line = next_line(&rest);

        if (line.size > longest)
            longest = line.size;
    }
    return longest < MAX_LINE ? longest : MAX_LINE;
}

/* Whether INPUT is no text but what a compressor made of one. */
static bool refuse_compressed(struct slice input, const char *path, struct failure *failure)
{
    static const struct {
        struct slice magic;
        const char *tool;
    } rows[] = {{{"\x1f\x8b", 2}, "zcat"}, {{"\x28\xb5\x2f\xfd", 4}, "zstdcat"}, {{"\xfd" "7zXZ", 5}, "xzcat"}, {{"BZh", 3}, "bzcat"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (slice_has_prefix(input, rows[i].magic))
            return failure_set(failure, EXIT_CODE_BAD_BUNDLE,
                               "%s is compressed: unpack it on the way, as in `%s %s | fairvisor test BUNDLE`", input_name(path),
                               rows[i].tool, strcmp(path, "-") == 0 ? "FILE" : path);
    return true;
}

/* Whether the service wrote LINE about itself, as text: "TIME level who: sentence". */
static bool is_of_service(struct slice line)
{
    const size_t time_size = strlen("2026-01-31T08:00:00.123Z ");
    const char *name;
    bool is_coarse;
    int64_t ns;

    if (line.size <= time_size || line.data[time_size - 1] != ' ' ||
        !record_parse_iso((struct slice){line.data, time_size - 1}, &ns, &is_coarse) || is_coarse)
        return false;
    line = (struct slice){line.data + time_size, line.size - time_size};
    for (int level = 0; (name = log_level_name((enum log_level)level)); level++)
        if (slice_has_prefix(line, slice_of(name)) && line.size > strlen(name) && line.data[strlen(name)] == ' ')
            return true;
    return false;
}

/* What the first line that has something of a request looks like; the service's own log has JSON, if any. */
static bool looks_like_json(struct slice rest)
{
    bool is_of_this = false;

    while (rest.size > 0) {
        struct slice line = next_line(&rest);

        if (is_of_service(line))
            is_of_this = true;
        else if (line.size > 0)
            return line.data[0] == '{';
    }
    return is_of_this;
}

static bool choose_format(struct traffic *traffic, const char *format, struct failure *failure)
{
    traffic->is_json = format ? strcmp(format, "json") == 0 : looks_like_json(input_slice(&traffic->input));
    if (traffic->is_json)
        return true;
    if (!format || strcmp(format, "combined") == 0)
        format = ACCESS_LOG_COMBINED;
    if (!strchr(format, '$'))
        return failure_set(failure, EXIT_CODE_USAGE,
                           "--log-format takes json, combined, a log_format of nginx with its $variables, or @FILE that holds one, not "
                           "'%s'", format);
    return access_log_compile(&traffic->log, slice_of(format), failure);
}

static bool parse(struct traffic *traffic, struct slice line)
{
    struct record *record = &traffic->record;

    record_begin(record);
    if (line.size > MAX_LINE)
        return record_refuse(record, "it is longer than %u bytes", MAX_LINE);
    if (traffic->is_json && is_of_service(line)) {
        record->is_request = false;
        return true;
    }
    return traffic->is_json ? json_log_parse(line, record) : access_log_parse(&traffic->log, line, record);
}

static void note_bad(struct traffic *traffic)
{
    if (traffic->bad < TRAFFIC_BAD_SHOWN) {
        struct traffic_bad *bad = &traffic->first_bad[traffic->bad];

        bad->line = traffic->all_lines;
        memcpy(bad->cause, traffic->record.cause, sizeof(bad->cause));
    }
    traffic->bad++;
}

static bool keep(struct traffic *traffic, struct slice line, int64_t *latest_ns)
{
    struct record *record = &traffic->record;

    if (traffic->count == traffic->room) {
        size_t room = traffic->room ? 2 * traffic->room : 4096;
        struct traffic_line *lines = realloc(traffic->lines, room * sizeof(*lines));

        if (!lines)
            return false;
        traffic->lines = lines;
        traffic->room = room;
    }
    if (record->time_ns == RECORD_NO_TIME) {
        traffic->timeless++;
        record->time_ns = *latest_ns;
    }
    traffic->out_of_order += record->time_ns < *latest_ns;
    if (record->time_ns > *latest_ns)
        *latest_ns = record->time_ns;
    traffic->is_coarse = traffic->is_coarse || record->is_coarse;
    traffic->keyless += record->verdict == RECORD_ALLOWED && !record->tells_keys;
    traffic->sampled += record->weight > 1 ? (size_t)record->weight - 1 : 0;
    traffic->lines[traffic->count++] = (struct traffic_line){.time_ns = record->time_ns,
                                                             .offset = (uint64_t)(line.data - traffic->input.data),
                                                             .size = (uint32_t)line.size,
                                                             .is_coarse = record->is_coarse};
    return true;
}

static bool index_lines(struct traffic *traffic, traffic_progress *progress, void *context)
{
    struct slice rest = input_slice(&traffic->input);
    int64_t latest_ns = 0;

    while (rest.size > 0) {
        struct slice line = next_line(&rest);
        struct facts facts;

        traffic->all_lines++;
        if (traffic->all_lines % PROGRESS_LINES == 0)
            progress(context, traffic->input.size - rest.size, traffic->input.size);
        if (line.size == 0)
            traffic->empty++;
        else if (!parse(traffic, line))
            note_bad(traffic);
        else if (!traffic->record.is_request)
            traffic->other++;
        else if (!record_facts(&traffic->record, &facts))
            note_bad(traffic);
        else if (!keep(traffic, line, &latest_ns))
            return false;
    }
    return true;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static int compare_lines(const void *left, const void *right)
{
    const struct traffic_line *a = left, *b = right;

    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Lines in front of the first one with a time came with it. */
static void backdate(struct traffic *traffic)
{
    size_t first = 0;

    while (first < traffic->count && traffic->lines[first].time_ns == 0)
        first++;
    for (size_t i = 0; i < first && first < traffic->count; i++)
        traffic->lines[i].time_ns = traffic->lines[first].time_ns;
}

/* Requests of one second that nothing more is known of came evenly, as far as anybody can tell. */
static void spread(struct traffic *traffic)
{
    for (size_t begin = 0, end; begin < traffic->count; begin = end) {
        int64_t second_ns = traffic->lines[begin].time_ns;

        for (end = begin + 1; end < traffic->count && traffic->lines[end].time_ns == second_ns;)
            end++;
        for (size_t i = begin; i < end; i++)
            if (traffic->lines[i].is_coarse)
                traffic->lines[i].time_ns += (int64_t)((__int128)NANOSECONDS_PER_SECOND * (i - begin) / (end - begin));
    }
}

bool traffic_open(struct traffic *traffic, const char *path, const char *format, traffic_progress *progress,
                  void *context, struct failure *failure)
{
    memset(traffic, 0, sizeof(*traffic));
    if (!input_read_log(path, &traffic->input, failure) ||
        !refuse_compressed(input_slice(&traffic->input), path, failure) || !choose_format(traffic, format, failure))
        return false;
    if (!record_init(&traffic->record, longest_line(input_slice(&traffic->input))) ||
        !index_lines(traffic, progress, context))
        return failure_set(failure, EXIT_CODE_OS, "there is no memory for the lines of %s", input_name(path));
    backdate(traffic);
    if (traffic->out_of_order > 0)
        qsort(traffic->lines, traffic->count, sizeof(*traffic->lines), compare_lines);
    spread(traffic);
    return true;
}

void traffic_close(struct traffic *traffic)
{
    record_fini(&traffic->record);
    free(traffic->lines);
    input_free(&traffic->input);
}

void traffic_read(struct traffic *traffic, size_t index)
{
    const struct traffic_line *line = &traffic->lines[index];

    parse(traffic, (struct slice){traffic->input.data + line->offset, line->size});
    traffic->record.time_ns = line->time_ns;
}
