/* SPDX-License-Identifier: MPL-2.0
 *
 * Complaints: gathered by the loader, printed by master and command line.
 */
#include "policy/complaint.h"

#include <stdarg.h>
#include <string.h>

#include "shm/utf8.h"

void complaint_init(struct complaint_list *list)
{
    list->count = list->errors = list->warnings = 0;
}

/* An error pushes out the last warning when the list is full: what makes a bundle invalid must be seen. */
static struct complaint *make_room(struct complaint_list *list, enum complaint_severity severity)
{
    if (list->count < COMPLAINT_MAX)
        return &list->items[list->count++];
    if (severity == COMPLAINT_WARNING)
        return NULL;
    for (size_t i = list->count; i-- > 0;) {
        if (list->items[i].severity != COMPLAINT_WARNING)
            continue;
        memmove(&list->items[i], &list->items[i + 1], (list->count - i - 1) * sizeof(list->items[0]));
        return &list->items[list->count - 1];
    }
    return NULL;
}

/* Cuts a text that was truncated inside a character back to whole ones. */
static void trim_partial_character(char *text)
{
    struct slice rest = slice_of(text);
    size_t size;

    while ((size = utf8_size(rest)) > 0)
        rest = (struct slice){rest.data + size, rest.size - size};
    text[rest.data - text] = '\0';
}

void complaint_add(struct complaint_list *list, enum complaint_severity severity, const char *code,
                   struct complaint_place place, const char *format, ...)
{
    struct complaint *complaint = make_room(list, severity);
    va_list arguments;

    if (severity == COMPLAINT_ERROR)
        list->errors++;
    else
        list->warnings++;
    if (!complaint)
        return;
    complaint->severity = severity;
    complaint->code = code;
    complaint->line = place.line;
    complaint->column = place.column;
    snprintf(complaint->pointer, sizeof(complaint->pointer), "%s", place.pointer ? place.pointer : "");
    trim_partial_character(complaint->pointer);
    va_start(arguments, format);
    vsnprintf(complaint->sentence, sizeof(complaint->sentence), format, arguments);
    va_end(arguments);
    trim_partial_character(complaint->sentence);
}

void complaint_remove_warnings(struct complaint_list *list, const char *code)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        const struct complaint *complaint = &list->items[i];

        if (complaint->severity == COMPLAINT_WARNING && complaint->code && strcmp(complaint->code, code) == 0)
            list->warnings--;
        else if (kept++ != i)
            list->items[kept - 1] = *complaint;
    }
    list->count = kept;
}

static bool is_before(const struct complaint *a, const struct complaint *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void complaint_sort(struct complaint_list *list)
{
    for (size_t i = 1; i < list->count; i++) {
        struct complaint moved = list->items[i];
        size_t k = i;

        for (; k > 0 && is_before(&moved, &list->items[k - 1]); k--)
            list->items[k] = list->items[k - 1];
        list->items[k] = moved;
    }
}

static const char *severity_name(enum complaint_severity severity)
{
    return severity == COMPLAINT_ERROR ? "error" : "warning";
}

/* Prints TEXT with control characters as \uXXXX, and the bytes of ESCAPED behind a backslash. */
static void print_text(const char *text, const char *escaped, FILE *out)
{
    for (struct slice rest = slice_of(text); rest.size > 0;) {
        size_t size = utf8_size(rest);

        if (size == 0)
            size = 1;
        if (utf8_is_control(rest.data, size)) {
            fprintf(out, "\\u%04x", utf8_point(rest.data, size));
        } else {
            if (strchr(escaped, rest.data[0]))
                fputc('\\', out);
            fwrite(rest.data, 1, size, out);
        }
        rest = (struct slice){rest.data + size, rest.size - size};
    }
}

void complaint_print(const struct complaint *complaint, const char *file, FILE *out)
{
    print_text(file, "", out);
    if (complaint->line > 0)
        fprintf(out, ":%u:%u", complaint->line, complaint->column);
    fprintf(out, ": %s: ", severity_name(complaint->severity));
    print_text(complaint->sentence, "", out);
    if (complaint->pointer[0] != '\0') {
        fputs(" (", out);
        print_text(complaint->pointer, "", out);
        fputc(')', out);
    }
    fputc('\n', out);
}

void complaint_print_json(const struct complaint *complaint, FILE *out)
{
    fprintf(out, "{\"severity\":\"%s\",\"code\":\"%s\",\"line\":%u,\"column\":%u,\"pointer\":\"",
            severity_name(complaint->severity), complaint->code, complaint->line, complaint->column);
    print_text(complaint->pointer, "\"\\", out);
    fputs("\",\"sentence\":\"", out);
    print_text(complaint->sentence, "\"\\", out);
    fputs("\"}", out);
}
