/* SPDX-License-Identifier: MPL-2.0
 *
 * The lines of an operator's list: white space around them, blank lines and comments ('#' in front) left out.
 */
#ifndef FAIRVISOR_POLICY_LINES_H
#define FAIRVISOR_POLICY_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/failure.h"
#include "shm/slice.h"

#define LINES_MAX_SIZE 1024 /* bytes of one line */

struct lines {
    const char *file; /* as sentences call it */
    struct slice rest;
    uint32_t number; /* of the line given last, from 1 */
};

enum lines_result { LINES_LINE, LINES_END, LINES_BAD };

/* Takes the next line that says something; it points into the text. A line may end in CRLF. LINES_BAD fills FAILURE: a
 * line is too long, or holds a control byte other than a tab. */
enum lines_result lines_next(struct lines *lines, struct slice *line, struct failure *failure);

/* Fills FAILURE with "FILE:LINE: sentence" and EXIT_CODE_BAD_CONFIG; returns false. */
bool lines_refuse(const struct lines *lines, struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Is TEXT a name as types and categories have one: 1 to 32 of a-z, 0-9, '_' and '-', a letter in front? */
bool lines_is_name(struct slice text);

/* Bytes of TEXT that a sentence should show; the two arguments of "%.*s". */
#define LINES_SHOWN(text) (int)((text).size > 64 ? 64 : (text).size), (text).data

#endif
