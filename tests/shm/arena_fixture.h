/* SPDX-License-Identifier: MPL-2.0
 *
 * An arena of this test process, under a name of its own, removed again at the end.
 */
#ifndef FAIRVISOR_TESTS_SHM_ARENA_FIXTURE_H
#define FAIRVISOR_TESTS_SHM_ARENA_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "shm/arena.h"

struct arena_fixture {
    char instance[ARENA_INSTANCE_SIZE];
    struct arena arena;
    int fd;
};

static inline void arena_fixture_open(struct arena_fixture *fixture, const char *test, uint64_t size,
                                      const uint64_t hash_key[2])
{
    struct failure failure = {0};

    snprintf(fixture->instance, sizeof(fixture->instance), "test-%s-%d", test, (int)getpid());
    fixture->fd = arena_create(fixture->instance, size, getuid(), getgid(), hash_key, &fixture->arena, &failure);
    ck_assert_msg(fixture->fd >= 0, "%s", failure.sentence);
}

static inline void arena_fixture_close(struct arena_fixture *fixture)
{
    ck_assert(arena_remove(fixture->instance));
    close(fixture->fd);
}

#endif
