/* SPDX-License-Identifier: MPL-2.0
 *
 * write(2) may take less than it was given, or be interrupted before it took anything: neither is an error.
 */
#include "shm/write_whole.h"

#include <errno.h>
#include <unistd.h>

bool write_whole(int fd, const void *bytes, size_t size)
{
    const char *next = bytes;

    while (size > 0) {
        ssize_t written = write(fd, next, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = 0;
        if (written <= 0)
            return false;
        next += written;
        size -= (size_t)written;
    }
    return true;
}
