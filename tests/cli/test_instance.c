/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor status and explain beside a living arena: what they say, how they exit, and that not one byte of the arena
 * changes. The test stands in the master's place: it makes the arena, holds the instance's lock and publishes the
 * status.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/decide.h"
#include "policy/digest.h"
#include "policy/load.h"
#include "shm/arena.h"
#include "tests/shm/arena_fixture.h"

#define ARENA_SIZE (UINT64_C(8) << 20)

static const char bundle_text[] =
    "{\"bundle_version\": 12, \"policies\": [{\"id\": \"p\", \"spec\": {\"selector\": "
    "{\"pathPrefix\": \"/\"}, \"rules\": "
    "[{\"name\": \"r\", \"limit_keys\": [\"header:x-key\"], \"on_missing\": \"reject\", "
    "\"algorithm\": \"token_bucket\", "
    "\"algorithm_config\": {\"tokens_per_second\": 0.000001, \"burst\": 10}}]}}], \"kill_switches\": [{\"scope_key\": "
    "\"header:x-key\", \"scope_value\": \"stolen\", "
    "\"reason\": \"key leaked\", \"expires_at\": \"2999-01-01T00:00:00Z\"}], \"global_shadow\": {\"enabled\": false, "
    "\"reason\": \"trial\"}, \"kill_switch_override\": {\"enabled\": true, \"reason\": \"drill\", \"expires_at\": "
    "\"2999-01-01T00:00:00Z\"}}";

static char folder[] = "/tmp/test_instance.XXXXXX";
static char instance[48];
static struct arena arena;
static struct arena_status status;
static int lock_fd;
static char hash[DIGEST_TEXT_SIZE]; /* of the bundle */
static char output[16384];

static void write_bundle(void)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s.bundle.json", folder, instance);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(bundle_text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void hold_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[128];

    snprintf(path, sizeof(path), "%s/%s.lock", folder, instance);
    lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(lock_fd, 0);
    ck_assert_int_eq(fcntl(lock_fd, F_OFD_SETLK, &lock), 0);
}

static void make_instance(void)
{
    int fd;

    ck_assert_int_eq(setenv("FAIRVISOR_RUNTIME_DIR", folder, 1), 0);
    ck_assert_int_eq(setenv("FAIRVISOR_INSTANCE", instance, 1), 0);
    fd = arena_fixture_create(instance, ARENA_SIZE, NULL, &arena);
    close(fd);
    status = (struct arena_status){.master_pid = getpid(),
                                   .started_at_ns = moment_now().wall_ns - 3 * NANOSECONDS_PER_SECOND,
                                   .worker_count = 4,
                                   .generation = 2,
                                   .loaded_at_ns = moment_now().wall_ns,
                                   .policy_version = "12",
                                   .reloads = 5};
    ck_assert(digest_hex(slice_of(bundle_text), hash));
    memcpy(status.policy_hash, hash, sizeof(hash));
    arena_publish(&arena, &status);
    write_bundle();
    hold_lock();
}

static void remove_instance(void)
{
    arena_remove(instance);
    close(lock_fd);
}

/* Runs the program with ARGUMENTS, both streams into output; returns its exit code. */
static int run(const char *arguments)
{
    char command[512];
    size_t used;
    FILE *pipe;
    int answer;

    snprintf(command, sizeof(command), "./fairvisor %s 2>&1", arguments);
    pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    used = fread(output, 1, sizeof(output) - 1, pipe);
    output[used] = '\0';
    answer = pclose(pipe);
    ck_assert(WIFEXITED(answer));
    return WEXITSTATUS(answer);
}

static void expect_exit(int code, const char *arguments)
{
    int got = run(arguments);

    ck_assert_msg(got == code, "'%s' exits with %d:\n%s", arguments, got, output);
}

static void expect(const char *part)
{
    ck_assert_msg(strstr(output, part) != NULL, "'%s' is not in:\n%s", part, output);
}

static void expect_between(const char *before, const char *middle, const char *behind)
{
    char part[256];

    snprintf(part, sizeof(part), "%s%s%s", before, middle, behind);
    expect(part);
}

/* Charges COUNT requests of the key "k", as a worker does. */
static void charge(int count)
{
    static struct complaint_list complaints;
    struct bundle *bundle = load_bundle(slice_of(bundle_text), 0, &complaints);
    struct fact_field field = {SLICE("x-key"), SLICE("k")};
    struct facts facts = {.method = SLICE("GET"), .path = SLICE("/"), .fields = &field, .field_count = 1};
    struct decider *decider;
    struct verdict verdict;

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    decider = decide_new(bundle, &arena, &arena.slots[0], 65536);
    ck_assert_ptr_nonnull(decider);
    while (count-- > 0)
        decide_request(decider, &facts, NULL, moment_now(), &verdict);
    decide_free(decider);
    bundle_free(bundle);
}

START_TEST(status_is_ok)
{
    charge(12);
    expect_exit(0, "status -c /dev/null");
    ck_assert_int_eq(strncmp(output, "FAIRVISOR OK - instance test-cli-", 33), 0);
    expect(", policy version 12, 4 workers, 0 connections | connections=0 cells_used=1;;;0;");
    expect(" decisions=12c rejects=2c\n");
    expect("\n  running      yes, process ");
    expect("\n  policy       version 12, generation 2, loaded 20");
    expect_between("\n  hash         ", hash, "\n");
    expect("\n  decisions    12, of them rejects: 2\n");
    expect("(1 in use)\n");
    expect("\n  reloads      5 done, 0 failed, last success never\n");
    expect("\n  override     kill_switch_override until 2999-01-01T00:00:00Z, because: drill\n");
    expect("\n  kill switch  header:x-key=#"); /* a hidden value is told by its hash */
    expect(" until 2999-01-01T00:00:00Z, because: key leaked\n");
    ck_assert_ptr_null(strstr(output, "global_shadow"));
    expect("\n  snapshots    0 failed, last success never\n");
}
END_TEST

START_TEST(status_is_json)
{
    charge(12);
    expect_exit(0, "status -c /dev/null --json");
    ck_assert_int_eq(strncmp(output, "{\"state\":\"OK\",\"message\":\"", 24), 0);
    expect(",\"running\":true,\"pid\":");
    expect_between(",\"policy_version\":\"12\",\"policy_hash\":\"", hash, "\",\"generation\":2,");
    expect(",\"workers\":4,\"worker_restarts\":0,\"connections\":0,\"decisions\":12,\"rejects\":2,");
    expect(
        ",\"cells_used\":1,\"reloads\":5,\"reload_failures\":0,\"last_reload_failed\":false,\"last_reload_at\":null,");
    expect(",\"last_snapshot_at\":null}\n");
}
END_TEST

START_TEST(status_warns)
{
    status.last_snapshot_failed = 1;
    arena_publish(&arena, &status);
    expect_exit(1, "status -c /dev/null");
    ck_assert_int_eq(strncmp(output, "FAIRVISOR WARNING - the last snapshot of instance ", 50), 0);
    expect("0 failed, last success never; the last one failed\n");
    status.last_reload_failed = 1;
    arena_publish(&arena, &status);
    expect_exit(1, "status -c /dev/null");
    ck_assert_int_eq(strncmp(output, "FAIRVISOR WARNING - the last reload of instance ", 48), 0);
    expect("Its log, the standard error of fairvisord (");
    expect_exit(1, "status -c /dev/null --json");
    expect("\"last_reload_failed\":true");
}
END_TEST

/* What has just been refused is not advised again, and where the log is nobody has to guess. */
START_TEST(status_says_what_to_do_about_a_file_that_is_not_served)
{
    char conf[128], words[256];
    FILE *file;

    snprintf(conf, sizeof(conf), "%s/other.conf", folder);
    file = fopen(conf, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "config_file = %s\nlog = /var/log/fairvisor/some.log\n", conf);
    fclose(file);
    snprintf(words, sizeof(words), "status -c %s", conf);
    expect_exit(0, words);
    expect("other.conf is not what is served; `fairvisord -s reload` loads it\n");
    status.last_reload_failed = 1;
    arena_publish(&arena, &status);
    expect_exit(1, words);
    expect("Its log, /var/log/fairvisor/some.log, tells why");
    expect("other.conf is not what is served, and the last reload was refused: mend it until `fairvisord -t` takes it");
    unlink(conf);
}
END_TEST

START_TEST(status_sees_a_dead_master)
{
    close(lock_fd);
    expect_exit(2, "status -c /dev/null");
    ck_assert_int_eq(strncmp(output, "FAIRVISOR CRITICAL - instance test-cli-", 39), 0);
    expect(" is not running; its counters are kept in shared memory.");
    expect("\n  running      no; the last master was process ");
    expect("\n  workers      none\n");
    lock_fd = -1;
}
END_TEST

START_TEST(status_does_not_count_without_the_policy)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s.bundle.json", folder, instance);
    ck_assert_int_eq(unlink(path), 0);
    expect_exit(0, "status -c /dev/null");
    expect("\n  decisions    unknown, because the copy of the loaded policy cannot be read\n");
    expect_exit(0, "status -c /dev/null --json");
    expect(",\"decisions\":null,\"rejects\":null,");
    /* Another policy's copy is none of this one. */
    write_bundle();
    status.policy_hash[0] ^= 1;
    arena_publish(&arena, &status);
    expect_exit(0, "status -c /dev/null --json");
    expect(",\"decisions\":null,\"rejects\":null,");
}
END_TEST

START_TEST(status_refuses_a_foreign_arena)
{
    char name[96];
    int fd;

    arena_name(instance, name, sizeof(name));
    ck_assert(arena_remove(instance));
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, ARENA_SIZE), 0);
    close(fd);
    expect_exit(3, "status -c /dev/null");
    ck_assert_int_eq(strncmp(output, "FAIRVISOR UNKNOWN - ", 20), 0);
}
END_TEST

START_TEST(explain_uses_live_counters_and_charges_nothing)
{
    charge(7);
    for (int i = 0; i < 3; i++) {
        expect_exit(0, "explain -c /dev/null GET / -H 'X-Key: k'");
        expect(", version 12, loaded\ncounters  live, of instance test-cli-");
        expect("limit 10 in 115 d 17 h, remaining 3, this request costs 1: fits\n");
        expect("verdict: allowed;");
    }
    charge(3);
    expect_exit(0, "explain -c /dev/null GET / -H 'X-Key: k'");
    expect(", remaining 0, this request costs 1: does not fit for another 11 d ");
    expect("verdict: rejected, rate_limit_exceeded (429)");
    expect_exit(0, "explain -c /dev/null GET / -H 'X-Key: other' --json");
    expect("\"loaded\":true},\"counters\":\"live\"");
    expect("\"remaining\":10,");
}
END_TEST

START_TEST(explain_does_without_a_running_instance)
{
    charge(7);
    close(lock_fd);
    expect_exit(78, "explain -c /dev/null GET / -H 'X-Key: k'");
    expect_exit(65, "explain -c /dev/null --bundle /dev/null GET / -H 'X-Key: k'");
    lock_fd = -1;
}
END_TEST

/* The arena as a file of bytes; Check's child ends soon, so nothing is freed. */
static char *copy_of_arena(void)
{
    char *copy = malloc(arena.size);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, (const char *)arena.header, arena.size);
    return copy;
}

START_TEST(nothing_writes_to_the_arena)
{
    char *before, *behind;

    charge(11);
    before = copy_of_arena();
    expect_exit(0, "status -c /dev/null");
    expect_exit(0, "status -c /dev/null --json");
    expect_exit(0, "explain -c /dev/null GET / -H 'X-Key: k'");
    expect_exit(0, "explain -c /dev/null GET / -H 'X-Key: new' --json");
    behind = copy_of_arena();
    ck_assert_int_eq(memcmp(before, behind, arena.size), 0);
    free(before);
    free(behind);
}
END_TEST

/* What whoever runs the tests has set for end-to-end tests, or a service, is none of the settings here. */
static void forget_settings(void)
{
    static const char prefix[] = "FAIRVISOR_";
    char name[128];

    for (char **variable = environ; *variable;) {
        size_t size = strcspn(*variable, "=");

        if (strncmp(*variable, prefix, sizeof(prefix) - 1) != 0 || size >= sizeof(name)) {
            variable++;
            continue;
        }
        memcpy(name, *variable, size);
        name[size] = '\0';
        unsetenv(name);
        variable = environ;
    }
}

int main(void)
{
    Suite *suite = suite_create("instance");
    TCase *tests = tcase_create("instance");
    SRunner *runner = srunner_create(suite);
    char command[128];
    int failed;

    if (!mkdtemp(folder))
        return 99;
    forget_settings();
    snprintf(instance, sizeof(instance), "test-cli-%d", (int)getpid());
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, make_instance, remove_instance);
    tcase_add_test(tests, status_is_ok);
    tcase_add_test(tests, status_is_json);
    tcase_add_test(tests, status_warns);
    tcase_add_test(tests, status_says_what_to_do_about_a_file_that_is_not_served);
    tcase_add_test(tests, status_sees_a_dead_master);
    tcase_add_test(tests, status_does_not_count_without_the_policy);
    tcase_add_test(tests, status_refuses_a_foreign_arena);
    tcase_add_test(tests, explain_uses_live_counters_and_charges_nothing);
    tcase_add_test(tests, explain_does_without_a_running_instance);
    tcase_add_test(tests, nothing_writes_to_the_arena);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    /* A test that failed did not come to remove_instance. */
    arena_remove(instance);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return failed != 0 || system(command) != 0;
}
