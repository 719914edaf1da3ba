/* SPDX-License-Identifier: MPL-2.0
 *
 * Counters on disk: see snapshot.h.
 *
 *   +--------------------------+-----------------------+--------------------------------+
 *   | struct file_header       | struct cell, any      | struct file_trailer: count and |
 *   |                          | number of times       | checksum of all before it      |
 *   +--------------------------+-----------------------+--------------------------------+
 */
#include "shm/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/arena_layout.h"
#include "shm/owner.h"
#include "shm/siphash.h"
#include "shm/write_whole.h"

#define SNAPSHOT_MAGIC   UINT64_C(0x31736e6170737666) /* "fvspans1" */
#define BOOT_ID_SIZE     40
#define SNAPSHOT_MAX     (UINT64_C(64) << 30)

struct file_header {
    uint64_t magic;
    uint64_t cell_layout; /* size of a cell, number of kinds and form of keys: another build's file is foreign */
    char instance[ARENA_INSTANCE_SIZE];
    uint64_t hash_key[2];
    char boot_id[BOOT_ID_SIZE];
    int64_t wall_ns;
    int64_t boot_ns;
};

struct file_trailer {
    uint64_t count;
    uint64_t checksum[2];
};

struct snapshot {
    struct file_header header;
    uint64_t count;
    const struct cell *cells;
    unsigned char *bytes; /* the whole file */
};

static uint64_t cell_layout(void)
{
    return sizeof(struct cell) | (uint64_t)CELL_KINDS << 32 | (uint64_t)CELL_KEY_FORM << 48;
}

/* Not a secret: it finds torn and altered files, the file's mode keeps others from forging one. */
static void checksum_init(struct siphash *hash)
{
    static const uint64_t key[2] = {SNAPSHOT_MAGIC, 0};

    siphash_init(hash, key);
}

static void read_boot_id(char boot_id[BOOT_ID_SIZE])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;

    memset(boot_id, 0, BOOT_ID_SIZE);
    if (fd >= 0) {
        got = read(fd, boot_id, BOOT_ID_SIZE - 1);
        close(fd);
    }
    if (got > 0 && boot_id[got - 1] == '\n')
        boot_id[got - 1] = '\0';
}

/* ---- write -------------------------------------------------------------------------------------------------------- */

struct writer {
    int fd;
    struct siphash checksum;
    uint64_t count;
};

static bool append(struct writer *writer, const void *data, size_t size)
{
    siphash_update(&writer->checksum, data, size);
    return write_whole(writer->fd, data, size);
}

/* Copies the live cells of one stripe, without its lock: whoever writes snapshots may have more rights than the workers who write
 * into the mutex. */
static bool append_stripe(struct writer *writer, const struct stripe *stripe, struct moment now)
{
    struct cell live[STRIPE_CELLS];
    size_t count = 0;

    for (uint32_t i = 0; i < STRIPE_CELLS; i++)
        if (stripe_copy_cell(stripe, i, &live[count]) && !cell_is_reusable(&live[count], now))
            count++;
    writer->count += count;
    return count == 0 || append(writer, live, count * sizeof(live[0]));
}

static bool write_body(struct writer *writer, const struct arena *arena, const char *instance, struct moment now)
{
    struct file_header header = {.magic = SNAPSHOT_MAGIC, .cell_layout = cell_layout(), .wall_ns = now.wall_ns,
                                 .boot_ns = now.boot_ns};
    struct file_trailer trailer = {0};

    checksum_init(&writer->checksum);
    snprintf(header.instance, sizeof(header.instance), "%s", instance);
    memcpy(header.hash_key, arena_hash_key(arena), sizeof(header.hash_key));
    read_boot_id(header.boot_id);
    if (!append(writer, &header, sizeof(header)))
        return false;
    for (uint32_t i = 0; i < arena->stripe_count; i++)
        if (!append_stripe(writer, arena_stripe(arena, i), now))
            return false;
    trailer.count = writer->count;
    siphash_update(&writer->checksum, &trailer.count, sizeof(trailer.count));
    siphash_final(&writer->checksum, trailer.checksum);
    return write_whole(writer->fd, &trailer, sizeof(trailer)) && fsync(writer->fd) == 0;
}

static bool sync_folder(const char *path)
{
    char copy[PATH_MAX];
    int fd;
    bool ok;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

/* Without a last one (it was refused and set aside) the one before is all there is: it stays. A file system without hard
 * links has no last one for a moment; then a start takes the one before. */
static bool keep_last(const char *path, const char *previous)
{
    if (link(path, previous) == 0 || errno == ENOENT)
        return true;
    if (errno == EEXIST && unlink(previous) == 0 && link(path, previous) == 0)
        return true;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK)
        return false;
    return rename(path, previous) == 0 || errno == ENOENT;
}

/* Puts the finished TEMPORARY in the place of PATH, which is kept as the previous one. */
static bool replace(const char *temporary, const char *path)
{
    char previous[PATH_MAX];

    if (snprintf(previous, sizeof(previous), "%s.previous", path) >= (int)sizeof(previous)) {
        errno = ENAMETOOLONG;
        return false;
    }
    return keep_last(path, previous) && rename(temporary, path) == 0 && sync_folder(path);
}

bool snapshot_write(const struct arena *arena, const char *instance, const char *path, struct moment now,
                    uint64_t *cells, struct failure *failure)
{
    struct writer writer = {.fd = -1};
    char temporary[PATH_MAX];
    bool ok;

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
        return failure_set(failure, EXIT_CODE_OS, "the snapshot's name is too long: %s", path);
    unlink(temporary);
    writer.fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (writer.fd < 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot create the snapshot %s", temporary);
    ok = write_body(&writer, arena, instance, now);
    if (!ok)
        failure_set_errno(failure, EXIT_CODE_OS, "cannot write the snapshot %s", temporary);
    if (close(writer.fd) && ok)
        ok = failure_set_errno(failure, EXIT_CODE_OS, "cannot write the snapshot %s", temporary);
    if (ok && !replace(temporary, path))
        ok = failure_set_errno(failure, EXIT_CODE_OS, "cannot put the snapshot in its place at %s", path);
    if (!ok)
        unlink(temporary);
    *cells = writer.count;
    return ok;
}

/* ---- read --------------------------------------------------------------------------------------------------------- */

static bool read_whole(int fd, struct snapshot *snapshot, uint64_t size)
{
    uint64_t have = 0;

    snapshot->bytes = malloc(size > 0 ? size : 1);
    if (!snapshot->bytes)
        return false;
    while (have < size) {
        ssize_t got = read(fd, snapshot->bytes + have, size - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        have += (uint64_t)got;
    }
    return true;
}

/* What is wrong with a file of SIZE bytes in memory; NULL when nothing is. */
static const char *find_fault(struct snapshot *snapshot, uint64_t size, const char *instance)
{
    uint64_t body = size - sizeof(struct file_header) - sizeof(struct file_trailer);
    struct file_trailer trailer;
    struct siphash hash;
    uint64_t sum[2];

    memcpy(&snapshot->header, snapshot->bytes, sizeof(snapshot->header));
    if (snapshot->header.magic != SNAPSHOT_MAGIC)
        return "it is not a snapshot";
    if (snapshot->header.cell_layout != cell_layout())
        return "another version of fairvisor wrote it";
    memcpy(&trailer, snapshot->bytes + size - sizeof(trailer), sizeof(trailer));
    checksum_init(&hash);
    siphash_update(&hash, snapshot->bytes, size - sizeof(trailer));
    siphash_update(&hash, &trailer.count, sizeof(trailer.count));
    siphash_final(&hash, sum);
    if (sum[0] != trailer.checksum[0] || sum[1] != trailer.checksum[1])
        return "its checksum does not hold: it is torn or was altered";
    if (body % sizeof(struct cell) || body / sizeof(struct cell) != trailer.count)
        return "its length does not fit its contents";
    snapshot->header.instance[ARENA_INSTANCE_SIZE - 1] = '\0';
    snapshot->header.boot_id[BOOT_ID_SIZE - 1] = '\0';
    if (snapshot->header.wall_ns < 0 || snapshot->header.wall_ns > INT64_MAX / 2 || snapshot->header.boot_ns < 0 ||
        snapshot->header.boot_ns > INT64_MAX / 4)
        return "its clocks cannot be true";
    if (strcmp(snapshot->header.instance, instance))
        return "it belongs to another instance";
    snapshot->count = trailer.count;
    snapshot->cells = (const struct cell *)(void *)(snapshot->bytes + sizeof(struct file_header));
    return NULL;
}

static bool check(struct snapshot *snapshot, uint64_t size, const char *path, const char *instance, struct failure *failure)
{
    const char *fault;

    if (size < sizeof(struct file_header) + sizeof(struct file_trailer))
        return failure_set(failure, EXIT_CODE_OS, "the snapshot %s was refused: it is too short (%llu bytes)", path,
                           (unsigned long long)size);
    fault = find_fault(snapshot, size, instance);
    if (fault)
        return failure_set(failure, EXIT_CODE_OS, "the snapshot %s was refused: %s", path, fault);
    return true;
}

static bool read_checked(int fd, const char *path, const char *instance, struct snapshot *snapshot,
                         struct failure *failure)
{
    struct stat status;

    if (fstat(fd, &status))
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot look at the snapshot %s", path);
    /* Before a byte of it is read: whoever wrote it names every counter. Its group may have been given rights by a volume's. */
    if (!owner_is_trusted(status.st_uid) || (status.st_mode & S_IWOTH))
        return failure_set(failure, EXIT_CODE_OS,
                           "the snapshot %s was refused: it belongs to user %u, not to us or root, or everybody may write to "
                           "it (mode %04o)", path, (unsigned)status.st_uid, (unsigned)(status.st_mode & 07777));
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > SNAPSHOT_MAX)
        return failure_set(failure, EXIT_CODE_OS, "the snapshot %s was refused: it is not a file of ours", path);
    if (!read_whole(fd, snapshot, (uint64_t)status.st_size))
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot read the snapshot %s", path);
    return check(snapshot, (uint64_t)status.st_size, path, instance, failure);
}

struct snapshot *snapshot_read(const char *path, const char *instance, struct failure *failure)
{
    struct snapshot *snapshot;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        failure_set_errno(failure, errno == ENOENT ? EXIT_CODE_NO_INPUT : EXIT_CODE_OS, "cannot open the snapshot %s",
                          path);
        return NULL;
    }
    snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot) {
        failure_set_errno(failure, EXIT_CODE_OS, "cannot read the snapshot %s", path);
    } else if (!read_checked(fd, path, instance, snapshot, failure)) {
        snapshot_free(snapshot);
        snapshot = NULL;
    }
    close(fd);
    return snapshot;
}

struct snapshot *snapshot_parse(struct slice bytes, const char *path, const char *instance, struct failure *failure)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (snapshot)
        snapshot->bytes = malloc(bytes.size > 0 ? bytes.size : 1);
    if (!snapshot || !snapshot->bytes) {
        failure_set_errno(failure, EXIT_CODE_OS, "cannot read the snapshot %s", path);
    } else {
        if (bytes.size > 0)
            memcpy(snapshot->bytes, bytes.data, bytes.size);
        if (check(snapshot, bytes.size, path, instance, failure))
            return snapshot;
    }
    snapshot_free(snapshot);
    return NULL;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    free(snapshot->bytes);
    free(snapshot);
}

const uint64_t *snapshot_hash_key(const struct snapshot *snapshot)
{
    return snapshot->header.hash_key;
}

int64_t snapshot_taken_at_ns(const struct snapshot *snapshot)
{
    return snapshot->header.wall_ns;
}

/* ---- apply -------------------------------------------------------------------------------------------------------- */

/* What to add to a boot time of the snapshot to make it one of this boot. After a reboot only the wall clock tells how long the
 * machine was away; a wall clock that went back counts as no time at all, so that it never refills. */
static int64_t boot_shift(const struct file_header *header, struct moment now)
{
    char boot_id[BOOT_ID_SIZE];
    int64_t away = now.wall_ns - header->wall_ns;

    read_boot_id(boot_id);
    if (!strcmp(boot_id, header->boot_id) && now.boot_ns >= header->boot_ns)
        return 0;
    return now.boot_ns - header->boot_ns - (away > 0 ? away : 0);
}

static bool put(const struct arena *arena, const struct cell *cell, struct moment now)
{
    struct stripe *stripe = arena_stripe(arena, arena_stripe_of(arena, cell->key));
    uint64_t repaired = 0;
    uint32_t index;

    if (stripe_lock(stripe, &repaired) != STRIPE_LOCKED)
        return false;
    index = stripe_find(stripe, cell->key);
    if (index == STRIPE_NO_CELL)
        index = stripe_find_room(stripe, cell->key, now, NULL, 0);
    if (index != STRIPE_NO_CELL) {
        *stripe_change_begin(stripe, index, cell->key) = *cell;
        stripe_change_end(stripe);
    }
    stripe_unlock(stripe);
    return index != STRIPE_NO_CELL;
}

uint64_t snapshot_apply(const struct snapshot *snapshot, const struct arena *arena, struct moment now, uint64_t *lost)
{
    int64_t shift = boot_shift(&snapshot->header, now);
    uint64_t restored = 0;

    *lost = 0;
    for (uint64_t i = 0; i < snapshot->count; i++) {
        struct cell cell = snapshot->cells[i];

        if (!cell_is_sane(&cell)) {
            (*lost)++;
            continue;
        }
        if (!cell_shift(&cell, shift) || cell_is_reusable(&cell, now))
            continue;
        if (cell_is_sane(&cell) && put(arena, &cell, now))
            restored++;
        else
            (*lost)++;
    }
    return restored;
}
