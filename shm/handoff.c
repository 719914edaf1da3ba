/* SPDX-License-Identifier: MPL-2.0
 *
 * The block that tells a worker who it is, in a sealed memfd: written by the master, read once by the worker.
 */
#include "shm/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/arena.h"

#define HANDOFF_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int handoff_seal(const struct handoff *handoff)
{
    int fd = memfd_create("fairvisor-handoff", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ssize_t written;
    int saved;

    if (fd < 0)
        return -1;
    written = pwrite(fd, handoff, sizeof(*handoff), 0);
    if (written == (ssize_t)sizeof(*handoff) && fcntl(fd, F_ADD_SEALS, HANDOFF_SEALS) == 0)
        return fd;
    saved = written >= 0 && written < (ssize_t)sizeof(*handoff) ? ENOSPC : errno;
    close(fd);
    errno = saved;
    return -1;
}

bool handoff_read(int fd, struct handoff *handoff)
{
    struct stat facts;
    int seals = fcntl(fd, F_GET_SEALS);

    if (fstat(fd, &facts) != 0)
        return false;
    errno = EPROTO;
    if (seals < 0 || (seals & HANDOFF_SEALS) != HANDOFF_SEALS || facts.st_size != (off_t)sizeof(*handoff))
        return false;
    if (pread(fd, handoff, sizeof(*handoff), 0) != (ssize_t)sizeof(*handoff))
        return false;
    errno = EPROTO;
    return handoff->magic == HANDOFF_MAGIC && handoff->size == sizeof(*handoff) &&
           handoff->listener_count <= HANDOFF_MAX_LISTENERS && handoff->slot < ARENA_WORKER_SLOTS;
}
