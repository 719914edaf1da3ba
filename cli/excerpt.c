/* SPDX-License-Identifier: MPL-2.0
 *
 * One source line and a caret: see excerpt.h.
 */
#include "cli/excerpt.h"

#include "cli/emit.h"

#define BEFORE 60 /* bytes shown before and behind the caret's */
#define BEHIND 40

static struct slice find_line(struct slice text, uint32_t line)
{
    const char *end;

    for (; line > 1; line--) {
        size_t used;

        end = text.size ? memchr(text.data, '\n', text.size) : NULL;
        if (!end)
            return (struct slice){NULL, 0};
        used = (size_t)(end - text.data) + 1;
        text = (struct slice){text.data + used, text.size - used};
    }
    end = text.size ? memchr(text.data, '\n', text.size) : NULL;
    if (end)
        text.size = (size_t)(end - text.data);
    if (text.size > 0 && text.data[text.size - 1] == '\r')
        text.size--;
    return text;
}

/* Moves AT to the start of the UTF-8 character it lies in. */
static size_t character_start(struct slice line, size_t at)
{
    for (int i = 0; i < 3 && at > 0 && at < line.size && ((unsigned char)line.data[at] & 0xc0) == 0x80; i++)
        at--;
    return at;
}

void excerpt_print(struct slice text, uint32_t line_number, uint32_t column, FILE *out)
{
    struct slice line = line_number ? find_line(text, line_number) : (struct slice){NULL, 0};
    size_t at = column - 1, first, last;
    int margin;

    if (column == 0 || line.size == 0 || at > line.size)
        return;
    first = at > BEFORE ? character_start(line, at - BEFORE) : 0;
    last = line.size - at > BEHIND ? character_start(line, at + BEHIND) : line.size;
    margin = fprintf(out, "%5u | %s", line_number, first > 0 ? "..." : "");
    margin += (int)emit_plain((struct slice){line.data + first, at - first}, out);
    emit_plain((struct slice){line.data + at, last - at}, out);
    fprintf(out, "%s\n%*s", last < line.size ? "..." : "", margin, "");
    emit_coloured(EMIT_BAD, "^", out);
    fputc('\n', out);
}
