/* SPDX-License-Identifier: MPL-2.0
 *
 * Failures as values: see failure.h.
 */
#include "shm/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shm/utf8.h"

bool failure_set(struct failure *failure, enum exit_code code, const char *format, ...)
{
    va_list arguments;

    failure->code = code;
    va_start(arguments, format);
    vsnprintf(failure->sentence, sizeof(failure->sentence), format, arguments);
    va_end(arguments);
    utf8_tame(failure->sentence);
    return false;
}

bool failure_set_errno(struct failure *failure, enum exit_code code, const char *format, ...)
{
    int saved = errno;
    va_list arguments;
    size_t used;

    failure->code = code;
    va_start(arguments, format);
    vsnprintf(failure->sentence, sizeof(failure->sentence), format, arguments);
    va_end(arguments);
    utf8_tame(failure->sentence);
    used = strlen(failure->sentence);
    snprintf(failure->sentence + used, sizeof(failure->sentence) - used, ": %s", strerror(saved));
    errno = saved;
    return false;
}
