/* SPDX-License-Identifier: MPL-2.0
 *
 * One stripe: its lock under holders that are slow, stopped or dead, its search, its room, its copies.
 */
#include "shm/stripe.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "shm/must.h"

#define ROUNDS  20000
#define THREADS 3

static const struct moment now = {.boot_ns = INT64_C(1000000000000), .wall_ns = INT64_C(1700000000000000000)};
static const uint64_t key[2] = {7, 9}; /* at home in the first eight cells */

static struct stripe *stripe;
static uint64_t repaired;

static void set_up(void)
{
    stripe = mmap(NULL, sizeof(*stripe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(stripe, MAP_FAILED);
    ck_assert_int_eq(stripe_init(stripe), 0);
    repaired = 0;
}

static void tear_down(void)
{
    munmap(stripe, sizeof(*stripe));
}

/* Gives cell INDEX to OWNER, in use until EXPIRES_NS. */
static void fill(uint32_t index, const uint64_t owner[2], int64_t expires_ns)
{
    struct cell *cell = stripe_change_begin(stripe, index, owner);

    *cell = (struct cell){.key = {owner[0], owner[1]}, .kind = CELL_BUCKET, .spent = 1, .expires_ns = expires_ns,
                          .stamp_ns = now.boot_ns};
    stripe_change_end(stripe);
}

/* ---- the lock ----------------------------------------------------------------------------------------------------- */

/* A process that takes the lock, begins to change cell 3, and stops itself. */
static pid_t stopped_holder(void)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        MUST(stripe_lock(stripe, &repaired) == STRIPE_LOCKED);
        memset(stripe_change_begin(stripe, 3, key), 0x55, sizeof(struct cell));
        raise(SIGSTOP);
        stripe->cells[3] = (struct cell){.key = {key[0], key[1]}, .kind = CELL_BUCKET, .stamp_ns = now.boot_ns};
        stripe_change_end(stripe);
        stripe_unlock(stripe);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
    ck_assert(WIFSTOPPED(status));
    return child;
}

static int64_t monotonic_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * NANOSECONDS_PER_SECOND + time.tv_nsec;
}

/* Whoever meets a stopped holder waits once, a bounded time, and is told; for a while nobody waits for it again. Once it goes on, others
 * are waited for as before, so that one long stop is not a second of refusals. */
START_TEST(a_stopped_holder_holds_nobody_up)
{
    pid_t child = stopped_holder();
    int64_t stuck_until;
    struct cell copy;

    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_STUCK);
    stuck_until = stripe->stuck_until_ns;
    ck_assert_int_gt(stuck_until, 0);
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_STUCK);
    /* Unless it took us that while to ask. */
    ck_assert(stripe->stuck_until_ns == stuck_until || monotonic_ns() >= stuck_until);
    /* Those who only look see the cell as it was before the change. */
    ck_assert(stripe_copy_cell(stripe, 3, &copy));
    ck_assert_int_eq(copy.kind, CELL_FREE);

    ck_assert_int_eq(kill(child, SIGCONT), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_LOCKED);
    ck_assert_uint_eq(repaired, 0);
    ck_assert_uint_eq(stripe_find(stripe, key), 3);
    ck_assert_int_eq(stripe->stuck_until_ns, 0);
    stripe_unlock(stripe);
}
END_TEST

START_TEST(a_dead_holder_is_undone)
{
    pid_t child = stopped_holder();

    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_LOCKED);
    ck_assert_uint_eq(repaired, 1);
    ck_assert_uint_eq(stripe_find(stripe, key), STRIPE_NO_CELL);
    ck_assert_int_eq(stripe->cells[3].kind, CELL_FREE);
    stripe_unlock(stripe);
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_LOCKED);
    ck_assert_uint_eq(repaired, 1);
    stripe_unlock(stripe);
}
END_TEST

/* A dead worker may have written anything to the index of its undo slot. */
START_TEST(an_undo_of_no_cell_changes_none)
{
    static const uint32_t indexes[] = {0, STRIPE_CELLS + 1, UINT32_MAX};
    static struct stripe before;
    pid_t child = fork();

    if (child == 0) {
        MUST(stripe_lock(stripe, &repaired) == STRIPE_LOCKED);
        memset(&stripe->undo_cell, 0x55, sizeof(stripe->undo_cell));
        stripe->undo = indexes[_i];
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    before = *stripe;
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_LOCKED);
    ck_assert_uint_eq(repaired, 0);
    ck_assert_uint_eq(stripe->undo & 0xffff, 0);
    ck_assert_mem_eq(stripe->cells, before.cells, sizeof(before.cells));
    ck_assert_mem_eq(stripe->tags, before.tags, sizeof(before.tags));
    stripe_unlock(stripe);
}
END_TEST

static uint64_t sum; /* guarded by the stripe's lock */

static void *add_up(void *unused)
{
    uint64_t repairs = 0;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t seen;

        while (stripe_lock(stripe, &repairs) != STRIPE_LOCKED)
            sched_yield(); /* a holder that was not scheduled for too long */
        seen = sum;
        if (i % 64 == 0)
            sched_yield();
        sum = seen + 1;
        stripe_unlock(stripe);
    }
    MUST(repairs == 0);
    return unused;
}

START_TEST(one_at_a_time)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_up, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(sum, (uint64_t)THREADS * ROUNDS);
}
END_TEST

/* ---- search and room ---------------------------------------------------------------------------------------------- */

/* The same tag and the same home say nothing: the whole key counts, and a cell that is in use. */
START_TEST(the_whole_key_is_compared)
{
    const uint64_t others[][2] = {{8, key[1]}, {7, key[1] + (UINT64_C(1) << 40)}, {8, key[1] + (UINT64_C(1) << 40)}};

    for (uint32_t i = 0; i < 3; i++) {
        uint32_t index = stripe_find_room(stripe, others[i], now, NULL, 0);

        fill(index, others[i], now.boot_ns + 1);
        ck_assert_uint_eq(stripe_find(stripe, others[i]), index);
        ck_assert_uint_eq(stripe_find(stripe, key), STRIPE_NO_CELL);
    }
    fill(stripe_find_room(stripe, key, now, NULL, 0), key, now.boot_ns + 1);
    ck_assert_uint_ne(stripe_find(stripe, key), STRIPE_NO_CELL);
    stripe->cells[stripe_find(stripe, key)].kind = CELL_FREE;
    ck_assert_uint_eq(stripe_find(stripe, key), STRIPE_NO_CELL);
}
END_TEST

START_TEST(a_full_stripe_is_remembered_until_something_expires)
{
    uint32_t taken[1];
    struct moment later = now;

    for (uint32_t i = 0; i < STRIPE_CELLS; i++)
        fill(i, (uint64_t[2]){i + 100, i * UINT64_C(0x9e3779b97f4a7c15)}, now.boot_ns + (i == 9 ? 5 : INT64_C(3600) << 30));
    ck_assert_uint_eq(stripe_find(stripe, key), STRIPE_NO_CELL); /* round the whole stripe */
    later.boot_ns += 5;
    taken[0] = 9;
    ck_assert_uint_eq(stripe_find_room(stripe, key, later, taken, 1), STRIPE_NO_CELL);
    ck_assert_int_eq(stripe->full_until_ns, 0); /* what others hold back for this admission only is not remembered */
    ck_assert_uint_eq(stripe_find_room(stripe, key, later, taken, 0), 9);
    ck_assert_uint_eq(stripe_find_room(stripe, key, now, NULL, 0), STRIPE_NO_CELL);
    ck_assert_int_eq(stripe->full_until_ns, now.boot_ns + 5);
    stripe->cells[9].expires_ns = 0;
    ck_assert_uint_eq(stripe_find_room(stripe, key, now, NULL, 0), STRIPE_NO_CELL); /* not looked at */
    ck_assert(!stripe_has_room(stripe, key, now) && stripe_has_room(stripe, key, later));
    ck_assert_uint_eq(stripe_find_room(stripe, key, later, NULL, 0), 9);
    stripe->cells[9].expires_ns = INT64_C(1) << 60;
    ck_assert(!stripe_has_room(stripe, key, later));
    ck_assert_uint_eq(stripe_find_room(stripe, key, later, NULL, 0), STRIPE_NO_CELL);
    ck_assert_int_eq(stripe->full_until_ns, later.boot_ns + NANOSECONDS_PER_SECOND); /* a second at most */
}
END_TEST

START_TEST(the_audit_clears_what_cannot_be)
{
    fill(1, key, now.boot_ns + 1);
    fill(2, (uint64_t[2]){1, 2}, now.boot_ns + 1);
    fill(4, (uint64_t[2]){3, 4}, now.boot_ns + 1);
    stripe->tags[2] ^= 1;           /* the tag of another key */
    stripe->cells[4].spent = -1;    /* no cell has that */
    stripe->tags[5] = 0x91;         /* a cell that is free may have had any */
    ck_assert_uint_eq(stripe_audit(stripe), 2);
    ck_assert_uint_eq(stripe_find(stripe, key), 1);
    ck_assert_int_eq(stripe->cells[2].kind, CELL_FREE);
    ck_assert_int_eq(stripe->cells[4].kind, CELL_FREE);
    ck_assert_uint_ne(stripe->tags[2], 0); /* or searches would end too early */
    ck_assert_uint_eq(stripe_audit(stripe), 0);
}
END_TEST

/* ---- copies without the lock -------------------------------------------------------------------------------------- */

static _Atomic bool is_over;

/* Changes cell 0 over and over; its spent and its expiry are always the same number. */
static void *change(void *unused)
{
    for (int64_t i = 1; !is_over; i++) {
        struct cell *cell = stripe_change_begin(stripe, 0, key);

        cell->key[0] = key[0];
        cell->kind = CELL_BUCKET;
        cell->spent = i;
        cell->expires_ns = i;
        stripe_change_end(stripe);
        if (i % 64 == 0)
            sched_yield();
    }
    return unused;
}

START_TEST(a_copy_is_one_state_or_the_other)
{
    pthread_t writer;
    struct cell copy;
    int64_t last = 0;

    ck_assert(!stripe_copy_cell(stripe, 0, &copy));
    fill(0, key, 1);
    ck_assert_int_eq(pthread_create(&writer, NULL, change, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert(stripe_copy_cell(stripe, 0, &copy));
        ck_assert_int_eq(copy.spent, copy.expires_ns);
        ck_assert_int_ge(copy.spent, last);
        last = copy.spent;
    }
    is_over = true;
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stripe");
    TCase *tests = tcase_create("stripe");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_stopped_holder_holds_nobody_up);
    tcase_add_test(tests, a_dead_holder_is_undone);
    tcase_add_loop_test(tests, an_undo_of_no_cell_changes_none, 0, 3);
    tcase_add_test(tests, one_at_a_time);
    tcase_add_test(tests, the_whole_key_is_compared);
    tcase_add_test(tests, a_full_stripe_is_remembered_until_something_expires);
    tcase_add_test(tests, the_audit_clears_what_cannot_be);
    tcase_add_test(tests, a_copy_is_one_state_or_the_other);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
