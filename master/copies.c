/* SPDX-License-Identifier: MPL-2.0
 *
 * Opens each file once and trusts only what fstat(2) and read(2) say about that one open file.
 */
#include "master/copies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/write_whole.h"

#define SEALS       (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define BUFFER_SIZE 65536
#define NAME_SIZE   64

/* Databases are opened anew, by the number of their descriptor, as the workers' user: so he must have the right. Nobody
 * opens a key set or a certificate again. */
static const struct {
    uint64_t most;
    mode_t mode;
} kinds[SETTINGS_REFERENCES] = {
    [SETTINGS_REFERENCE_COUNTRIES] = {COPIES_MAX_DATABASE, 0444},
    [SETTINGS_REFERENCE_NUMBERS] = {COPIES_MAX_DATABASE, 0444},
    [SETTINGS_REFERENCE_TYPES] = {COPIES_MAX_LIST, 0444},
    [SETTINGS_REFERENCE_TOR] = {COPIES_MAX_LIST, 0444},
    [SETTINGS_REFERENCE_BOTS] = {COPIES_MAX_LIST, 0444},
    [SETTINGS_REFERENCE_TOKEN_KEYS] = {COPIES_MAX_KEYS, 0400},
    [SETTINGS_REFERENCE_TLS_CERT] = {COPIES_MAX_KEYS, 0400},
    [SETTINGS_REFERENCE_TLS_KEY] = {COPIES_MAX_KEYS, 0400},
    [SETTINGS_REFERENCE_BACKEND_CA] = {COPIES_MAX_KEYS, 0400},
};

/* A file on its way. */
struct copying {
    const char *setting, *path;
    uint64_t most;
    mode_t mode;
    int from, to;
    struct failure *failure;
};

static bool check(const struct copying *copying, uint64_t *size)
{
    struct stat facts;

    if (fstat(copying->from, &facts) != 0)
        return failure_set_errno(copying->failure, EXIT_CODE_OS, "the file %s (setting %s) could not be looked at",
                                 copying->path, copying->setting);
    if (!S_ISREG(facts.st_mode))
        return failure_set(copying->failure, EXIT_CODE_BAD_CONFIG, "%s (setting %s) is not a regular file",
                           copying->path, copying->setting);
    *size = (uint64_t)facts.st_size;
    if (*size <= copying->most)
        return true;
    return failure_set(copying->failure, EXIT_CODE_BAD_CONFIG, "%s (setting %s) has %llu bytes; at most %llu are taken",
                       copying->path, copying->setting, (unsigned long long)*size, (unsigned long long)copying->most);
}

/* Copies until the end of the file or one byte more than MOST. */
static bool move_through(const struct copying *copying, uint64_t most, char *buffer, uint64_t *moved)
{
    *moved = 0;
    while (*moved <= most) {
        ssize_t got = read(copying->from, buffer, BUFFER_SIZE);

        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        if (got < 0 || !write_whole(copying->to, buffer, (size_t)got))
            return false;
        *moved += (uint64_t)got;
    }
    return true;
}

static bool move_bytes(const struct copying *copying, uint64_t most, uint64_t *moved)
{
    char buffer[BUFFER_SIZE];
    bool is_moved = move_through(copying, most, buffer, moved);
    int saved = errno;

    explicit_bzero(buffer, sizeof(buffer)); /* of a key set, it holds secrets */
    errno = saved;
    return is_moved;
}

static bool copy(const struct copying *copying)
{
    uint64_t size = 0, moved;

    if (!check(copying, &size))
        return false;
    if (!move_bytes(copying, size, &moved))
        return failure_set_errno(copying->failure, EXIT_CODE_OS, "the file %s (setting %s) could not be copied",
                                 copying->path, copying->setting);
    if (moved != size)
        return failure_set(
            copying->failure, EXIT_CODE_BAD_CONFIG,
            "the file %s (setting %s) changed while it was read: write a new file and rename it over the "
            "old one",
            copying->path, copying->setting);
    if (fchmod(copying->to, copying->mode) != 0 || fcntl(copying->to, F_ADD_SEALS, SEALS) != 0)
        return failure_set_errno(copying->failure, EXIT_CODE_OS, "the copy of %s could not be sealed", copying->path);
    return true;
}

static bool refuse_open(const struct copying *copying)
{
    enum exit_code code = errno == EACCES || errno == EPERM ? EXIT_CODE_PERMISSION : EXIT_CODE_NO_INPUT;

    return failure_set_errno(copying->failure, code, "the file %s (setting %s) could not be opened", copying->path,
                             copying->setting);
}

static bool can_be_read_by_all(int fd)
{
    struct stat facts;

    return fstat(fd, &facts) == 0 && (facts.st_mode & S_IROTH) != 0;
}

/* The descriptor stays -1 when nothing is set. */
static bool make(const struct settings *settings, enum settings_reference which, struct copies *copies,
                 struct failure *failure)
{
    bool is_packaged;
    struct copying copying = {.setting = settings_reference_name(which),
                              .path = settings_reference_path(settings, which, &is_packaged),
                              .most = kinds[which].most,
                              .mode = kinds[which].mode,
                              .failure = failure};
    char name[NAME_SIZE];
    bool is_copied;

    if (!copying.path)
        return true;
    /* O_NONBLOCK: a fifo must be refused, not waited for. */
    copying.from = open(copying.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (copying.from < 0)
        return (is_packaged && errno == ENOENT) || refuse_open(&copying);
    snprintf(name, sizeof(name), "fairvisor-%s", copying.setting);
    copying.to = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (which == SETTINGS_REFERENCE_TLS_KEY)
        copies->shows_key = can_be_read_by_all(copying.from);
    is_copied = copying.to >= 0
                    ? copy(&copying)
                    : failure_set_errno(failure, EXIT_CODE_OS, "a copy of %s could not be made", copying.path);
    close(copying.from);
    if (is_copied)
        copies->fds[which] = copying.to;
    else if (copying.to >= 0)
        close(copying.to);
    return is_copied;
}

bool copies_make(const struct settings *settings, struct copies *copies, struct failure *failure)
{
    copies->shows_key = false;
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        copies->fds[i] = -1;
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        if (!make(settings, (enum settings_reference)i, copies, failure)) {
            copies_close(copies);
            return false;
        }
    return true;
}

void copies_close(struct copies *copies)
{
    for (int i = 0; i < SETTINGS_REFERENCES; i++) {
        if (copies->fds[i] > 0)
            close(copies->fds[i]);
        copies->fds[i] = -1;
    }
}
