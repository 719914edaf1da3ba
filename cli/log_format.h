/* SPDX-License-Identifier: MPL-2.0
 *
 * The format of an access log, as --log-format takes it.
 */
#ifndef FAIRVISOR_CLI_LOG_FORMAT_H
#define FAIRVISOR_CLI_LOG_FORMAT_H

#include <stdbool.h>

#include "shm/failure.h"

/* WORD, or for "@FILE" what that file holds: the format itself, or the directive log_format of nginx that says it, as it
 * stands in nginx.conf. *FORMAT is the caller's to free, also after false. */
bool log_format_read(const char *word, char **format, struct failure *failure);

#endif
