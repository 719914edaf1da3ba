/* SPDX-License-Identifier: MPL-2.0
 *
 * The text of the upgrade's variable, written and read: see letter.h. Touches no descriptor.
 */
#include "master/letter.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool letter_print(const struct letter *letter, char *text, size_t size)
{
    int used = snprintf(text, size, "lock=%d,report=%d,generation=%u,pid=%d,sockets=", letter->lock_fd,
                        letter->report_fd, letter->generation, (int)letter->pid);

    for (size_t i = 0; i < letter->socket_count && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, i ? "+%d" : "%d", letter->sockets[i]);
    return used > 0 && (size_t)used < size;
}

/* Reads "NAME=number" at *TEXT and steps behind it. */
static bool take_number(const char **text, const char *name, long *number)
{
    size_t length = strlen(name);
    char *end;

    if (strncmp(*text, name, length) != 0)
        return false;
    *text += length;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *number = strtol(*text, &end, 10);
    *text = end;
    return errno == 0 && *number >= 0 && *number <= INT_MAX;
}

static bool take_sockets(const char *text, struct letter *letter)
{
    const char *separator = ",sockets=";

    letter->socket_count = 0;
    while (*text) {
        long number;

        if (letter->socket_count == LETTER_MAX_SOCKETS || !take_number(&text, separator, &number))
            return false;
        letter->sockets[letter->socket_count++] = (int)number;
        separator = "+";
    }
    return letter->socket_count > 0;
}

bool letter_parse(const char *text, struct letter *letter, struct failure *failure)
{
    long lock, report, generation, pid;

    if (!take_number(&text, "lock=", &lock) || !take_number(&text, ",report=", &report) ||
        !take_number(&text, ",generation=", &generation) || !take_number(&text, ",pid=", &pid) ||
        !take_sockets(text, letter))
        return failure_set(failure, EXIT_CODE_USAGE,
                           "the variable " LETTER_VARIABLE " is set but not by a running master: unset it");
    letter->lock_fd = (int)lock;
    letter->report_fd = (int)report;
    letter->generation = (uint32_t)generation;
    letter->pid = (pid_t)pid;
    return true;
}
