/* SPDX-License-Identifier: MPL-2.0
 *
 * Making, opening and checking the arena: see arena.h for the drawing.
 */
#include "shm/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/arena_layout.h"
#include "shm/survey.h"

#define STATUS_READ_TRIES 1000

void arena_name(const char *instance, char *name, size_t size)
{
    snprintf(name, size, "/fairvisor-%s", instance);
}

/* ---- mapping ------------------------------------------------------------------------------------------------------ */

/* Maps FD as it is; the caller checks the header. */
static bool map_all(int fd, uint64_t size, bool writable, struct arena *arena, struct failure *failure)
{
    void *base = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED)
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot map %llu bytes of shared memory",
                                 (unsigned long long)size);
    /* Core dumps are for debugging our code, not for tenants' counters and the hash key. */
    madvise(base, size, MADV_DONTDUMP);
    arena->is_writable = writable;
    arena_layout_divide(arena, base, size);
    return true;
}

/* ---- whose it is ------------------------------------------------------------------------------------------------- */

bool arena_claim(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_SETLK, &lock) == 0;
}

bool arena_find_claim(const char *instance, int32_t *pid)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char name[ARENA_INSTANCE_SIZE + 16];
    bool is_claimed;
    int fd;

    arena_name(instance, name, sizeof(name));
    fd = shm_open(name, O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0)
        return false;
    is_claimed = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    *pid = is_claimed ? (int32_t)lock.l_pid : 0;
    close(fd);
    return is_claimed;
}

static void print_path(const char *instance, char *path, size_t size)
{
    /* shm_open(3) keeps its objects here on Linux, and neither renames them nor tells which one has a name. */
    snprintf(path, size, "/dev/shm/fairvisor-%s", instance);
}

bool arena_has_name(const char *instance, int fd)
{
    char path[ARENA_INSTANCE_SIZE + 32];
    struct stat named, opened;

    print_path(instance, path, sizeof(path));
    return lstat(path, &named) == 0 && fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

/* ---- create ------------------------------------------------------------------------------------------------------- */

static bool write_header(struct arena *arena, const uint64_t hash_key[2], struct failure *failure)
{
    struct arena_header *header = arena->header;

    if (hash_key)
        memcpy(header->hash_key, hash_key, sizeof(header->hash_key));
    else if (getrandom(header->hash_key, sizeof(header->hash_key), 0) != (ssize_t)sizeof(header->hash_key))
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot get random bytes for the arena's hash key");
    for (uint32_t i = 0; i < arena->stripe_count; i++) {
        int error = stripe_init(arena_stripe(arena, i));

        if (error) {
            errno = error;
            return failure_set_errno(failure, EXIT_CODE_OS, "cannot make a robust shared mutex");
        }
    }
    header->layout = arena_layout_hash();
    header->size = arena->size;
    header->series_count = arena->series_count;
    header->stripe_count = arena->stripe_count;
    header->event_count = arena->event_count;
    atomic_store_explicit(&header->magic, ARENA_MAGIC, memory_order_release);
    return true;
}

/* Gives the object its owner, its mode and every one of its pages. */
static bool reserve(int fd, uint64_t size, unsigned uid, unsigned gid, struct failure *failure)
{
    int error;

    if (fchmod(fd, 0600) || (geteuid() == 0 && fchown(fd, uid, gid)))
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot give the shared memory its owner and mode");
    error = posix_fallocate(fd, 0, (off_t)size);
    if (error) {
        errno = error;
        return failure_set_errno(failure, EXIT_CODE_OS,
                                 "cannot reserve %llu MiB of shared memory; free space in /dev/shm (container: --shm-size)"
                                 " or lower shared_dict_size",
                                 (unsigned long long)(size >> 20));
    }
    return true;
}

int arena_create(const char *instance, uint64_t size, unsigned uid, unsigned gid, const uint64_t hash_key[2],
                 struct arena *arena, struct failure *failure)
{
    char name[ARENA_INSTANCE_SIZE + 16];
    int fd;

    if (size < ARENA_MIN_SIZE) {
        failure_set(failure, EXIT_CODE_BAD_CONFIG, "shared_dict_size is %llu bytes; at least %llu are needed",
                    (unsigned long long)size, (unsigned long long)ARENA_MIN_SIZE);
        return -1;
    }
    size &= ~UINT64_C(4095);
    arena_name(instance, name, sizeof(name));
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        failure_set_errno(failure, EXIT_CODE_OS, "cannot create the shared memory object %s", name);
        return -1;
    }
    /* Claimed before it is whole: whoever starts beside us must not take it for one that was left unfinished. */
    if (!arena_claim(fd))
        failure_set_errno(failure, EXIT_CODE_OS, "cannot claim the shared memory object %s", name);
    else if (reserve(fd, size, uid, gid, failure) && map_all(fd, size, true, arena, failure) &&
             write_header(arena, hash_key, failure)) {
        if (arena_has_name(instance, fd))
            return fd;
        failure_set(failure, EXIT_CODE_OS, "the shared memory object %s was taken away while it was made", name);
    }
    if (arena_has_name(instance, fd))
        shm_unlink(name);
    close(fd);
    return -1;
}

bool arena_make_private(uint64_t size, struct arena *arena, struct failure *failure)
{
    void *base;

    size &= ~UINT64_C(4095);
    if (size < ARENA_MIN_SIZE)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "shared_dict_size is %llu bytes; at least %llu are needed",
                           (unsigned long long)size, (unsigned long long)ARENA_MIN_SIZE);
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot get %llu MiB of memory", (unsigned long long)(size >> 20));
    arena->is_writable = true;
    arena_layout_divide(arena, base, size);
    return write_header(arena, NULL, failure);
}

/* ---- open --------------------------------------------------------------------------------------------------------- */

/* Every field that later code relies on, compared with what this build and the object's true size say. */
static bool check_header(const struct arena *arena, struct failure *failure)
{
    const struct arena_header *header = arena->header;
    const char *what = NULL;

    if (atomic_load_explicit(&header->magic, memory_order_acquire) != ARENA_MAGIC)
        what = "it was never finished, or is not an arena";
    else if (header->layout != arena_layout_hash())
        what = "another version of fairvisor laid it out";
    else if (header->size != arena->size || header->series_count != arena->series_count ||
             header->stripe_count != arena->stripe_count || header->event_count != arena->event_count)
        what = "its sizes contradict each other";
    if (!what)
        return true;
    return failure_set(failure, EXIT_CODE_OS, "the shared memory of this instance cannot be used: %s", what);
}

/* Everybody may put a file into /dev/shm, write into it what he likes and make it shorter while it is read: nothing in it is looked
 * at before its owner is. A second name in there, a hard link, would be another instance's. */
static bool check_owner(int fd, unsigned owner, struct failure *failure)
{
    struct stat status;

    if (fstat(fd, &status))
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot look at the shared memory of this instance");
    if (status.st_uid != owner && status.st_uid != geteuid() && status.st_uid != 0)
        return failure_set(failure, EXIT_CODE_PERMISSION,
                           "the shared memory of this instance cannot be used: it belongs to user %u, not to the workers' %u "
                           "(setting `user`); if that user has started the instance, run this as him, or name his folder in "
                           "FAIRVISOR_RUNTIME_DIR",
                           (unsigned)status.st_uid, owner);
    if (!S_ISREG(status.st_mode))
        return failure_set(failure, EXIT_CODE_OS, "the shared memory of this instance cannot be used: it is not a regular file");
    if (status.st_nlink > 1)
        return failure_set(failure, EXIT_CODE_OS,
                           "the shared memory of this instance cannot be used: it has more than one name (hard links)");
    return true;
}

/* Maps and checks FD, which must be a regular shared memory object of a sane size that nobody else may write. */
static bool map_checked(int fd, bool writable, struct arena *arena, struct failure *failure)
{
    struct stat status;

    if (fstat(fd, &status))
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot look at the shared memory of this instance");
    if (!S_ISREG(status.st_mode) || (status.st_mode & 0077) || (uint64_t)status.st_size < ARENA_MIN_SIZE ||
        status.st_size % 4096)
        return failure_set(failure, EXIT_CODE_OS,
                           "the shared memory of this instance cannot be used: its mode (%04o) or size (%lld) is not ours",
                           (unsigned)(status.st_mode & 07777), (long long)status.st_size);
    if (!map_all(fd, (uint64_t)status.st_size, writable, arena, failure))
        return false;
    if (check_header(arena, failure))
        return true;
    munmap(arena->header, arena->size);
    return false;
}

int arena_open(const char *instance, unsigned owner, bool writable, struct arena *arena, struct failure *failure)
{
    char name[ARENA_INSTANCE_SIZE + 16];
    int fd;

    arena_name(instance, name, sizeof(name));
    fd = shm_open(name, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) {
        if (errno == EACCES)
            failure_set(failure, EXIT_CODE_PERMISSION,
                        "you may not open the shared memory %s of instance '%s': run this as root or as the workers' user",
                        name, instance);
        else
            failure_set_errno(failure, errno == ENOENT ? EXIT_CODE_NO_INPUT : EXIT_CODE_OS,
                              "cannot open the shared memory %s of instance '%s'", name, instance);
        return -1;
    }
    if (check_owner(fd, owner, failure) && map_checked(fd, writable, arena, failure))
        return fd;
    close(fd);
    return -1;
}

bool arena_map(int fd, struct arena *arena, struct failure *failure)
{
    return map_checked(fd, true, arena, failure);
}

bool arena_remove(const char *instance)
{
    char name[ARENA_INSTANCE_SIZE + 16];

    arena_name(instance, name, sizeof(name));
    return shm_unlink(name) == 0 || errno == ENOENT;
}

bool arena_set_aside(const char *instance)
{
    char from[ARENA_INSTANCE_SIZE + 32], to[ARENA_INSTANCE_SIZE + 48];

    print_path(instance, from, sizeof(from));
    snprintf(to, sizeof(to), "%s.refused", from);
    return rename(from, to) == 0;
}

/* ---- look --------------------------------------------------------------------------------------------------------- */

const uint64_t *arena_hash_key(const struct arena *arena)
{
    return arena->header->hash_key;
}

uint32_t arena_audit(const struct arena *arena, uint64_t *repaired)
{
    uint32_t unusable = 0;

    for (uint32_t i = 0; i < arena->stripe_count; i++) {
        struct stripe *stripe = arena_stripe(arena, i);

        if (stripe_lock(stripe, repaired) != STRIPE_LOCKED) {
            unusable++;
            continue;
        }
        *repaired += stripe_audit(stripe);
        stripe_unlock(stripe);
    }
    return unusable;
}

void arena_publish(const struct arena *arena, const struct arena_status *status)
{
    struct arena_header *header = arena->header;
    uint32_t sequence = atomic_load_explicit(&header->status_sequence, memory_order_relaxed) | 1;

    atomic_store_explicit(&header->status_sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy(&header->status, status, sizeof(*status));
    atomic_store_explicit(&header->status_sequence, sequence + 1, memory_order_release);
}

bool arena_read_status(const struct arena *arena, struct arena_status *status)
{
    const struct arena_header *header = arena->header;

    for (int i = 0; i < STATUS_READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&header->status_sequence, memory_order_acquire);

        memcpy(status, &header->status, sizeof(*status));
        atomic_thread_fence(memory_order_acquire);
        if (!(before & 1) && before == atomic_load_explicit(&header->status_sequence, memory_order_relaxed)) {
            status->policy_version[sizeof(status->policy_version) - 1] = '\0';
            status->policy_hash[sizeof(status->policy_hash) - 1] = '\0';
            return true;
        }
    }
    return false;
}

void arena_measure(const struct arena *arena, struct moment now, struct arena_usage *usage)
{
    struct survey survey = {0};

    survey_step(&survey, arena, now, arena->stripe_count, usage);
}
