/* SPDX-License-Identifier: MPL-2.0
 *
 * The policy bundle in a sealed memfd: written once by the master, mapped by every worker. Seals are checked on both
 * sides, for a reader must know that nobody can change the bytes under its feet.
 */
#include "shm/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/write_whole.h"

#define SEALED_MAGIC UINT32_C(0x66766231) /* "fvb1" */
#define SEALED_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int sealed_create(uint32_t generation, int64_t loaded_at_ns, const char *digest, struct slice bytes)
{
    struct sealed_header header = {
        .magic = SEALED_MAGIC, .generation = generation, .length = bytes.size, .loaded_at_ns = loaded_at_ns};
    size_t length = strnlen(digest, sizeof(header.digest) - 1);
    int fd = memfd_create("fairvisor-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int saved;

    if (fd < 0)
        return -1;
    memcpy(header.digest, digest, length);
    if (write_whole(fd, &header, sizeof(header)) && write_whole(fd, bytes.data, bytes.size) &&
        fcntl(fd, F_ADD_SEALS, SEALED_SEALS) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool refuse(void *mapping, size_t size)
{
    if (mapping)
        munmap(mapping, size);
    errno = EPROTO;
    return false;
}

bool sealed_map(int fd, struct sealed *sealed)
{
    struct stat facts;
    void *mapping;
    const struct sealed_header *header;
    int seals = fcntl(fd, F_GET_SEALS);
    size_t size;

    if (seals < 0 || (seals & SEALED_SEALS) != SEALED_SEALS)
        return refuse(NULL, 0);
    if (fstat(fd, &facts) != 0)
        return false;
    if (facts.st_size < (off_t)sizeof(*header))
        return refuse(NULL, 0);
    size = (size_t)facts.st_size;
    mapping = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapping == MAP_FAILED)
        return false;
    header = mapping;
    if (header->magic != SEALED_MAGIC || header->length != size - sizeof(*header) ||
        memchr(header->digest, '\0', sizeof(header->digest)) == NULL)
        return refuse(mapping, size);
    sealed->header = header;
    sealed->bytes = (struct slice){(const char *)mapping + sizeof(*header), (size_t)header->length};
    return true;
}
