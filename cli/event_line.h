/* SPDX-License-Identifier: MPL-2.0
 *
 * A line of the decision log back into an event: the other direction of event_print_json.
 */
#ifndef FAIRVISOR_CLI_EVENT_LINE_H
#define FAIRVISOR_CLI_EVENT_LINE_H

#include <stdbool.h>

#include "shm/event.h"

/* false when LINE is no JSON object with a time and an action that are known: a log line of another kind, or damage.
 * Members that are not known are passed over. */
bool event_line_parse(struct slice line, struct event *event);

#endif
