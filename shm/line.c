/* SPDX-License-Identifier: MPL-2.0
 *
 * Formatted pieces behind each other: see line.h.
 */
#include "shm/line.h"

#include <stdarg.h>
#include <stdio.h>

void line_put(struct line *line, const char *format, ...)
{
    size_t left = line->room - line->used;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line->data + line->used, left, format, arguments);
    va_end(arguments);
    if (length > 0)
        line->used += (size_t)length < left ? (size_t)length : left - 1;
}
