/* SPDX-License-Identifier: MPL-2.0
 *
 * Makes and checks the runtime and the state folder, and replaces files in them as a whole.
 */
#include "master/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/owner.h"
#include "shm/write_whole.h"

static bool make_parents(const char *path, mode_t mode)
{
    char partial[SETTINGS_PATH_SIZE];
    size_t length = strnlen(path, sizeof(partial));

    if (length == sizeof(partial)) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, i == length ? mode : (mode | 0055) & (geteuid() == 0 ? 0755 : 0700)) != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

static enum exit_code code_of_errno(void)
{
    return errno == EACCES || errno == EPERM || errno == EROFS ? EXIT_CODE_PERMISSION : EXIT_CODE_OS;
}

static bool make_folder(const char *setting, const char *path, mode_t mode, struct failure *failure)
{
    struct stat facts, link;

    if (!make_parents(path, mode) || stat(path, &facts) != 0 || lstat(path, &link) != 0)
        return failure_set_errno(failure, code_of_errno(), "the folder %s (setting `%s`) could not be made", path,
                                 setting);
    if (!S_ISDIR(facts.st_mode))
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "%s (setting `%s`) is not a folder", path, setting);
    if (S_ISLNK(link.st_mode) && !owner_is_trusted(link.st_uid)) /* he could let it point elsewhere later */
        return failure_set(failure, EXIT_CODE_PERMISSION,
                           "%s (setting `%s`) is a symbolic link of user %u: it must be ours or root's", path, setting,
                           (unsigned)link.st_uid);
    if (!owner_is_trusted(facts.st_uid))
        return failure_set(failure, EXIT_CODE_PERMISSION,
                           "the folder %s (setting `%s`) belongs to user %u: it must be ours or root's", path, setting,
                           (unsigned)facts.st_uid);
    if (facts.st_mode & S_IWOTH)
        return failure_set(failure, EXIT_CODE_PERMISSION,
                           "everybody may write to the folder %s (setting `%s`): take that right away with chmod o-w",
                           path, setting);
    return true;
}

bool folders_make(const struct settings *settings, struct failure *failure)
{
    bool is_root = geteuid() == 0;
    mode_t saved = umask(0);
    bool made = make_folder("runtime_dir", settings->runtime_dir, is_root ? 0755 : 0700, failure) &&
                make_folder("state_dir", settings->state_dir, is_root ? 0750 : 0700, failure);

    umask(saved);
    return made;
}

static bool sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd, error;

    snprintf(folder, sizeof(folder), "%.*s", slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    errno = error;
    return error == 0;
}

bool folders_prepare_file(const char *path, const void *bytes, size_t size, const struct folders_facts *facts,
                          char temporary[FOLDERS_PATH_SIZE], struct failure *failure)
{
    int fd, length = snprintf(temporary, FOLDERS_PATH_SIZE, "%s" FOLDERS_TEMPORARY, path);
    bool written;

    if (length < 0 || (size_t)length >= FOLDERS_PATH_SIZE)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "the path %s is too long", path);
    unlink(temporary); /* of a master that died while writing */
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failure_set_errno(failure, code_of_errno(), "%s could not be created%s", temporary,
                                 errno == EEXIST ? ", for it is there, and no file that can be removed: move it away" : "");
    /* We may lack the right to give files away; then they stay with our own user and group. */
    written = (fchown(fd, facts->user, facts->group) == 0 || errno == EPERM) && fchmod(fd, facts->mode) == 0 &&
              write_whole(fd, bytes, size) && (!facts->is_durable || fsync(fd) == 0);
    if (close(fd) == 0 && written)
        return true;
    failure_set_errno(failure, code_of_errno(), "%s could not be written", path);
    unlink(temporary);
    return false;
}

bool folders_commit_file(const char *temporary, const char *path, bool is_durable, struct failure *failure)
{
    if (rename(temporary, path) == 0 && (!is_durable || sync_folder(path)))
        return true;
    failure_set_errno(failure, code_of_errno(), "%s could not be written", path);
    unlink(temporary);
    return false;
}

static bool replace(const char *path, const void *bytes, size_t size, const struct folders_facts *facts,
                    struct failure *failure)
{
    char temporary[FOLDERS_PATH_SIZE];

    return folders_prepare_file(path, bytes, size, facts, temporary, failure) &&
           folders_commit_file(temporary, path, facts->is_durable, failure);
}

bool folders_replace_file(const char *path, const void *bytes, size_t size, unsigned mode, unsigned gid,
                          struct failure *failure)
{
    struct folders_facts facts = {.mode = (mode_t)mode, .user = (uid_t)-1, .group = (gid_t)gid};

    return replace(path, bytes, size, &facts, failure);
}

bool folders_keep_file(const char *path, const void *bytes, size_t size, struct failure *failure)
{
    struct folders_facts facts = {.mode = 0600, .user = (uid_t)-1, .group = (gid_t)-1, .is_durable = true};

    return replace(path, bytes, size, &facts, failure);
}
