/* SPDX-License-Identifier: MPL-2.0
 *
 * Pidfile and instance lock. The lock is one of the open file description (fcntl(2), F_OFD_SETLK): like flock(2) it
 * survives fork and exec in whoever has the descriptor, and unlike it, others can ask whether it is held without taking
 * it.
 */
#include "master/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "master/folders.h"
#include "shm/owner.h"

#define PIDFILE_TEXT_SIZE 32
#define DEAD_HOLDER_TRIES 500
#define DEAD_HOLDER_NS    10000000 /* between two of them */

static pid_t read_pid(int fd)
{
    char text[PIDFILE_TEXT_SIZE];
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    char *end;
    long pid;

    if (size <= 0)
        return 0;
    text[size] = '\0';
    errno = 0;
    pid = strtol(text, &end, 10);
    if (errno != 0 || end == text || (*end != '\n' && *end != '\0') || pid <= 1 || pid > INT_MAX)
        return 0;
    return (pid_t)pid;
}

bool pidfile_write(const char *path, pid_t pid, struct failure *failure)
{
    char text[PIDFILE_TEXT_SIZE];
    int length = snprintf(text, sizeof(text), "%d\n", (int)pid);

    if (folders_replace_file(path, text, (size_t)length, 0644, getegid(), failure))
        return true;
    failure->code = EXIT_CODE_PIDFILE;
    return false;
}

pid_t pidfile_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    pid_t pid;

    if (fd < 0)
        return 0;
    pid = read_pid(fd);
    close(fd);
    return pid;
}

void pidfile_remove(const char *path, pid_t pid)
{
    if (pidfile_read(path) == pid)
        unlink(path);
}

bool pidfile_old_name(const char *path, char *old, size_t size)
{
    int length = snprintf(old, size, "%s.oldbin", path);

    return length > 0 && (size_t)length < size;
}

static bool lock_name(const struct settings *settings, char *name, size_t size, struct failure *failure)
{
    int length = snprintf(name, size, "%s/%s.lock", settings->runtime_dir, settings->instance);

    if (length > 0 && (size_t)length < size)
        return true;
    return failure_set(failure, EXIT_CODE_BAD_CONFIG, "runtime_dir and instance together are too long for a path");
}

static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

/* A master that is killed leaves the lock to a child that it had just made, which lets it go with all it has inherited as soon as
 * it runs. So a lock whose holder is dead is waited for. */
static bool lock_unless_held(int fd)
{
    const struct timespec pause = {.tv_nsec = DEAD_HOLDER_NS};
    struct flock lock = whole_file(F_WRLCK);

    for (int i = 0; i < DEAD_HOLDER_TRIES; i++) {
        pid_t holder;

        if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
            return true;
        if (errno != EAGAIN && errno != EACCES)
            return false;
        holder = read_pid(fd);
        if (holder == 0 || kill(holder, 0) == 0 || errno != ESRCH)
            break;
        nanosleep(&pause, NULL);
    }
    errno = EAGAIN;
    return false;
}

/* Whoever else may open the file could hold the lock, and what is written into a second name of another file changes that one. */
static bool is_own_file(int fd)
{
    struct stat facts;

    return fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_nlink <= 1 && owner_is_trusted(facts.st_uid) &&
           !(facts.st_mode & S_IWOTH);
}

/* O_NONBLOCK: a fifo must be refused, not waited for. */
static int open_lock(const char *name, struct failure *failure)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);

    if (fd >= 0 && is_own_file(fd))
        return fd;
    if (fd >= 0 || errno == ELOOP || errno == EISDIR || errno == ENXIO)
        failure_set(failure, EXIT_CODE_PIDFILE,
                    "the lock file %s is no file of ours, but a link, a folder, a fifo or a file that others own or may write to: "
                    "find out who made it, remove it, and start again", name);
    else
        failure_set_errno(failure, errno == EACCES ? EXIT_CODE_PERMISSION : EXIT_CODE_PIDFILE,
                          "the lock file %s could not be opened", name);
    if (fd >= 0)
        close(fd);
    return -1;
}

int pidfile_lock(const struct settings *settings, struct failure *failure)
{
    char name[PATH_MAX];
    int fd;

    if (!lock_name(settings, name, sizeof(name), failure))
        return -1;
    fd = open_lock(name, failure);
    if (fd < 0)
        return -1;
    if (lock_unless_held(fd) && pidfile_sign_lock(fd, getpid()))
        return fd;
    if (errno == EAGAIN || errno == EACCES)
        failure_set(failure, EXIT_CODE_PIDFILE,
                    "the instance '%s' is running already, as process %d: stop it, or choose another `instance`",
                    settings->instance, (int)read_pid(fd));
    else
        failure_set_errno(failure, EXIT_CODE_PIDFILE, "the lock file %s could not be locked", name);
    close(fd);
    return -1;
}

bool pidfile_adopt_lock(const struct settings *settings, int fd, struct failure *failure)
{
    char name[PATH_MAX];
    struct stat named, inherited;
    struct flock lock = whole_file(F_WRLCK);

    if (!lock_name(settings, name, sizeof(name), failure))
        return false;
    if (stat(name, &named) == 0 && fstat(fd, &inherited) == 0 && named.st_dev == inherited.st_dev &&
        named.st_ino == inherited.st_ino && fcntl(fd, F_OFD_SETLK, &lock) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return true;
    return failure_set(failure, EXIT_CODE_PIDFILE,
                       "the running master did not pass on its lock %s: is it of this instance?", name);
}

/* Always as long as the longest, in one write over the old one: a reader must never meet half a number, or none. */
bool pidfile_sign_lock(int fd, pid_t pid)
{
    char text[PIDFILE_TEXT_SIZE];
    int length = snprintf(text, sizeof(text), "%10d\n", (int)pid);

    return pwrite(fd, text, (size_t)length, 0) == length;
}

pid_t pidfile_find_holder(const struct settings *settings)
{
    char name[PATH_MAX];
    struct failure failure;
    struct flock lock = whole_file(F_WRLCK);
    pid_t pid = 0;
    int fd;

    if (!lock_name(settings, name, sizeof(name), &failure))
        return 0;
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        pid = read_pid(fd);
    close(fd);
    return pid;
}
