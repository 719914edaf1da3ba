/* SPDX-License-Identifier: MPL-2.0
 *
 * An event as one line: a JSON object for programs (the schema stands in fairvisor(1), "DECISION LOG"), or a sentence for
 * people. Bytes that came from strangers are escaped: a line never holds a control byte, and JSON is valid UTF-8.
 */
#ifndef FAIRVISOR_SHM_EVENT_PRINT_H
#define FAIRVISOR_SHM_EVENT_PRINT_H

#include <stddef.h>

#include "shm/event.h"

#define EVENT_PRINT_SIZE        12288 /* no line is longer, its newline included, whatever the event's bytes are; that of an
                                      * event that was made by event.h has at most half of it */
#define EVENT_PRINT_NUMBER_SIZE 24

/* Write one line with its newline and no NUL into OUT; return its length. */
size_t event_print_json(const struct event *event, char out[EVENT_PRINT_SIZE]);
size_t event_print_text(const struct event *event, char out[EVENT_PRINT_SIZE]);

#define EVENT_PRINT_TIME_SIZE 40

/* UTC with milliseconds, "2026-01-31T08:00:00.123Z", and a NUL. */
void event_print_time(int64_t wall_ns, char text[EVENT_PRINT_TIME_SIZE]);

/* Millionths as the shortest decimal number and a NUL: "1000", "0.25", "-2". Returns its length. */
size_t event_print_number(int64_t millionths, char text[EVENT_PRINT_NUMBER_SIZE]);

#endif
