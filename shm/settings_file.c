/* SPDX-License-Identifier: MPL-2.0
 *
 * The bytes of a settings file: see settings_file.h.
 */
#include "shm/settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_SIZE (1u << 20)

static bool refuse_file(const char *path, struct failure *failure)
{
    enum exit_code code = errno == ENOENT || errno == ENOTDIR ? EXIT_CODE_NO_INPUT
                          : errno == EACCES || errno == EPERM ? EXIT_CODE_PERMISSION
                                                              : EXIT_CODE_OS;

    return failure_set_errno(failure, code, "the configuration file %s cannot be read", path);
}

/* The open file of PATH; -1. O_NONBLOCK: a fifo must be refused, not waited for. */
static int open_file(const char *path, struct failure *failure)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat facts;

    if (fd < 0 || fstat(fd, &facts) != 0)
        refuse_file(path, failure);
    else if (!S_ISFIFO(facts.st_mode))
        return fd;
    else
        failure_set(failure, EXIT_CODE_BAD_CONFIG, "the configuration file %s is a fifo, not a file", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool settings_file_read(const char *path, char **text, size_t *size, struct failure *failure)
{
    int fd = open_file(path, failure);
    ssize_t got = 1;

    *text = NULL;
    *size = 0;
    if (fd < 0)
        return false;
    *text = malloc(MAX_FILE_SIZE + 1);
    while (*text && got > 0 && *size <= MAX_FILE_SIZE) {
        got = read(fd, *text + *size, MAX_FILE_SIZE + 1 - *size);
        if (got > 0)
            *size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    if (!*text || got < 0)
        refuse_file(path, failure);
    close(fd);
    if (!*text || got < 0)
        return false;
    if (*size > MAX_FILE_SIZE)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "the configuration file %s is larger than %u bytes", path,
                           MAX_FILE_SIZE);
    return true;
}
