/* SPDX-License-Identifier: MPL-2.0
 *
 * An arena of this test process, under a name of its own, removed again at the end.
 */
#ifndef FAIRVISOR_TESTS_SHM_ARENA_FIXTURE_H
#define FAIRVISOR_TESTS_SHM_ARENA_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/arena.h"

struct arena_fixture {
    char instance[ARENA_INSTANCE_SIZE];
    struct arena arena;
    int fd;
};

/* Tests that run beside each other share /dev/shm, of which containers have 64 MiB: who finds no room waits, ten minutes at
 * most, for others to end. The descriptor is the caller's to close. */
static inline int arena_fixture_create(const char *instance, uint64_t size, const uint64_t hash_key[2], struct arena *arena)
{
    struct failure failure = {0};
    int fd = -1;

    for (int i = 0; i < 60000; i++) {
        failure = (struct failure){0};
        fd = arena_create(instance, size, getuid(), getgid(), hash_key, arena, &failure);
        if (fd >= 0 || !strstr(failure.sentence, strerror(ENOSPC)))
            break;
        usleep(10000);
    }
    ck_assert_msg(fd >= 0, "%s", failure.sentence);
    return fd;
}

static inline void arena_fixture_open(struct arena_fixture *fixture, const char *test, uint64_t size,
                                      const uint64_t hash_key[2])
{
    snprintf(fixture->instance, sizeof(fixture->instance), "test-%s-%d", test, (int)getpid());
    fixture->fd = arena_fixture_create(fixture->instance, size, hash_key, &fixture->arena);
}

static inline void arena_fixture_close(struct arena_fixture *fixture)
{
    ck_assert(arena_remove(fixture->instance));
    munmap(fixture->arena.header, fixture->arena.size); /* or a test with many of them would keep the memory of all */
    close(fixture->fd);
}

#endif
