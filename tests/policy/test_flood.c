/* SPDX-License-Identifier: MPL-2.0
 *
 * A flood of identities that nobody has seen before, against an arena that cannot hold them all: those who were there
 * keep their budgets to the last unit, cells are only taken from those who have nothing left to remember, memory stays
 * as it is, and a decision in the full arena is told in the same breath as one in the empty arena. Times are printed,
 * never asserted.
 *
 * FAIRVISOR_TEST_FLOOD=10000000 floods an arena of 128 MiB with so many; the default is as much in small.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "policy/decide.h"
#include "policy/load.h"
#include "shm/counters.h"
#include "tests/shm/arena_fixture.h"

#define SMALL_FLOOD 300000
#define LINGERERS   1300000 /* at least: thirteen seconds of them */
#define SMALL_ARENA (UINT64_C(8) << 20)
#define FULL_ARENA  (UINT64_C(128) << 20)
#define TENANTS     1000
#define BUDGET      100
#define BATCH       20000 /* decisions whose time is taken together */
#define SMALL_GAP   10000 /* nanoseconds between two requests of the flood */
#define FULL_GAP    4000
#define EPOCH       INT64_C(1767225600)
#define SCRATCH     65536

/* A rate of 10 a second is forgotten a tenth of a second after its only request, a rate of one in ten seconds after ten;
 * a budget of a day is not. */
static const char bundle_text[] =
    "{\"bundle_version\":1,\"policies\":["
    "{\"id\":\"budget\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:"
    "x-tenant\"],\"algorithm\":\"cost_based\",\"algorithm_config\":{\"budget\":100,\"period\":\"1d\",\"staged_actions\":"
    "[{\"threshold_percent\":100,\"action\":\"reject\"}]}}]}},"
    "{\"id\":\"rate\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:x-"
    "visitor\"],\"algorithm\":\"token_bucket\",\"algorithm_config\":{\"tokens_per_second\":10,\"burst\":10}}]}},"
    "{\"id\":\"slow\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:x-"
    "lingerer\"],\"algorithm\":\"token_bucket\",\"on_full\":\"reject\",\"algorithm_config\":{\"tokens_per_second\":0.1,"
    "\"burst\":10}}]}}]}";

struct flood {
    struct arena_fixture fixture;
    struct bundle *bundle;
    struct decider *decider;
    struct moment now;
    uint64_t size; /* visitors */
    int64_t gap_ns; /* more come in ten seconds than there are cells */
};

static struct flood flood;

static void set_up(void)
{
    static struct complaint_list complaints;
    const char *full = getenv("FAIRVISOR_TEST_FLOOD");

    flood = (struct flood){.size = full ? strtoull(full, NULL, 10) : SMALL_FLOOD,
                           .gap_ns = full ? FULL_GAP : SMALL_GAP};
    flood.now = (struct moment){.boot_ns = INT64_C(1000) * NANOSECONDS_PER_SECOND, .wall_ns = EPOCH * NANOSECONDS_PER_SECOND};
    arena_fixture_open(&flood.fixture, "flood", full ? FULL_ARENA : SMALL_ARENA, NULL);
    flood.bundle = load_bundle(slice_of(bundle_text), EPOCH, &complaints);
    ck_assert_msg(flood.bundle != NULL, "%s", complaints.items[0].sentence);
    flood.decider = decide_new(flood.bundle, &flood.fixture.arena, &flood.fixture.arena.slots[0], SCRATCH);
    ck_assert_ptr_nonnull(flood.decider);
    /* Maps every page, so that the times are those of decisions. A kernel before 5.14 does not know how. */
    madvise(flood.fixture.arena.header, flood.fixture.arena.size, MADV_POPULATE_WRITE);
}

static void tear_down(void)
{
    decide_free(flood.decider);
    bundle_free(flood.bundle);
    arena_fixture_close(&flood.fixture);
}

/* One request of NUMBER under the key FIELD. */
static void decide(const char *field, uint64_t number, bool charges, struct verdict *verdict)
{
    char text[24];
    struct fact_field header = {slice_of(field), {text, 0}};
    struct facts facts = {.method = SLICE("GET"), .path = SLICE("/"), .fields = &header, .field_count = 1};

    header.value.size = (size_t)snprintf(text, sizeof(text), "%" PRIu64, number);
    if (charges)
        decide_request(flood.decider, &facts, NULL, flood.now, verdict);
    else
        decide_explain(flood.decider, &facts, NULL, flood.now, verdict, NULL, NULL);
}

/* Every tenant spends as much as its number says. */
static void spend_of_tenants(void)
{
    struct verdict verdict;

    for (uint64_t tenant = 0; tenant < TENANTS; tenant++)
        for (uint64_t i = 0; i < tenant % BUDGET; i++) {
            decide("x-tenant", tenant, true, &verdict);
            ck_assert(verdict.is_allowed);
        }
}

static void check_tenants(void)
{
    struct verdict verdict;

    for (uint64_t tenant = 0; tenant < TENANTS; tenant++) {
        int64_t left = BUDGET - (int64_t)(tenant % BUDGET);

        if (tenant % BUDGET == 0)
            continue; /* has spent nothing: nothing need be remembered */
        for (int64_t i = 0; i < left; i++) {
            decide("x-tenant", tenant, true, &verdict);
            ck_assert_msg(verdict.is_allowed && verdict.limit.remaining == (left - i - 1) * BUNDLE_MILLIONTHS,
                          "tenant %" PRIu64 " has lost %" PRId64 " of its budget", tenant, left - i);
        }
        decide("x-tenant", tenant, true, &verdict);
        ck_assert_msg(verdict.reason == REASON_budget_exhausted, "tenant %" PRIu64 " has won something", tenant);
    }
}

/* ---- time and memory -----------------------------------------------------------------------------------------------
 */

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * NANOSECONDS_PER_SECOND + now.tv_nsec;
}

/* Kilobytes of this process that are not the arena. Counted page by page: RssAnon of /proc/self/status is a sum that the processors
 * bring up to date now and then, and one page more can add what 32 have added before. */
static long own_memory(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[128];
    long kilobytes = -1;

    ck_assert_ptr_nonnull(file);
    while (kilobytes < 0 && fgets(line, sizeof(line), file))
        if (!strncmp(line, "Anonymous:", 10))
            kilobytes = strtol(line + 10, NULL, 10);
    fclose(file);
    return kilobytes;
}

static off_t arena_size(void)
{
    struct stat status;

    ck_assert_int_eq(fstat(flood.fixture.fd, &status), 0);
    return status.st_size;
}

struct course {
    int64_t first_ns, last_ns; /* of one decision, by the CPU's time */
    uint64_t allowed, without_room;
};

/* SIZE identities under FIELD, each once. */
static struct course run(const char *field, uint64_t size)
{
    struct course course = {0};
    struct verdict verdict;
    int64_t begun = cpu_ns();

    for (uint64_t i = 0; i < size; i++) {
        flood.now.boot_ns += flood.gap_ns;
        flood.now.wall_ns += flood.gap_ns;
        decide(field, i + TENANTS, true, &verdict);
        course.allowed += verdict.is_allowed;
        course.without_room += verdict.reason == REASON_state_full;
        if ((i + 1) % BATCH != 0)
            continue;
        course.last_ns = (cpu_ns() - begun) / BATCH;
        if (i + 1 == BATCH)
            course.first_ns = course.last_ns;
        begun = cpu_ns();
    }
    return course;
}

static void tell(const char *what, uint64_t size, const struct course *course)
{
    printf("%" PRIu64 " %s: %" PRIu64 " allowed, %" PRIu64 " without room; a decision took %" PRId64
           " ns at first, %" PRId64 " ns at last: %" PRId64 " %%\n",
           size, what, course->allowed, course->without_room, course->first_ns, course->last_ns,
           course->last_ns * 100 / course->first_ns);
}

/* Those who have been away long enough to be whole again. */
START_TEST(cells_of_the_forgotten_are_enough_for_everybody)
{
    long before;
    struct course course;
    off_t size = arena_size();

    spend_of_tenants();
    before = own_memory();
    course = run("x-visitor", flood.size);
    tell("visitors who come once", flood.size, &course);
    ck_assert_uint_eq(course.allowed, flood.size);
    ck_assert_uint_eq(counters_sum(&flood.fixture.arena, COUNTER_state_full), 0);
    ck_assert_uint_gt(counters_sum(&flood.fixture.arena, COUNTER_evictions_reused), flood.size / 2);
    ck_assert_int_le(own_memory(), before + 64);
    ck_assert_int_eq(arena_size(), size);
    check_tenants();
}
END_TEST

/* More come than are forgotten, all the time: every cell that becomes free is taken, and found in a full arena. */
START_TEST(those_who_linger_are_taken_in_as_others_are_forgotten)
{
    uint64_t size = flood.size > LINGERERS ? flood.size : LINGERERS;
    struct course course;
    long before;

    spend_of_tenants();
    before = own_memory();
    course = run("x-lingerer", size);
    tell("visitors who linger for ten seconds", size, &course);
    ck_assert_uint_eq(course.allowed + course.without_room, size);
    ck_assert_uint_gt(course.without_room, 0);
    ck_assert_uint_gt(counters_sum(&flood.fixture.arena, COUNTER_evictions_reused), 0);
    ck_assert_int_le(own_memory(), before + 64);
    check_tenants();
}
END_TEST

/* Tenants from FIRST on that nobody has met: an explanation says what they are told, which is no limit, for theirs is not used up. */
static void check_newcomers(uint64_t first)
{
    struct verdict asked, told;
    uint64_t refused = 0;

    for (uint64_t tenant = first; tenant < first + BATCH; tenant++) {
        decide("x-tenant", tenant, false, &asked);
        decide("x-tenant", tenant, true, &told);
        ck_assert_int_eq(asked.is_allowed, told.is_allowed);
        ck_assert_int_eq(asked.reason, told.reason);
        ck_assert_int_eq(asked.has_limit, told.has_limit);
        if (told.is_allowed)
            continue;
        refused++;
        ck_assert_int_eq(told.reason, REASON_state_full);
        ck_assert(!told.has_limit);
        ck_assert_int_lt(told.retry_after_ns, 2 * NANOSECONDS_PER_SECOND);
    }
    ck_assert_uint_gt(refused, 0);
}

/* Nobody is forgotten to make room: who finds none is refused, and told why. */
START_TEST(an_arena_full_of_the_living_takes_nobody_in)
{
    struct arena_usage usage;
    struct course course, visitors;
    off_t size = arena_size();
    long before;

    spend_of_tenants();
    before = own_memory();
    course = run("x-tenant", flood.size);
    tell("tenants whose budgets live", flood.size, &course);
    arena_measure(&flood.fixture.arena, flood.now, &usage);
    ck_assert_uint_eq(course.allowed + course.without_room, flood.size);
    ck_assert_uint_gt(course.without_room, 0);
    ck_assert_uint_ge(counters_sum(&flood.fixture.arena, COUNTER_state_full), course.without_room);
    ck_assert_uint_eq(counters_sum(&flood.fixture.arena, COUNTER_evictions_reused), 0);
    ck_assert_uint_ge(usage.cells_used, course.allowed);
    /* Rates have on_full: allow by default: uncounted, but let through, and counted as such. */
    visitors = run("x-visitor", BATCH * 2);
    tell("visitors at the full arena", BATCH * 2, &visitors);
    ck_assert_uint_eq(visitors.allowed, BATCH * 2);
    ck_assert_uint_gt(counters_sum(&flood.fixture.arena, COUNTER_state_full), course.without_room);
    ck_assert_int_le(own_memory(), before + 64);
    ck_assert_int_eq(arena_size(), size);
    check_newcomers(flood.size * 2);
    check_tenants();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flood");
    TCase *tests = tcase_create("flood");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, cells_of_the_forgotten_are_enough_for_everybody);
    tcase_add_test(tests, those_who_linger_are_taken_in_as_others_are_forgotten);
    tcase_add_test(tests, an_arena_full_of_the_living_takes_nobody_in);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
