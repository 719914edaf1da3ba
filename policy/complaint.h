/* SPDX-License-Identifier: MPL-2.0
 *
 * What is wrong with a bundle, as values: several at once, each with its place, cause and cure.
 */
#ifndef FAIRVISOR_POLICY_COMPLAINT_H
#define FAIRVISOR_POLICY_COMPLAINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPLAINT_MAX            64 /* kept; further ones are only counted */
#define COMPLAINT_POINTER_SIZE   256
#define COMPLAINT_SENTENCE_SIZE  512

enum complaint_severity { COMPLAINT_ERROR, COMPLAINT_WARNING };

struct complaint {
    enum complaint_severity severity;
    const char *code; /* a stable word for machines: "unknown_field"; static storage */
    uint32_t line;    /* from 1; 0 when there is no place in the text */
    uint32_t column;  /* from 1, in bytes */
    char pointer[COMPLAINT_POINTER_SIZE];   /* RFC 6901; "" is the whole document */
    char sentence[COMPLAINT_SENTENCE_SIZE]; /* cause and cure, without a full stop */
};

struct complaint_list {
    struct complaint items[COMPLAINT_MAX];
    size_t count;    /* kept in items */
    size_t errors;   /* all, kept or not */
    size_t warnings; /* all, kept or not */
};

#endif
