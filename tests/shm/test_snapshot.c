/* SPDX-License-Identifier: MPL-2.0
 *
 * The snapshot: what is written comes back, every truncation and every flipped bit is refused, time moves the right
 * way.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shm/admission.h"
#include "shm/arena_layout.h"
#include "shm/siphash.h"
#include "shm/snapshot.h"
#include "tests/shm/arena_fixture.h"

#define SMALL  (UINT64_C(8) << 20)
#define ONE    INT64_C(1000000)
#define SECOND NANOSECONDS_PER_SECOND

static struct arena_fixture fixture;
static char folder[] = "/tmp/fairvisor-test-XXXXXX";
static char path[64];
static const struct moment now = {.boot_ns = 5000 * SECOND, .wall_ns = 1700000000 * SECOND};

static int link_error; /* what link(2) fails with; 0: nothing */

int link(const char *from, const char *to)
{
    if (link_error == 0)
        return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
    errno = access(to, F_OK) == 0 ? EEXIST : link_error; /* a kernel looks for the name first */
    return -1;
}

static void set_up(void)
{
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state.snapshot", folder);
    arena_fixture_open(&fixture, "snapshot", SMALL, NULL);
}

static void tear_down(void)
{
    char other[80];

    arena_fixture_close(&fixture);
    unlink(path);
    snprintf(other, sizeof(other), "%s.previous", path);
    unlink(other);
    ck_assert_int_eq(rmdir(folder), 0);
}

static struct charge charge_of(uint64_t identity, int64_t rate, int64_t cost)
{
    struct charge charge = {.limit = {.kind = CELL_BUCKET, .capacity = 1000 * ONE, .rate = rate, .per_ns = CELL_PER_SECOND}, .cost = cost};

    charge.key[0] = identity * UINT64_C(0x9e3779b97f4a7c15);
    charge.key[1] = (identity + 1) * UINT64_C(0xc2b2ae3d27d4eb4f);
    return charge;
}

static void spend(const struct arena *arena, uint64_t identity, int64_t rate, int64_t cost, struct moment when)
{
    struct charge charge = charge_of(identity, rate, cost);
    struct admission admission;
    uint64_t order[1];

    admission_take(arena, &charge, order, 1, when, &admission);
    ck_assert(admission.is_admitted);
}

static int64_t left(const struct arena *arena, uint64_t identity, int64_t rate, struct moment when)
{
    struct charge charge = charge_of(identity, rate, ONE);
    struct admission admission;

    admission_look(arena, &charge, 1, when, &admission);
    return charge.view.remaining / ONE;
}

static uint64_t write_now(struct moment when)
{
    struct failure failure = {0};
    uint64_t cells = 0;

    ck_assert_msg(snapshot_write(&fixture.arena, fixture.instance, path, when, &cells, &failure), "%s",
                  failure.sentence);
    return cells;
}

/* Replaces the fixture's arena by a fresh one filled from the snapshot. */
static uint64_t restore(struct moment when)
{
    struct failure failure = {0};
    struct snapshot *snapshot = snapshot_read(path, fixture.instance, &failure);
    uint64_t restored, lost;

    ck_assert_msg(snapshot != NULL, "%s", failure.sentence);
    arena_fixture_close(&fixture);
    arena_fixture_open(&fixture, "snapshot", SMALL, snapshot_hash_key(snapshot));
    restored = snapshot_apply(snapshot, &fixture.arena, when, &lost);
    ck_assert_uint_eq(lost, 0);
    snapshot_free(snapshot);
    return restored;
}

START_TEST(what_was_spent_comes_back)
{
    for (uint64_t i = 0; i < 10000; i++)
        spend(&fixture.arena, i, 1, (int64_t)(i % 1000) * ONE, now);
    ck_assert_uint_eq(write_now(now), 9990);
    ck_assert_uint_eq(restore(now), 9990);
    for (uint64_t i = 0; i < 10000; i++)
        ck_assert_int_eq(left(&fixture.arena, i, 1, now), 1000 - (int64_t)(i % 1000));
}
END_TEST

/* Pretends that the file was written before a reboot. */
static void change_boot_id(void)
{
    struct failure failure = {0};
    FILE *file = fopen(path, "r+");
    char bytes[4096];
    uint64_t key[2] = {UINT64_C(0x31736e6170737666), 0}, sum[2];
    size_t size, at;

    ck_assert_ptr_nonnull(file);
    size = fread(bytes, 1, sizeof(bytes), file);
    at = 8 + 8 + ARENA_INSTANCE_SIZE + 16;
    ck_assert_uint_lt(at, size);
    bytes[at] = bytes[at] == '0' ? '1' : '0';
    siphash_of(key, bytes, size - 16, sum);
    memcpy(bytes + size - 16, sum, 16);
    rewind(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
    struct snapshot *snapshot = snapshot_read(path, fixture.instance, &failure);

    ck_assert_msg(snapshot != NULL, "%s", failure.sentence);
    snapshot_free(snapshot);
}

START_TEST(after_a_reboot_the_time_away_counts)
{
    struct moment later = {.boot_ns = 30 * SECOND, .wall_ns = now.wall_ns + 100 * SECOND};

    spend(&fixture.arena, 1, ONE, 1000 * ONE, now);
    write_now(now);
    change_boot_id();
    restore(later);
    ck_assert_int_eq(left(&fixture.arena, 1, ONE, later), 100);
}
END_TEST

START_TEST(a_clock_that_went_back_refills_nothing)
{
    struct moment later = {.boot_ns = 30 * SECOND, .wall_ns = now.wall_ns - 100000 * SECOND};

    spend(&fixture.arena, 1, ONE, 1000 * ONE, now);
    write_now(now);
    change_boot_id();
    restore(later);
    ck_assert_int_eq(left(&fixture.arena, 1, ONE, later), 0);
}
END_TEST

START_TEST(the_one_before_is_kept)
{
    static const int errors[] = {0, EPERM, EOPNOTSUPP}; /* file systems without hard links */

    char previous[80];
    struct failure failure = {0};
    struct snapshot *snapshot;

    link_error = errors[_i];
    spend(&fixture.arena, 1, 1, ONE, now);
    for (int i = 0; i < 3; i++)
        write_now((struct moment){.boot_ns = now.boot_ns, .wall_ns = now.wall_ns + i * SECOND});
    link_error = 0;
    snprintf(previous, sizeof(previous), "%s.previous", path);
    snapshot = snapshot_read(previous, fixture.instance, &failure);
    ck_assert_msg(snapshot != NULL, "%s", failure.sentence);
    ck_assert_int_eq(snapshot_taken_at_ns(snapshot), now.wall_ns + SECOND);
    snapshot_free(snapshot);
}
END_TEST

static void expect_refusal(const char *what)
{
    struct failure failure = {0};
    struct snapshot *snapshot = snapshot_read(path, fixture.instance, &failure);

    ck_assert_msg(snapshot == NULL, "a snapshot was taken although %s", what);
    ck_assert_int_eq(failure.code, EXIT_CODE_OS);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "refused"));
}

START_TEST(the_one_before_stays_when_the_last_was_set_aside)
{
    char previous[80];

    write_now(now);
    write_now((struct moment){.boot_ns = now.boot_ns, .wall_ns = now.wall_ns + SECOND});
    ck_assert_int_eq(unlink(path), 0);
    write_now((struct moment){.boot_ns = now.boot_ns, .wall_ns = now.wall_ns + 2 * SECOND});
    snprintf(previous, sizeof(previous), "%s.previous", path);
    ck_assert_int_eq(access(previous, F_OK), 0);
}
END_TEST

static void write_bytes(const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

START_TEST(every_truncation_and_every_flipped_bit_is_refused)
{
    char bytes[1024], changed[1024 + 64];
    ssize_t size;
    int fd;

    for (uint64_t i = 0; i < 3; i++)
        spend(&fixture.arena, i, 1, ONE, now);
    write_now(now);
    fd = open(path, O_RDONLY);
    size = read(fd, bytes, sizeof(bytes));
    close(fd);
    ck_assert(size > 300 && size < (ssize_t)sizeof(bytes));
    for (ssize_t cut = 0; cut < size; cut++) {
        write_bytes(bytes, (size_t)cut);
        expect_refusal("it was cut short");
    }
    for (ssize_t bit = 0; bit < size * 8; bit++) {
        memcpy(changed, bytes, (size_t)size);
        changed[bit / 8] ^= (char)(1 << (bit % 8));
        write_bytes(changed, (size_t)size);
        expect_refusal("a bit was flipped");
    }
    memcpy(changed, bytes, (size_t)size);
    memset(changed + size, 0, 64);
    write_bytes(changed, (size_t)size + 64);
    expect_refusal("something was appended");
}
END_TEST

/* A sector of the disk never got what was written to it: it holds zeros, or what stood there in the snapshot before. */
START_TEST(every_torn_sector_is_refused)
{
    enum { SECTOR = 512, MOST = 64 * 1024 };
    static char before[MOST], after[MOST], torn[MOST];
    ssize_t size;
    int fd;

    for (uint64_t i = 0; i < 500; i++)
        spend(&fixture.arena, i, 1, ONE, now);
    write_now(now);
    ck_assert_int_ge(fd = open(path, O_RDONLY), 0);
    size = read(fd, before, sizeof(before));
    close(fd);
    for (uint64_t i = 0; i < 500; i++)
        spend(&fixture.arena, i, 1, ONE, now);
    write_now((struct moment){.boot_ns = now.boot_ns, .wall_ns = now.wall_ns + SECOND});
    ck_assert_int_ge(fd = open(path, O_RDONLY), 0);
    ck_assert_int_eq(read(fd, after, sizeof(after)), size);
    close(fd);
    ck_assert(size > 60 * SECTOR && size < MOST);
    for (ssize_t at = 0; at < size; at += SECTOR) {
        size_t length = (size_t)(size - at < SECTOR ? size - at : SECTOR);

        memcpy(torn, after, (size_t)size);
        memset(torn + at, 0, length);
        write_bytes(torn, (size_t)size);
        expect_refusal("a sector is empty");
        memcpy(torn + at, before + at, length);
        write_bytes(torn, (size_t)size);
        expect_refusal("a sector is an older one");
    }
    write_bytes(after, (size_t)size);
    ck_assert_uint_eq(restore(now), 500);
}
END_TEST

START_TEST(anothers_snapshot_is_refused)
{
    struct failure failure = {0};
    uint64_t cells;

    ck_assert(snapshot_write(&fixture.arena, "somebody-else", path, now, &cells, &failure));
    expect_refusal("it is another instance's");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_refusal("it is a pipe");
}
END_TEST

START_TEST(a_missing_folder_is_a_sentence)
{
    struct failure failure = {0};
    uint64_t cells;

    ck_assert(!snapshot_write(&fixture.arena, "i", "/nonexistent/state", now, &cells, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "/nonexistent/state"));
    ck_assert_ptr_null(snapshot_read(path, fixture.instance, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tests = tcase_create("snapshot");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, what_was_spent_comes_back);
    tcase_add_test(tests, after_a_reboot_the_time_away_counts);
    tcase_add_test(tests, a_clock_that_went_back_refills_nothing);
    tcase_add_loop_test(tests, the_one_before_is_kept, 0, 3);
    tcase_add_test(tests, the_one_before_stays_when_the_last_was_set_aside);
    tcase_add_test(tests, every_truncation_and_every_flipped_bit_is_refused);
    tcase_add_test(tests, every_torn_sector_is_refused);
    tcase_add_test(tests, anothers_snapshot_is_refused);
    tcase_add_test(tests, a_missing_folder_is_a_sentence);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
