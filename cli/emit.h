/* SPDX-License-Identifier: MPL-2.0
 *
 * Output of the commands: JSON strings, texts of strangers made safe for a terminal, colours, points in time.
 */
#ifndef FAIRVISOR_CLI_EMIT_H
#define FAIRVISOR_CLI_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "shm/slice.h"

/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void emit_json_string(struct slice text, FILE *out);

/* LABEL as it stands, such as `,"policy":`, and behind it TEXT as a JSON string; or_null: null when there is no text
 * (data is NULL; an empty one is ""). */
void emit_json_text(const char *label, struct slice text, FILE *out);
void emit_json_text_or_null(const char *label, struct slice text, FILE *out);

/* LABEL as it stands, and the second AT since 1970 as "2026-11-23T18:54:33Z"; null when it is 0, or never (INT64_MAX). */
void emit_json_date(const char *label, int64_t at, FILE *out);

/* LABEL as it stands, and NS in seconds, cut to milliseconds. */
void emit_json_seconds(const char *label, int64_t ns, FILE *out);

/* TEXT with control bytes and broken UTF-8 as '?'. Returns the number of characters printed. */
size_t emit_plain(struct slice text, FILE *out);

enum emit_colour { EMIT_GOOD, EMIT_BAD, EMIT_WARN };

/* Prints WORD in a colour when OUT is a terminal, NO_COLOR is not set and TERM is not "dumb"; plainly otherwise. */
void emit_coloured(enum emit_colour colour, const char *word, FILE *out);

/* "2026-11-23T18:54:33Z", or "never" for 0. */
#define EMIT_TIME_SIZE 24
const char *emit_time(int64_t wall_ns, char text[EMIT_TIME_SIZE]);

/* "3 d 4 h", "12 min 5 s", "0.250 s". */
#define EMIT_SPAN_SIZE 48
const char *emit_span(int64_t ns, char text[EMIT_SPAN_SIZE]);

#endif
