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

#define CAUSE_SIZE 128 /* kept for the text of errno */

/* Prints into the first SIZE bytes of the sentence; one that does not fit ends in "...". */
static void print(struct failure *failure, size_t size, const char *format, va_list arguments)
{
    int length = vsnprintf(failure->sentence, size, format, arguments);

    if (length >= (int)size)
        memcpy(failure->sentence + size - sizeof("..."), "...", sizeof("..."));
    utf8_tame(failure->sentence);
}

bool failure_set(struct failure *failure, enum exit_code code, const char *format, ...)
{
    va_list arguments;

    failure->code = code;
    va_start(arguments, format);
    print(failure, sizeof(failure->sentence), format, arguments);
    va_end(arguments);
    return false;
}

bool failure_set_errno(struct failure *failure, enum exit_code code, const char *format, ...)
{
    int saved = errno;
    va_list arguments;
    size_t used;

    failure->code = code;
    va_start(arguments, format);
    print(failure, sizeof(failure->sentence) - CAUSE_SIZE, format, arguments);
    va_end(arguments);
    used = strlen(failure->sentence);
    snprintf(failure->sentence + used, sizeof(failure->sentence) - used, ": %s", strerror(saved));
    errno = saved;
    return false;
}
