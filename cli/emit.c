/* SPDX-License-Identifier: MPL-2.0
 *
 * Output of the commands: see emit.h.
 */
#include "cli/emit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/iso8601.h"
#include "shm/moment.h"
#include "shm/utf8.h"

void emit_json_string(struct slice text, FILE *out)
{
    fputc('"', out);
    while (text.size > 0) {
        size_t size = utf8_size(text), used = size ? size : 1;

        if (size == 0)
            fputs("\\ufffd", out);
        else if (utf8_is_control(text.data, size))
            fprintf(out, "\\u%04x", utf8_point(text.data, size));
        else if (text.data[0] == '"' || text.data[0] == '\\')
            fprintf(out, "\\%c", text.data[0]);
        else
            fwrite(text.data, 1, size, out);
        text = (struct slice){text.data + used, text.size - used};
    }
    fputc('"', out);
}

void emit_json_text(const char *label, struct slice text, FILE *out)
{
    fputs(label, out);
    emit_json_string(text, out);
}

void emit_json_text_or_null(const char *label, struct slice text, FILE *out)
{
    fputs(label, out);
    if (text.data)
        emit_json_string(text, out);
    else
        fputs("null", out);
}

void emit_json_date(const char *label, int64_t at, FILE *out)
{
    char text[ISO8601_TEXT_SIZE];
    bool is_known = at > 0 && at != INT64_MAX;

    if (is_known)
        iso8601_print(at, text);
    emit_json_text_or_null(label, slice_of(is_known ? text : NULL), out);
}

void emit_json_seconds(const char *label, int64_t ns, FILE *out)
{
    int64_t milliseconds = ns / 1000000;

    fprintf(out, "%s%" PRId64 ".%03" PRId64, label, milliseconds / 1000, milliseconds % 1000);
}

size_t emit_plain(struct slice text, FILE *out)
{
    size_t count = 0;

    for (; text.size > 0; count++) {
        size_t size = utf8_size(text), used = size ? size : 1;

        if (size == 0 || utf8_is_control(text.data, size))
            fputc(text.data[0] == '\t' ? ' ' : '?', out);
        else
            fwrite(text.data, 1, size, out);
        text = (struct slice){text.data + used, text.size - used};
    }
    return count;
}

void emit_coloured(enum emit_colour colour, const char *word, FILE *out)
{
    static const char *const codes[] = {[EMIT_GOOD] = "\033[32m", [EMIT_BAD] = "\033[31m", [EMIT_WARN] = "\033[33m"};
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool is_plain = (no_color && no_color[0] != '\0') || !terminal || strcmp(terminal, "dumb") == 0;

    if (is_plain || !isatty(fileno(out)))
        fputs(word, out);
    else
        fprintf(out, "%s%s\033[0m", codes[colour], word);
}

const char *emit_time(int64_t wall_ns, char text[EMIT_TIME_SIZE])
{
    if (wall_ns == 0)
        snprintf(text, EMIT_TIME_SIZE, "never");
    else
        iso8601_print(wall_ns / NANOSECONDS_PER_SECOND, text);
    return text;
}

const char *emit_span(int64_t ns, char text[EMIT_SPAN_SIZE])
{
    int64_t seconds = ns / NANOSECONDS_PER_SECOND;

    if (ns < 0)
        snprintf(text, EMIT_SPAN_SIZE, "0 s");
    else if (seconds >= 86400)
        snprintf(text, EMIT_SPAN_SIZE, "%" PRId64 " d %" PRId64 " h", seconds / 86400, seconds / 3600 % 24);
    else if (seconds >= 3600)
        snprintf(text, EMIT_SPAN_SIZE, "%" PRId64 " h %" PRId64 " min", seconds / 3600, seconds / 60 % 60);
    else if (seconds >= 60)
        snprintf(text, EMIT_SPAN_SIZE, "%" PRId64 " min %" PRId64 " s", seconds / 60, seconds % 60);
    else
        snprintf(text, EMIT_SPAN_SIZE, "%" PRId64 ".%03" PRId64 " s", seconds, ns / 1000000 % 1000);
    return text;
}
