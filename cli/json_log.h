/* SPDX-License-Identifier: MPL-2.0
 *
 * Requests as JSON objects, one a line: written by hand, by a gateway, or the service's own decision log.
 */
#ifndef FAIRVISOR_CLI_JSON_LOG_H
#define FAIRVISOR_CLI_JSON_LOG_H

#include <stdbool.h>

#include "cli/record.h"
#include "shm/slice.h"

/* Reads one line. Members that are not known are passed over; a known one of a wrong type refuses the line, with
 * record->cause. record->is_request is false for a line of the decision log that tells of no request. */
bool json_log_parse(struct slice line, struct record *record);

#endif
