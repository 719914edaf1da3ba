/* SPDX-License-Identifier: MPL-2.0
 *
 * Elements of an array: see elements.h. Follows brackets and strings and nothing else; only elements that are objects or arrays are
 * told apart.
 */
#include "worker/elements.h"

#include <string.h>

/* Passes over one byte of a string. */
static void in_string(struct elements *elements, char c)
{
    if (elements->is_escaped)
        elements->is_escaped = false;
    else if (c == '\\')
        elements->is_escaped = true;
    else if (c == '"')
        elements->is_in_string = false;
}

/* The first byte of the value shows what it is. */
static void begin(struct elements *elements, char c)
{
    if (c == '[') {
        elements->is_array = true;
        elements->depth = 1;
    } else if (!strchr(" \t\r\n", c) || c == '\0') {
        elements->is_other = true;
    }
}

/* One byte of the array between strings. Returns what ends with it; ELEMENTS_PART: nothing. */
static enum elements_kind take(struct elements *elements, char c)
{
    switch (c) {
    case '"':
        elements->is_in_string = true;
        break;
    case '{':
    case '[':
        elements->depth++;
        break;
    case '}':
    case ']':
        elements->depth--;
        if (elements->depth == 0) {
            elements->is_array = false;
            elements->is_other = true;
            return ELEMENTS_AROUND;
        }
        return elements->depth == 1 ? ELEMENTS_END : ELEMENTS_PART;
    default:
        break;
    }
    return ELEMENTS_PART;
}

size_t elements_next(struct elements *elements, struct slice bytes, enum elements_kind *kind)
{
    size_t at = 0;

    *kind = ELEMENTS_AROUND;
    if (elements->is_other)
        return bytes.size;
    if (!elements->is_array) {
        begin(elements, bytes.data[0]);
        return 1;
    }
    *kind = ELEMENTS_PART;
    while (at < bytes.size && *kind == ELEMENTS_PART) {
        char c = bytes.data[at++];

        if (elements->is_in_string)
            in_string(elements, c);
        else
            *kind = take(elements, c);
    }
    return at;
}
