/* SPDX-License-Identifier: MPL-2.0
 *
 * The arena as an object: who may open it, what is refused, what its status and its series say.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "shm/arena_layout.h"
#include "shm/survey.h"
#include "tests/shm/arena_fixture.h"

#define SMALL (UINT64_C(8) << 20)

static struct arena_fixture fixture;

static void set_up(void)
{
    arena_fixture_open(&fixture, "arena", SMALL, NULL);
}

static void tear_down(void)
{
    arena_fixture_close(&fixture);
}

/* Opens the arena again after its header was damaged; returns the sentence of the refusal. */
static const char *refusal(void)
{
    static struct failure failure;
    struct arena again;

    ck_assert_int_eq(arena_open(fixture.instance, getuid(), true, &again, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_OS);
    return failure.sentence;
}

START_TEST(is_private_and_fully_reserved)
{
    struct stat status;

    ck_assert_int_eq(fstat(fixture.fd, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_uint_eq((uint64_t)status.st_size, SMALL);
    ck_assert_uint_ge((uint64_t)status.st_blocks * 512, SMALL);
}
END_TEST

START_TEST(opens_again_with_the_same_key)
{
    struct failure failure = {0};
    struct arena again;
    int fd = arena_open(fixture.instance, getuid(), false, &again, &failure);

    ck_assert_msg(fd >= 0, "%s", failure.sentence);
    ck_assert_mem_eq(arena_hash_key(&again), arena_hash_key(&fixture.arena), 16);
    ck_assert_uint_eq(again.stripe_count, fixture.arena.stripe_count);
    ck_assert(!again.is_writable);
    close(fd);
}
END_TEST

START_TEST(a_second_creation_is_refused)
{
    struct failure failure = {0};
    struct arena again;

    ck_assert_int_eq(arena_create(fixture.instance, SMALL, getuid(), getgid(), NULL, &again, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_OS);
}
END_TEST

START_TEST(a_foreign_header_is_refused)
{
    static const struct {
        size_t offset, size;
        const char *sentence;
    } fields[] = {
#define FIELD(name, sentence) {offsetof(struct arena_header, name), sizeof(((struct arena_header *)0)->name), sentence}
        FIELD(magic, "never finished"),    FIELD(layout, "another version"),   FIELD(size, "contradict"),
        FIELD(series_count, "contradict"), FIELD(stripe_count, "contradict"), FIELD(event_count, "contradict"),
#undef FIELD
    };
    unsigned char *header = (unsigned char *)fixture.arena.header;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        for (size_t byte = 0; byte < fields[i].size; byte++) {
            header[fields[i].offset + byte] ^= 0x10;
            ck_assert_ptr_nonnull(strstr(refusal(), fields[i].sentence));
            header[fields[i].offset + byte] ^= 0x10;
        }
}
END_TEST

START_TEST(a_shared_mode_or_odd_size_is_refused)
{
    static const off_t sizes[] = {0, 4096, ARENA_MIN_SIZE - 4096, SMALL - 1, SMALL + 1};
    static const mode_t modes[] = {0601, 0602, 0604, 0610, 0620, 0640, 0644, 0666};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        ck_assert_int_eq(fchmod(fixture.fd, modes[i]), 0);
        ck_assert_ptr_nonnull(strstr(refusal(), "mode"));
    }
    ck_assert_int_eq(fchmod(fixture.fd, 0600), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ck_assert_int_eq(ftruncate(fixture.fd, sizes[i]), 0);
        ck_assert_ptr_nonnull(strstr(refusal(), "size"));
    }
}
END_TEST

/* A file of somebody else is not mapped, whatever is in it; one of root's, ours and the workers' is. */
START_TEST(another_users_is_refused_unread)
{
    static const uid_t workers = 1234, stranger = 65534;
    struct failure failure = {0};
    struct arena again;

    fixture.arena.header->magic = 0; /* would be complained of, were it looked at */
    if (geteuid() == 0) {
        ck_assert_int_eq(fchown(fixture.fd, stranger, 0), 0);
        ck_assert_int_eq(arena_open(fixture.instance, workers, true, &again, &failure), -1);
        ck_assert_ptr_nonnull(strstr(failure.sentence, "it belongs to user 65534, not to the workers' 1234 (setting `user`)"));
        ck_assert_ptr_nonnull(strstr(failure.sentence, "run this as him, or name his folder in FAIRVISOR_RUNTIME_DIR"));
        ck_assert_int_eq(fchown(fixture.fd, workers, 0), 0);
    }
    ck_assert_int_eq(arena_open(fixture.instance, workers, true, &again, &failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "never finished"));
}
END_TEST

/* However small the parts are that it is done in. */
START_TEST(a_survey_counts_what_is_there)
{
    struct arena_usage whole, parts;
    struct moment now = moment_now();

    for (uint32_t i = 0; i < fixture.arena.stripe_count; i += 3)
        for (uint32_t j = 0; j <= i % STRIPE_CELLS; j++) {
            struct cell *cell = &arena_stripe(&fixture.arena, i)->cells[j];

            *cell = (struct cell){.kind = CELL_BUCKET, .expires_ns = INT64_MAX};
            arena_stripe(&fixture.arena, i)->tags[j] = 1;
        }
    arena_measure(&fixture.arena, now, &whole);
    ck_assert_uint_eq(whole.cells, (uint64_t)fixture.arena.stripe_count * STRIPE_CELLS);
    for (uint32_t part = 1; part < fixture.arena.stripe_count + 5; part += part / 2 + 1) {
        struct survey survey = {0};
        uint32_t steps = 1;

        while (!survey_step(&survey, &fixture.arena, now, part, &parts))
            steps++;
        ck_assert_uint_eq(steps, (fixture.arena.stripe_count + part - 1) / part);
        ck_assert_uint_eq(parts.cells_used, whole.cells_used);
        ck_assert_uint_eq(parts.cells, whole.cells);
        ck_assert_uint_eq(survey.next + survey.used, 0);
    }
}
END_TEST

/* Another one may have it, or none. */
START_TEST(a_name_is_of_one_object)
{
    struct failure failure = {0};
    struct arena other;
    int fd;

    ck_assert(arena_has_name(fixture.instance, fixture.fd));
    ck_assert(arena_remove(fixture.instance));
    ck_assert(!arena_has_name(fixture.instance, fixture.fd));
    fd = arena_create(fixture.instance, SMALL, getuid(), getgid(), NULL, &other, &failure);
    ck_assert_msg(fd >= 0, "%s", failure.sentence);
    ck_assert(arena_has_name(fixture.instance, fd));
    ck_assert(!arena_has_name(fixture.instance, fixture.fd));
    ck_assert(!arena_has_name(fixture.instance, -1));
    munmap(other.header, other.size);
    close(fd);
}
END_TEST

/* By one process at a time, however unfinished it is, and until that one ends. */
START_TEST(one_claims_it)
{
    char refused[ARENA_INSTANCE_SIZE + 8];
    int32_t pid = -1;
    int ends[2], status;
    pid_t child;

    ck_assert(arena_has_name(fixture.instance, fixture.fd));
    fixture.arena.header->magic = 0;
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) /* of the parent, who made it */
        _exit(!arena_find_claim(fixture.instance, &pid) || pid != getppid() || arena_claim(fixture.fd));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(arena_claim(fixture.fd)); /* a child's end takes nothing away */
    ck_assert(!arena_find_claim(fixture.instance, &pid)); /* our own is none, and is lost by asking */
    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    if (child == 0)
        _exit(!arena_claim(fixture.fd) || write(ends[1], "c", 1) != 1 || pause());
    ck_assert_int_eq(read(ends[0], &status, 1), 1);
    ck_assert(!arena_claim(fixture.fd));
    ck_assert(arena_find_claim(fixture.instance, &pid));
    ck_assert_int_eq(pid, child);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(arena_claim(fixture.fd));
    ck_assert(arena_set_aside(fixture.instance));
    ck_assert(!arena_has_name(fixture.instance, fixture.fd));
    ck_assert(!arena_find_claim(fixture.instance, &pid));
    snprintf(refused, sizeof(refused), "%s.refused", fixture.instance);
    ck_assert(arena_remove(refused));
}
END_TEST

/* A link to the memory of another instance, which would then be counted in by both. */
START_TEST(one_of_two_names_is_refused)
{
    char from[ARENA_INSTANCE_SIZE + 32], to[ARENA_INSTANCE_SIZE + 48];

    snprintf(from, sizeof(from), "/dev/shm/fairvisor-%s", fixture.instance);
    snprintf(to, sizeof(to), "%s.link", from);
    ck_assert_int_eq(link(from, to), 0);
    ck_assert_ptr_nonnull(strstr(refusal(), "hard links"));
    ck_assert_int_eq(unlink(to), 0);
}
END_TEST

/* A worker is handed a descriptor: whatever it is, it is looked at before it is used. */
START_TEST(what_is_no_shared_memory_is_refused)
{
    struct failure failure = {0};
    struct arena again;
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert(!arena_map(ends[0], &again, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "is not ours"));
    close(ends[0]);
    close(ends[1]);
    ck_assert(!arena_map(ends[0], &again, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "cannot look at"));
    ck_assert(arena_map(fixture.fd, &again, &failure));
}
END_TEST

START_TEST(one_set_aside_makes_room)
{
    char refused[ARENA_INSTANCE_SIZE + 8];
    struct failure failure = {0};
    struct arena again;

    ck_assert(arena_set_aside(fixture.instance));
    ck_assert(!arena_set_aside(fixture.instance)); /* there is none any more */
    ck_assert_int_eq(arena_open(fixture.instance, getuid(), true, &again, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
    snprintf(refused, sizeof(refused), "%s.refused", fixture.instance);
    ck_assert_int_ge(arena_open(refused, getuid(), true, &again, &failure), 0);
    ck_assert(arena_remove(refused));
}
END_TEST

START_TEST(an_absent_one_is_told_apart)
{
    struct failure failure = {0};
    struct arena again;

    ck_assert_int_eq(arena_open("test-there-is-none", getuid(), false, &again, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
}
END_TEST

START_TEST(too_small_is_a_sentence)
{
    struct failure failure = {0};
    struct arena again;

    ck_assert_int_eq(arena_create("test-small", 4096, getuid(), getgid(), NULL, &again, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
}
END_TEST

START_TEST(larger_than_dev_shm_is_a_sentence)
{
    struct failure failure = {0};
    struct arena again;

    ck_assert_int_eq(arena_create("test-huge", UINT64_C(1) << 50, getuid(), getgid(), NULL, &again, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_OS);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "shared_dict_size"));
}
END_TEST

START_TEST(the_status_is_read_whole)
{
    struct arena_status status = {.generation = 7, .policy_version = "12"}, got;

    arena_publish(&fixture.arena, &status);
    ck_assert(arena_read_status(&fixture.arena, &got));
    ck_assert_uint_eq(got.generation, 7);
    ck_assert_str_eq(got.policy_version, "12");
    fixture.arena.header->status_sequence++; /* a master that died while it wrote */
    ck_assert(!arena_read_status(&fixture.arena, &got));
    arena_publish(&fixture.arena, &status);
    ck_assert(arena_read_status(&fixture.arena, &got));
}
END_TEST

START_TEST(a_damaged_cell_is_cleared_by_the_audit)
{
    struct stripe *stripe = arena_stripe(&fixture.arena, 5);
    uint64_t repaired = 0;

    stripe->cells[3].kind = 200;
    stripe->cells[4].kind = CELL_BUCKET;
    stripe->cells[4].spent = -1;
    ck_assert_uint_eq(arena_audit(&fixture.arena, &repaired), 0);
    ck_assert_uint_eq(repaired, 2);
    repaired = 0;
    ck_assert_uint_eq(arena_audit(&fixture.arena, &repaired), 0);
    ck_assert_uint_eq(repaired, 0);
}
END_TEST

/* Whatever lies in a mutex: locking it comes back, with the lock or without, and takes nobody down. */
START_TEST(a_damaged_mutex_is_stuck_and_nothing_worse)
{
    struct stripe *stripe = arena_stripe(&fixture.arena, 0);
    const pthread_mutex_t whole = stripe->mutex;
    uint64_t repaired = 0;
    int status, stuck = 0;

    for (unsigned kind = 0; kind < 1024; kind++) {
        pid_t child;

        stripe->mutex = whole;
        stripe->mutex.__data.__kind = kind < 1000 ? (int)kind : (int)(random() ^ random() << 8);
        child = fork();
        if (child == 0) {
            enum stripe_lock_result result = stripe_lock(stripe, &repaired);

            if (result == STRIPE_LOCKED)
                stripe_unlock(stripe);
            _exit(result == STRIPE_LOCKED ? 1 : 0);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFEXITED(status), "kind %x: a worker was killed by signal %d",
                      (unsigned)stripe->mutex.__data.__kind, WTERMSIG(status));
        stuck += WEXITSTATUS(status) == 0;
    }
    /* All but the one that is right. */
    ck_assert_int_eq(stuck, 1023);
    ck_assert_uint_eq(arena_audit(&fixture.arena, &repaired), 1);
    stripe->mutex = whole;
    ck_assert_uint_eq(arena_audit(&fixture.arena, &repaired), 0);
    /* Damaged while it is held: not let go, for that would follow the damage. */
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_LOCKED);
    stripe->mutex.__data.__kind = 0x20;
    stripe_unlock(stripe);
    ck_assert_int_eq(stripe_lock(stripe, &repaired), STRIPE_STUCK);
}
END_TEST

START_TEST(series_add_up_and_overflow_is_seen)
{
    struct slice labels[] = {SLICE("reject"), SLICE("a|b"), SLICE("c")};
    struct slice others[] = {SLICE("reject"), SLICE("a"), SLICE("b|c")};

    series_add(series_take(&fixture.arena, SLICE("m"), labels, 3), 2);
    series_add(series_take(&fixture.arena, SLICE("m"), labels, 3), 3);
    ck_assert_uint_eq(series_read(&fixture.arena, SLICE("m"), labels, 3), 5);
    ck_assert_uint_eq(series_read(&fixture.arena, SLICE("m"), others, 3), 0);
    for (uint32_t i = 0; i < fixture.arena.series_count + 10; i++) {
        struct slice number = {(const char *)&i, sizeof(i)};

        series_add(series_take(&fixture.arena, SLICE("n"), &number, 1), 1);
    }
    ck_assert_uint_eq(series_overflow(&fixture.arena), 12);
    ck_assert_uint_eq(series_read(&fixture.arena, SLICE("m"), labels, 3), 5);
}
END_TEST

static void count_many(void)
{
    for (int i = 0; i < 10000; i++) {
        int which = i % 100;
        struct slice label = {(const char *)&which, sizeof(which)};

        series_add(series_take(&fixture.arena, SLICE("p"), &label, 1), 1);
    }
    _exit(0);
}

START_TEST(series_lose_nothing_between_processes)
{
    for (int i = 0; i < 4; i++)
        if (fork() == 0)
            count_many();
    for (int i = 0; i < 4; i++)
        ck_assert(wait(NULL) > 0);
    for (int which = 0; which < 100; which++) {
        struct slice label = {(const char *)&which, sizeof(which)};

        ck_assert_uint_eq(series_read(&fixture.arena, SLICE("p"), &label, 1), 400);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena");
    TCase *tests = tcase_create("arena");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, is_private_and_fully_reserved);
    tcase_add_test(tests, opens_again_with_the_same_key);
    tcase_add_test(tests, a_second_creation_is_refused);
    tcase_add_test(tests, a_foreign_header_is_refused);
    tcase_add_test(tests, a_shared_mode_or_odd_size_is_refused);
    tcase_add_test(tests, what_is_no_shared_memory_is_refused);
    tcase_add_test(tests, another_users_is_refused_unread);
    tcase_add_test(tests, one_of_two_names_is_refused);
    tcase_add_test(tests, a_name_is_of_one_object);
    tcase_add_test(tests, one_claims_it);
    tcase_add_test(tests, a_survey_counts_what_is_there);
    tcase_add_test(tests, one_set_aside_makes_room);
    tcase_add_test(tests, an_absent_one_is_told_apart);
    tcase_add_test(tests, too_small_is_a_sentence);
    tcase_add_test(tests, larger_than_dev_shm_is_a_sentence);
    tcase_add_test(tests, the_status_is_read_whole);
    tcase_add_test(tests, a_damaged_cell_is_cleared_by_the_audit);
    tcase_add_test(tests, a_damaged_mutex_is_stuck_and_nothing_worse);
    tcase_add_test(tests, series_add_up_and_overflow_is_seen);
    tcase_add_test(tests, series_lose_nothing_between_processes);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
