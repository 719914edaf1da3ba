/* SPDX-License-Identifier: MPL-2.0
 *
 * A new file beside the old one, forced to the disk, and a rename: see put_back.h.
 */
#include "cli/put_back.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/settings.h"
#include "shm/write_whole.h"

#define NAME_SIZE (SETTINGS_PATH_SIZE + 16)

static bool refuse(const char *path, struct failure *failure)
{
    return failure_set_errno(failure, errno == EACCES || errno == EPERM ? EXIT_CODE_PERMISSION : EXIT_CODE_OS,
                             "%s could not be replaced", path);
}

/* Whose file it is stays as it is. */
static bool fill(const struct stat *before, int fd, struct slice bytes)
{
    return fchown(fd, before->st_uid, before->st_gid) == 0 && fchmod(fd, before->st_mode & 0777) == 0 &&
           write_whole(fd, bytes.data, bytes.size) && fsync(fd) == 0;
}

static bool write_new(const char *path, const struct stat *before, struct slice bytes, char name[NAME_SIZE],
                      struct failure *failure)
{
    bool is_written;
    int fd;

    snprintf(name, NAME_SIZE, "%s.XXXXXX", path);
    fd = mkstemp(name);
    if (fd < 0)
        return refuse(path, failure);
    is_written = fill(before, fd, bytes) || refuse(path, failure);
    close(fd);
    if (!is_written)
        unlink(name);
    return is_written;
}

/* A second name of the old file, where the file system has such: then the first name never is without a file. */
static bool move_old_aside(const char *path, struct failure *failure)
{
    char aside[NAME_SIZE];

    snprintf(aside, sizeof(aside), "%s.replaced", path);
    if (unlink(aside) != 0 && errno != ENOENT)
        return refuse(aside, failure);
    return link(path, aside) == 0 || rename(path, aside) == 0 || refuse(path, failure);
}

bool put_back(const char *path, struct slice bytes, struct failure *failure)
{
    char name[NAME_SIZE];
    struct stat before = {.st_mode = 0640, .st_uid = geteuid(), .st_gid = getegid()};
    bool is_there = lstat(path, &before) == 0;

    if (!is_there && errno != ENOENT)
        return refuse(path, failure);
    if (is_there && !S_ISREG(before.st_mode))
        return failure_set(failure, EXIT_CODE_REFUSED,
                           "config_file %s is not a regular file: whoever manages it must change what it leads to", path);
    if (!write_new(path, &before, bytes, name, failure))
        return false;
    if ((!is_there || move_old_aside(path, failure)) && (rename(name, path) == 0 || refuse(path, failure)))
        return true;
    unlink(name);
    return false;
}
