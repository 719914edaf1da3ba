/* SPDX-License-Identifier: MPL-2.0
 *
 * The system refuses what the arena asks of it: each refusal is told, and nothing is left behind. The linker puts the functions of
 * this file in front of the C library's.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/arena.h"
#include "shm/arena_layout.h"

#define SMALL (UINT64_C(8) << 20)

static const char *failing = ""; /* the function that fails ... */
static int failing_errno = EACCES; /* ... and why, where errno says it */

/* A function of the C library that returns RESULT when it is the failing one. */
#define FAULTY(type, result, name, parameters, arguments)                                                              \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        if (strcmp(failing, #name) != 0)                                                                               \
            return __real_##name arguments;                                                                            \
        errno = failing_errno;                                                                                         \
        return result;                                                                                                 \
    }

FAULTY(int, -1, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
FAULTY(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
FAULTY(int, -1, fstat, (int fd, struct stat *status), (fd, status))
FAULTY(ssize_t, 7, getrandom, (void *data, size_t size, unsigned flags), (data, size, flags))
FAULTY(void *, MAP_FAILED, mmap, (void *at, size_t size, int may, int flags, int fd, off_t from), (at, size, may, flags, fd, from))
FAULTY(int, -1, shm_open, (const char *name, int flags, mode_t mode), (name, flags, mode))
FAULTY(int, -1, shm_unlink, (const char *name), (name))
FAULTY(int, ENOMEM, pthread_mutexattr_init, (pthread_mutexattr_t *attributes), (attributes))
FAULTY(int, ENOTSUP, pthread_mutexattr_setpshared, (pthread_mutexattr_t *attributes, int value), (attributes, value))
FAULTY(int, ENOTSUP, pthread_mutexattr_setrobust, (pthread_mutexattr_t *attributes, int value), (attributes, value))
FAULTY(int, ENOTSUP, pthread_mutexattr_settype, (pthread_mutexattr_t *attributes, int value), (attributes, value))
FAULTY(int, EAGAIN, pthread_mutex_init, (pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes), (mutex, attributes))
FAULTY(int, EINVAL, pthread_mutex_consistent, (pthread_mutex_t *mutex), (mutex))

static const char *name(void)
{
    static char instance[ARENA_INSTANCE_SIZE];

    snprintf(instance, sizeof(instance), "test-faults-%d", (int)getpid());
    return instance;
}

static int create(struct arena *arena, struct failure *failure)
{
    return arena_create(name(), SMALL, getuid(), getgid(), NULL, arena, failure);
}

static const struct {
    const char *function, *sentence;
    bool only_root; /* nobody else asks for it */
} creations[] = {
    {"shm_open", "cannot create the shared memory object", false},
    {"fchmod", "owner and mode", false},
    {"fchown", "owner and mode", true},
    {"mmap", "cannot map 8388608 bytes", false},
    {"getrandom", "cannot get random bytes", false},
    {"pthread_mutexattr_init", "cannot make a robust shared mutex", false},
    {"pthread_mutexattr_setpshared", "cannot make a robust shared mutex", false},
    {"pthread_mutexattr_setrobust", "cannot make a robust shared mutex", false},
    {"pthread_mutexattr_settype", "cannot make a robust shared mutex", false},
    {"pthread_mutex_init", "cannot make a robust shared mutex", false},
};
#define CREATIONS ((int)(sizeof(creations) / sizeof(creations[0])))

START_TEST(a_creation_that_fails_leaves_nothing)
{
    struct failure failure = {0};
    struct arena arena;

    failing = creations[_i].function;
    if (creations[_i].only_root && geteuid() != 0) {
        ck_assert_int_ge(create(&arena, &failure), 0);
        ck_assert(arena_remove(name()));
        return;
    }
    ck_assert_int_eq(create(&arena, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_OS);
    ck_assert_msg(strstr(failure.sentence, creations[_i].sentence), "%s: %s", failing, failure.sentence);
    failing = "";
    ck_assert_int_eq(arena_open(name(), getuid(), false, &arena, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
}
END_TEST

START_TEST(an_opening_that_fails_is_told)
{
    static const struct {
        const char *function, *sentence;
        int number, code;
    } cases[] = {
        {"shm_open", "you may not open the shared memory", EACCES, EXIT_CODE_PERMISSION},
        {"shm_open", "cannot open the shared memory", EMFILE, EXIT_CODE_OS},
        {"fstat", "cannot look at the shared memory", EIO, EXIT_CODE_OS},
        {"mmap", "cannot map", ENOMEM, EXIT_CODE_OS},
    };
    struct failure failure = {0};
    struct arena arena, again;

    ck_assert_int_ge(create(&arena, &failure), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        failing = cases[i].function;
        failing_errno = cases[i].number;
        ck_assert_int_eq(arena_open(name(), getuid(), true, &again, &failure), -1);
        failing = "";
        ck_assert_int_eq(failure.code, cases[i].code);
        ck_assert_msg(strstr(failure.sentence, cases[i].sentence), "%s", failure.sentence);
    }
    failing_errno = EACCES;
    failing = "shm_unlink";
    ck_assert(!arena_remove(name()));
    failing = "";
    ck_assert(arena_remove(name()));
    ck_assert(arena_remove(name())); /* gone is what was asked for */
}
END_TEST

/* fairvisor(1) makes one of its own memory to try policies in. */
START_TEST(a_private_one_that_fails_is_told)
{
    struct failure failure = {0};
    struct arena arena;

    ck_assert(!arena_make_private(4096, &arena, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    failing = "mmap";
    ck_assert(!arena_make_private(SMALL, &arena, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "cannot get 8 MiB of memory"));
}
END_TEST

/* A lock that cannot be made usable again after its holder died is stuck for ever, which is told each time. */
START_TEST(a_lock_beyond_repair_is_stuck)
{
    struct failure failure = {0};
    struct arena arena;
    struct stripe *stripe;
    uint64_t repaired = 0;
    pid_t child;

    ck_assert_int_ge(create(&arena, &failure), 0);
    ck_assert(arena_remove(name()));
    stripe = arena_stripe(&arena, 0);
    child = fork();
    if (child == 0)
        _exit(stripe_lock(stripe, &repaired) == STRIPE_LOCKED ? 0 : 1);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    failing = "pthread_mutex_consistent";
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_STUCK);
    failing = "";
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_STUCK);
    ck_assert_int_eq(stripe_lock(arena_stripe(&arena, 1), &repaired), STRIPE_LOCKED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena_faults");
    TCase *tests = tcase_create("arena_faults");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, a_creation_that_fails_leaves_nothing, 0, CREATIONS);
    tcase_add_test(tests, an_opening_that_fails_is_told);
    tcase_add_test(tests, a_private_one_that_fails_is_told);
    tcase_add_test(tests, a_lock_beyond_repair_is_stuck);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
