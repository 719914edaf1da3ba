/* SPDX-License-Identifier: MPL-2.0
 *
 * Cuts a text into lines and refuses what no text file has.
 */
#include "policy/lines.h"

#include <stdarg.h>
#include <stdio.h>

#define MAX_NAME 32

bool lines_refuse(const struct lines *lines, struct failure *failure, const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    return failure_set(failure, EXIT_CODE_BAD_CONFIG, "%s:%u: %s", lines->file, lines->number, sentence);
}

static bool check(const struct lines *lines, struct slice line, struct failure *failure)
{
    if (line.size > LINES_MAX_SIZE)
        return lines_refuse(lines, failure, "the line is longer than %d bytes", LINES_MAX_SIZE);
    for (size_t i = 0; i < line.size; i++) {
        unsigned char byte = (unsigned char)line.data[i];

        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return lines_refuse(lines, failure,
                                "byte %zu of the line is the control byte 0x%02x; the file must be plain text", i + 1,
                                byte);
    }
    return true;
}

enum lines_result lines_next(struct lines *lines, struct slice *line, struct failure *failure)
{
    while (lines->rest.size > 0) {
        const char *end = memchr(lines->rest.data, '\n', lines->rest.size);
        size_t size = end ? (size_t)(end - lines->rest.data) : lines->rest.size;
        size_t used = size + (end ? 1 : 0);

        *line = (struct slice){lines->rest.data, size};
        lines->rest = (struct slice){lines->rest.data + used, lines->rest.size - used};
        lines->number++;
        if (line->size > 0 && line->data[line->size - 1] == '\r')
            line->size--;
        if (!check(lines, *line, failure))
            return LINES_BAD;
        *line = slice_trim(*line);
        if (line->size > 0 && line->data[0] != '#')
            return LINES_LINE;
    }
    return LINES_END;
}

bool lines_is_name(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];

        if (!(c >= 'a' && c <= 'z') && (i == 0 || (!(c >= '0' && c <= '9') && c != '_' && c != '-')))
            return false;
    }
    return text.size > 0 && text.size <= MAX_NAME;
}
