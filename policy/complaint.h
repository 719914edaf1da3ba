/* SPDX-License-Identifier: MPL-2.0
 *
 * What is wrong with a bundle, as values: several at once, each with its place, cause and cure.
 */
#ifndef FAIRVISOR_POLICY_COMPLAINT_H
#define FAIRVISOR_POLICY_COMPLAINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COMPLAINT_MAX           64 /* kept; further ones are only counted */
#define COMPLAINT_POINTER_SIZE  256
#define COMPLAINT_SENTENCE_SIZE 512

enum complaint_severity { COMPLAINT_ERROR, COMPLAINT_WARNING };

struct complaint {
    enum complaint_severity severity;
    const char *code;                       /* a stable word for machines: "unknown_field"; static storage */
    uint32_t line;                          /* from 1; 0 when there is no place in the text */
    uint32_t column;                        /* from 1, in bytes */
    char pointer[COMPLAINT_POINTER_SIZE];   /* RFC 6901; "" is the whole document */
    char sentence[COMPLAINT_SENTENCE_SIZE]; /* cause and cure, without a full stop */
};

struct complaint_list {
    struct complaint items[COMPLAINT_MAX];
    size_t count;    /* kept in items */
    size_t errors;   /* all, kept or not */
    size_t warnings; /* all, kept or not */
};

/* Where a complaint points to. */
struct complaint_place {
    uint32_t line, column; /* 0 when there is none */
    const char *pointer;
};

void complaint_init(struct complaint_list *list);

/* Adds one; what finds no room is counted only. CODE is not copied, everything else is. */
void complaint_add(struct complaint_list *list, enum complaint_severity severity, const char *code,
                   struct complaint_place place, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Takes out the warnings of CODE that were kept, as if they had never been added. */
void complaint_remove_warnings(struct complaint_list *list, const char *code);

/* Sorts by line and column; those of one place keep their order. */
void complaint_sort(struct complaint_list *list);

/* Prints `FILE:LINE:COLUMN: error: SENTENCE (POINTER)` and a newline, without what the complaint does not have. Control
 * bytes of the bundle come out as \u00XX. */
void complaint_print(const struct complaint *complaint, const char *file, FILE *out);

/* Prints one JSON object: severity, code, line, column, pointer, sentence. No newline. */
void complaint_print_json(const struct complaint *complaint, FILE *out);

#endif
