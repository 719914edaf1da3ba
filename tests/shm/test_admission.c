/* SPDX-License-Identifier: MPL-2.0
 *
 * All-or-nothing admission: exact over many cells, over full stripes, over many processes, and whatever instruction a
 * lock holder is killed at.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "shm/admission.h"
#include "shm/arena_layout.h"
#include "shm/must.h"
#include "tests/shm/arena_fixture.h"
#include "tests/shm/step.h"

#define ONE       INT64_C(1000000)
#define SMALL     (UINT64_C(8) << 20)
#define NEVER     1 /* millionths per second: no test lives long enough to see a refill */
#define PROCESSES 4

static const struct moment now = {.boot_ns = INT64_C(1000000000000), .wall_ns = INT64_C(1700000000000000000)};

static struct arena_fixture fixture;

static void set_up(void)
{
    arena_fixture_open(&fixture, "admission", SMALL, NULL);
}

static void tear_down(void)
{
    arena_fixture_close(&fixture);
}

static struct charge charge_of(uint64_t identity, int64_t capacity, uint32_t group)
{
    struct charge charge = {
        .limit = {.kind = CELL_BUCKET, .capacity = capacity, .rate = NEVER, .per_ns = CELL_PER_SECOND}, .cost = ONE, .group = group};

    /* Spread like a hash would. */
    charge.key[0] = identity * UINT64_C(0x9e3779b97f4a7c15);
    charge.key[1] = (identity + 1) * UINT64_C(0xc2b2ae3d27d4eb4f);
    return charge;
}

static bool take(struct charge *charges, size_t count, struct admission *admission)
{
    uint64_t order[64];

    MUST(count <= 64); /* no assertion of Check: a child killed while it reports garbles the report of the test */
    admission_take(&fixture.arena, charges, order, count, now, admission);
    return admission->is_admitted;
}

/* The same of a process beside others: a holder that got no processor for longer than a stripe is waited for refuses nobody. */
static bool take_in_the_end(struct charge *charges, size_t count)
{
    struct admission admission;

    do
        take(charges, count, &admission);
    while (admission.is_stuck);
    return admission.is_admitted;
}

/* What is left for IDENTITY, in whole units. */
static int64_t left(uint64_t identity, int64_t capacity)
{
    struct charge charge = charge_of(identity, capacity, 0);
    struct admission admission;

    admission_look(&fixture.arena, &charge, 1, now, &admission);
    return charge.view.remaining / ONE;
}

START_TEST(admits_exactly_the_capacity)
{
    int admitted = 0;

    for (int i = 0; i < 5000; i++) {
        struct charge charge = charge_of(1, 1000 * ONE, 0);
        struct admission admission;

        admitted += take(&charge, 1, &admission);
    }
    ck_assert_int_eq(admitted, 1000);
}
END_TEST

START_TEST(a_refusal_charges_none)
{
    struct admission admission;

    for (int i = 0; i < 100; i++) {
        struct charge charges[] = {charge_of(1, 1000 * ONE, 0), charge_of(2, 1000 * ONE, 0), charge_of(3, 10 * ONE, 0)};

        ck_assert_int_eq(take(charges, 3, &admission), i < 10);
    }
    ck_assert_int_eq(left(1, 1000 * ONE), 990);
    ck_assert_int_eq(left(2, 1000 * ONE), 990);
    ck_assert_int_eq(left(3, 10 * ONE), 0);
}
END_TEST

START_TEST(a_shadow_group_never_refuses_and_stands_alone)
{
    struct admission admission;

    for (int i = 0; i < 20; i++) {
        struct charge charges[] = {charge_of(1, 15 * ONE, 0), charge_of(2, 5 * ONE, 1), charge_of(3, 100 * ONE, 1),
                                   charge_of(4, 100 * ONE, 2)};

        ck_assert_int_eq(take(charges, 4, &admission), i < 15);
        ck_assert_int_eq(charges[1].view.fits, i < 5);
    }
    ck_assert_int_eq(left(1, 15 * ONE), 0);
    ck_assert_int_eq(left(3, 100 * ONE), 95);
    ck_assert_int_eq(left(4, 100 * ONE), 85);
}
END_TEST

START_TEST(a_full_stripe_refuses_or_passes_as_told_and_loses_nothing)
{
    uint64_t cells = (uint64_t)fixture.arena.stripe_count * STRIPE_CELLS;
    uint64_t refused = 0, passed = 0;
    struct admission admission;

    for (uint64_t i = 0; i < cells + cells / 4; i++) {
        struct charge charge = charge_of(i, 10 * ONE, 0);

        refused += !take(&charge, 1, &admission);
        ck_assert_int_eq(charge.has_no_room, !admission.is_admitted);
    }
    ck_assert_uint_gt(refused, cells / 8);
    for (uint64_t i = 0; i < cells + cells / 4; i++)
        passed += left(i, 10 * ONE) == 9;
    ck_assert_uint_eq(passed + refused, cells + cells / 4);
    for (uint64_t i = cells * 2; i < cells * 2 + 1000; i++) {
        struct charge charge = charge_of(i, 10 * ONE, 0);

        charge.admits_when_full = true;
        ck_assert(take(&charge, 1, &admission));
    }
}
END_TEST

START_TEST(an_expired_cell_is_given_to_another)
{
    uint64_t cells = (uint64_t)fixture.arena.stripe_count * STRIPE_CELLS;
    struct moment later = now;
    uint64_t reused = 0, full = 0;

    for (uint64_t i = 0; i < cells * 4; i++) {
        struct charge charge = charge_of(i, 10 * ONE, 0);
        struct admission admission;
        uint64_t order[1];

        charge.limit.rate = 1000 * ONE;
        later.boot_ns += 1000;
        admission_take(&fixture.arena, &charge, order, 1, later, &admission);
        reused += admission.reused;
        full += admission.no_room;
    }
    ck_assert_uint_gt(reused, cells * 2);
    ck_assert_uint_eq(full, 0);
}
END_TEST

/* A reload makes a limit slower: what a cell counts then outlives the time at which the old limit would have been whole. */
START_TEST(a_refusal_under_a_slower_limit_keeps_the_cell)
{
    struct charge fast = charge_of(1, ONE, 0), slow = charge_of(1, ONE, 0);
    struct moment later = {.boot_ns = now.boot_ns + CELL_PER_SECOND / 2,
                           .wall_ns = now.wall_ns + CELL_PER_SECOND / 2};
    struct admission admission;
    struct arena_usage usage;
    uint64_t order[1];

    fast.limit.rate = ONE;
    ck_assert(take(&fast, 1, &admission));
    admission_take(&fixture.arena, &slow, order, 1, later, &admission);
    ck_assert(!admission.is_admitted);
    later.boot_ns += CELL_PER_SECOND;
    later.wall_ns += CELL_PER_SECOND;
    arena_measure(&fixture.arena, later, &usage);
    ck_assert_uint_eq(usage.cells_used, 1);
    admission_take(&fixture.arena, &slow, order, 1, later, &admission);
    ck_assert(!admission.is_admitted);
    ck_assert_int_eq(slow.view.remaining, NEVER);
}
END_TEST

/* A reload keeps an open breaker open for longer, or until it is closed by hand: it is there as long. */
START_TEST(a_breaker_that_stays_open_for_longer_keeps_its_cell)
{
    static const int64_t lengths[] = {10 * CELL_PER_MINUTE, 0};
    struct charge brief = {.key = {1, 1}, .limit = {.kind = CELL_BREAKER, .capacity = 1, .length_ns = CELL_PER_MINUTE}, .cost = 2};
    struct charge lasting = brief;
    struct moment later = {.boot_ns = now.boot_ns + CELL_PER_SECOND, .wall_ns = now.wall_ns + CELL_PER_SECOND};
    struct admission admission;
    struct arena_usage usage;
    uint64_t order[1];

    lasting.limit.length_ns = lengths[_i];
    lasting.cost = 1;
    ck_assert(!take(&brief, 1, &admission));
    admission_take(&fixture.arena, &lasting, order, 1, later, &admission);
    ck_assert(!admission.is_admitted);
    later.boot_ns += 5 * CELL_PER_MINUTE;
    later.wall_ns += 5 * CELL_PER_MINUTE;
    arena_measure(&fixture.arena, later, &usage);
    ck_assert_uint_eq(usage.cells_used, 1);
    admission_take(&fixture.arena, &lasting, order, 1, later, &admission);
    ck_assert(!admission.is_admitted);
    later.boot_ns += 5 * CELL_PER_MINUTE;
    admission_take(&fixture.arena, &lasting, order, 1, later, &admission);
    ck_assert_int_eq(admission.is_admitted, lengths[_i] > 0);
}
END_TEST

START_TEST(many_keys_of_one_stripe_in_one_admission)
{
    struct charge charges[64];
    struct admission admission;
    uint32_t found = 0;

    for (uint64_t i = 0; found < 64; i++) {
        struct charge charge = charge_of(i, 2 * ONE, 0);

        if (arena_stripe_of(&fixture.arena, charge.key) == 3)
            charges[found++] = charge;
    }
    ck_assert(take(charges, 64, &admission));
    ck_assert_uint_eq(admission.created, 64);
    ck_assert(take(charges, 64, &admission));
    ck_assert_uint_eq(admission.created, 0);
    ck_assert(!take(charges, 64, &admission));
}
END_TEST

/* An identity whose home is HOME of stripe 3, and that no other call has given. */
static struct charge neighbour(uint32_t home, uint64_t number, int64_t capacity, uint32_t group)
{
    struct charge charge = charge_of(number, capacity, group);

    charge.key[0] = (charge.key[0] & UINT32_MAX) | (UINT64_C(3) << 32) / fixture.arena.stripe_count << 32;
    while (arena_stripe_of(&fixture.arena, charge.key) < 3)
        charge.key[0] += UINT64_C(1) << 32;
    charge.key[1] = (uint64_t)home << 7 | number;
    return charge;
}

/* What is not charged after all leaves the cell that it was given unused, and a search ends at an unused cell: whoever was given one
 * behind it must be found all the same. */
START_TEST(who_is_charged_is_found_behind_who_was_not)
{
    struct admission admission;

    for (uint64_t i = 0; i < 7; i++) {
        struct charge charge = neighbour(5, i, 1000 * ONE, 0);

        ck_assert(take(&charge, 1, &admission));
    }
    for (int i = 0; i < 20; i++) {
        /* The shadow policy does not pass; the second of its limits is new, and takes the last cell of the word. */
        struct charge charges[] = {neighbour(5, 10, 1, 1), neighbour(5, 11, 10 * ONE, 1), neighbour(5, 12, 10 * ONE, 0)};

        ck_assert_int_eq(take(charges, 3, &admission), i < 10);
    }
}
END_TEST

/* ---- many processes -----------------------------------------------------------------------------------------------
 */

struct tally {
    _Atomic int64_t admitted;
    _Atomic int64_t pairs;
};

static void compete(struct tally *tally, unsigned seed)
{
    srandom(seed);
    for (int i = 0; i < 20000; i++) {
        struct charge charges[] = {charge_of(1, 10000 * ONE, 0),
                                   charge_of(100 + (uint64_t)random() % 8, 1000 * ONE, 0)};

        if (random() % 2)
            tally->pairs += take_in_the_end(charges, 2);
        else
            tally->admitted += take_in_the_end(charges, 1);
    }
    _exit(0);
}

/* A child that competes. Never -1, which kill(2) would take for everybody. */
static pid_t start_competitor(struct tally *tally, unsigned seed)
{
    pid_t child = fork();

    if (child == 0)
        compete(tally, seed);
    ck_assert_int_gt(child, 0);
    return child;
}

START_TEST(processes_together_admit_exactly_the_capacity)
{
    struct tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t spent_by_pairs = 0;

    ck_assert(tally != MAP_FAILED);
    for (unsigned i = 0; i < PROCESSES; i++)
        start_competitor(tally, i);
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        ck_assert(wait(&status) > 0);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (uint64_t i = 100; i < 108; i++)
        spent_by_pairs += 1000 - left(i, 1000 * ONE);
    ck_assert_int_eq(tally->admitted + tally->pairs, 10000);
    ck_assert_int_eq(tally->pairs, spent_by_pairs);
    ck_assert_int_eq(left(1, 10000 * ONE), 0);
}
END_TEST

START_TEST(killed_processes_never_let_one_too_many_through)
{
    struct tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t repaired = 0;
    int kills = 300;

    ck_assert(tally != MAP_FAILED);
    srandom(99);
    for (int i = 0; i < kills; i++) {
        pid_t child = start_competitor(tally, (unsigned)i);

        for (volatile long spin = random() % 300000; spin > 0; spin--)
            ;
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
    }
    ck_assert_uint_eq(arena_audit(&fixture.arena, &repaired), 0);
    /* Each killed process may have charged one request that it did not live to count, and no more. */
    ck_assert_int_le(tally->admitted + tally->pairs, 10000 - left(1, 10000 * ONE));
    ck_assert_int_ge(tally->admitted + tally->pairs, 10000 - left(1, 10000 * ONE) - kills);
}
END_TEST

/* ---- killed at every instruction ----------------------------------------------------------------------------------
 */

/* Sanitizers, or no optimizer, multiply the instructions, and the walk is quadratic in them. */
#ifdef __SANITIZE_ADDRESS__
#define STRIDE 31
#elif !defined(__OPTIMIZE__)
#define STRIDE 23
#else
#define STRIDE 1
#endif

/* What a process does that STEPS instructions of the admission kill. */
static void admit_as(long steps)
{
    struct charge charges[] = {charge_of(1, 1000000 * ONE, 0), charge_of(2, 1000000 * ONE, 0),
                               charge_of(1000 + (uint64_t)steps, 10 * ONE, 0)};
    struct admission admission;
    uint64_t order[3];

    step_begin(steps);
    admission_take(&fixture.arena, charges, order, 3, now, &admission);
    step_end();
    _exit(0);
}

START_TEST(a_holder_killed_at_any_instruction)
{
    int64_t before_1 = 0, before_2 = 0;
    long steps, died_inside = 0;

    for (steps = 0; step_kills(admit_as, steps); steps += STRIDE) {
        struct charge charges[] = {charge_of(1, 1000000 * ONE, 0), charge_of(2, 1000000 * ONE, 0)};
        struct admission admission;
        uint64_t repaired = 0;
        int64_t spent_1, spent_2;

        ck_assert(take(charges, 2, &admission));
        ck_assert(!admission.is_stuck);
        ck_assert_uint_eq(arena_audit(&fixture.arena, &repaired), 0);
        died_inside += admission.repaired > 0 || repaired > 0;
        spent_1 = 1000000 - left(1, 1000000 * ONE);
        spent_2 = 1000000 - left(2, 1000000 * ONE);
        /* Ours is charged once; the dead one's either once or not at all: never given back, never twice. */
        ck_assert_int_ge(spent_1, before_1 + 1);
        ck_assert_int_le(spent_1, before_1 + 2);
        ck_assert_int_ge(spent_2, before_2 + 1);
        ck_assert_int_le(spent_2, before_2 + 2);
        ck_assert_int_ge(left(1000 + (uint64_t)steps, 10 * ONE), 9);
        before_1 = spent_1;
        before_2 = spent_2;
    }
    /* The walk must have gone through the writes, or it proved nothing. */
    ck_assert_int_gt(died_inside, 20);
    ck_assert_int_gt(steps, 300);
    printf("killed at every %d. of %ld instructions, %ld times inside a change\n", STRIDE, steps, died_inside);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admission");
    TCase *tests = tcase_create("admission");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 3600); /* half a minute of a processor, which others may want too */
    tcase_add_test(tests, admits_exactly_the_capacity);
    tcase_add_test(tests, a_refusal_charges_none);
    tcase_add_test(tests, a_shadow_group_never_refuses_and_stands_alone);
    tcase_add_test(tests, a_full_stripe_refuses_or_passes_as_told_and_loses_nothing);
    tcase_add_test(tests, an_expired_cell_is_given_to_another);
    tcase_add_test(tests, a_refusal_under_a_slower_limit_keeps_the_cell);
    tcase_add_loop_test(tests, a_breaker_that_stays_open_for_longer_keeps_its_cell, 0, 2);
    tcase_add_test(tests, many_keys_of_one_stripe_in_one_admission);
    tcase_add_test(tests, who_is_charged_is_found_behind_who_was_not);
    tcase_add_test(tests, processes_together_admit_exactly_the_capacity);
    tcase_add_test(tests, killed_processes_never_let_one_too_many_through);
    tcase_add_test(tests, a_holder_killed_at_any_instruction);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
