/* SPDX-License-Identifier: MPL-2.0
 *
 * Opens the bundle file once and trusts only what fstat(2) and read(2) say about that one open file.
 */
#include "master/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/digest.h"
#include "policy/load.h"

#define SOURCE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Reads until the end of the file or SIZE bytes; the number read, or -1. */
static ssize_t read_up_to(int fd, char *bytes, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(fd, bytes + used, size - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static bool read_open_file(int fd, const char *path, struct source *source, struct failure *failure)
{
    struct stat facts;
    ssize_t got;

    if (fstat(fd, &facts) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the bundle %s could not be looked at", path);
    if (!S_ISREG(facts.st_mode))
        return failure_set(failure, EXIT_CODE_BAD_BUNDLE, "the bundle %s is not a regular file", path);
    if ((uint64_t)facts.st_size > LOAD_MAX_BYTES)
        return failure_set(failure, EXIT_CODE_BAD_BUNDLE, "the bundle %s has %lld bytes; at most %llu are taken", path,
                           (long long)facts.st_size, (unsigned long long)LOAD_MAX_BYTES);
    source->size = (size_t)facts.st_size;
    source->bytes = malloc(source->size + 1);
    if (source->bytes == NULL)
        return failure_set(failure, EXIT_CODE_OS, "there is no memory for the %zu bytes of %s", source->size, path);
    got = read_up_to(fd, source->bytes, source->size + 1); /* one more, to notice a file that grows */
    if (got < 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the bundle %s could not be read", path);
    if ((size_t)got != source->size)
        return failure_set(failure, EXIT_CODE_BAD_BUNDLE,
                           "the bundle %s changed while it was read: write a new file and rename it over the old one",
                           path);
    return true;
}

bool source_read(const char *path, struct source *source, struct failure *failure)
{
    /* O_NONBLOCK: a fifo must be refused, not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool is_read;

    *source = (struct source){0};
    if (fd < 0)
        return failure_set_errno(failure, errno == EACCES || errno == EPERM ? EXIT_CODE_PERMISSION : EXIT_CODE_NO_INPUT,
                                 "the bundle %s (setting `config_file`) could not be opened", path);
    is_read = read_open_file(fd, path, source, failure);
    close(fd);
    if (!is_read) {
        source_free(source);
        return false;
    }
    if (digest_hex((struct slice){source->bytes, source->size}, source->digest))
        return true;
    source_free(source);
    return failure_set(failure, EXIT_CODE_OS, "libcrypto cannot make the digest of %s", path);
}

/* Only memory can be sealed: reading it waits for nobody. */
static bool is_sealed_memory(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & SOURCE_SEALS) == SOURCE_SEALS && lseek(fd, 0, SEEK_SET) == 0;
}

bool source_take(int fd, struct source *source, struct failure *failure)
{
    bool is_read;

    *source = (struct source){.is_pushed = true};
    if (!is_sealed_memory(fd))
        return failure_set(failure, EXIT_CODE_USAGE, "a bundle is handed over in sealed memory");
    is_read = read_open_file(fd, source_name(source, NULL), source, failure);
    if (is_read && digest_hex((struct slice){source->bytes, source->size}, source->digest))
        return true;
    source_free(source);
    return !is_read ? false : failure_set(failure, EXIT_CODE_OS, "libcrypto cannot make the digest of the bundle");
}

const char *source_name(const struct source *source, const char *path)
{
    return source->is_pushed ? "that was pushed" : path;
}

void source_free(struct source *source)
{
    free(source->bytes);
    source->bytes = NULL;
    source->size = 0;
}
