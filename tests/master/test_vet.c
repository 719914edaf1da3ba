/* SPDX-License-Identifier: MPL-2.0
 *
 * Vetting with the real loader in a real child: good, bad and dying, none of which may take the caller along. And the
 * bundle file itself: what is no regular file is refused without waiting.
 */
#include "master/vet.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char good_bundle[] =
    "{\"bundle_version\": 7, \"policies\": [{\"id\": \"p\", \"spec\": {\"selector\": {\"pathPrefix\": \"/\"}, "
    "\"rules\": "
    "[{\"name\": \"r\", \"limit_keys\": [\"jwt:sub\"], \"algorithm\": \"token_bucket\", \"algorithm_config\": "
    "{\"tokens_per_second\": 1, \"burst\": 1}}]}}]}";

static struct loop loop;
static struct vet_report report;
static struct failure failure;
static struct privileges privileges;
static struct settings settings;
static struct copies copies;

static void ignore_signal(void *context, int signal, const struct ucred *from)
{
    (void)from;
    (void)context;
    (void)signal;
}

static void set_up(void)
{
    privileges = (struct privileges){.uid = getuid(), .gid = getgid()};
    failure.code = EXIT_CODE_OK;
    settings_default(&settings);
    snprintf(settings.config_file, sizeof(settings.config_file), "bundle.json");
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        copies.fds[i] = -1;
    ck_assert(loop_init(&loop, ignore_signal, NULL, &failure));
}

static bool vet(const char *text)
{
    char bytes[1024];
    struct source source = {.bytes = bytes, .size = strlen(text)};

    ck_assert_uint_lt(source.size, sizeof(bytes));
    memcpy(bytes, text, source.size);
    return vet_bundle(&loop, &source, &settings, &copies, NULL, &privileges, &report, &failure);
}

/* A host that the client chooses keeps no limit where all hosts are one server. */
START_TEST(hosts_of_the_proxy_are_the_clients_word)
{
    static const char by_host[] =
        "{\"bundle_version\":1,\"policies\":[{\"id\":\"a\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\","
        "\"hosts\":[\"a.example\"]},\"mode\":\"enforce\",\"rules\":[{\"name\":\"r\",\"limit_keys\":[],\"algorithm\":"
        "\"token_bucket\",\"algorithm_config\":{\"tokens_per_second\":1,\"burst\":1}}]}}]}";

    ck_assert_msg(vet(by_host) && report.is_valid && !report.trusts_hosts, "%s", failure.sentence);
    settings.mode = SETTINGS_MODE_REVERSE_PROXY;
    ck_assert(vet(by_host) && report.is_valid && report.trusts_hosts);
    ck_assert(vet(good_bundle) && report.is_valid && !report.trusts_hosts);
}
END_TEST

static uint32_t at_zero_after(const char *old, const char *new)
{
    char before[1024], after[1024];
    struct source served = {.bytes = before, .size = strlen(old)}, source = {.bytes = after, .size = strlen(new)};
    const struct vet_served told = {&served, 0};

    memcpy(before, old, served.size);
    memcpy(after, new, source.size);
    ck_assert(vet_bundle(&loop, &source, &settings, &copies, &told, &privileges, &report, &failure) && report.is_valid);
    return report.at_zero;
}

/* Rules with counters of their own are counted; an unreadable bundle before is no fault of the new one. */
START_TEST(rules_that_begin_at_zero_are_counted)
{
    static const char frame[] =
        "{\"bundle_version\":1,\"policies\":[{\"id\":\"%s\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"mode\":\"%s\","
        "\"rules\":[{\"name\":\"%s\",\"limit_keys\":[\"%s\"],\"algorithm\":\"token_bucket\",\"algorithm_config\":"
        "{\"tokens_per_second\":1,\"burst\":%s}}]}}]}";
    static const struct {
        const char *id, *mode, *name, *key, *burst;
        uint32_t at_zero;
    } rows[] = {
        {"a", "shadow", "r", "ip:address", "1", 0}, {"a", "shadow", "r", "ip:address", "9", 0},
        {"b", "shadow", "r", "ip:address", "1", 1}, {"a", "enforce", "r", "ip:address", "1", 1},
        {"a", "shadow", "s", "ip:address", "1", 1}, {"a", "shadow", "r", "header:x", "1", 1},
    };
    char old[1024], new[1024];

    snprintf(old, sizeof(old), frame, "a", "shadow", "r", "ip:address", "1");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(new, sizeof(new), frame, rows[i].id, rows[i].mode, rows[i].name, rows[i].key, rows[i].burst);
        ck_assert_msg(at_zero_after(old, new) == rows[i].at_zero, "%s", new);
    }
    ck_assert_uint_eq(at_zero_after("{", new), 0);
}
END_TEST

START_TEST(good_bundle_is_summed_up)
{
    ck_assert_msg(vet(good_bundle) && report.is_valid, "%s", failure.sentence);
    ck_assert_str_eq(report.version_text, "7");
    ck_assert_uint_eq(report.policy_count, 1);
    ck_assert_uint_eq(report.rule_count, 1);
    ck_assert_uint_eq(report.trusts_claims, 1);
}
END_TEST

START_TEST(bad_bundle_comes_back_as_complaints)
{
    char line[1024];

    ck_assert(vet("{\n  \"bundle_version\": 1,\n  \"policies\": [],\n  \"polices\": []\n}"));
    ck_assert(!report.is_valid);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_BUNDLE);
    ck_assert_uint_ge(report.complaints.errors, 1);
    vet_print_complaint(&report.complaints.items[0], "bundle.json", line, sizeof(line));
    ck_assert_msg(strncmp(line, "bundle.json:4:3: error: ", 24) == 0, "%s", line);
    ck_assert_msg(strstr(line, " (/polices)"), "%s", line);
}
END_TEST

START_TEST(empty_bundle_is_a_complaint)
{
    ck_assert(vet(""));
    ck_assert(!report.is_valid);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_BUNDLE);
}
END_TEST

static const char tor_bundle[] = "{\"bundle_version\": 1, \"policies\": [], \"kill_switches\": [{\"scope_key\": "
                                 "\"ip:tor\", \"scope_value\": \"true\"}]}";

/* The list of Tor exits is TEXT from now on. */
static void set_exits(const char *text)
{
    FILE *file = fopen("vet-test.exits", "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    snprintf(settings.references[SETTINGS_REFERENCE_TOR], SETTINGS_PATH_SIZE, "vet-test.exits");
    ck_assert_msg(copies_make(&settings, &copies, &failure), "%s", failure.sentence);
    unlink("vet-test.exits");
}

START_TEST(what_keys_need_must_be_there)
{
    ck_assert(!vet(tor_bundle));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_str_eq(
        failure.sentence,
        "the bundle bundle.json cannot be enforced: ip:tor needs the setting tor_exit_list, which is not set");
    set_exits("192.0.2.1\n");
    ck_assert_msg(vet(tor_bundle) && report.is_valid, "%s", failure.sentence);
    ck_assert_int_gt(copies.fds[SETTINGS_REFERENCE_TOR], 0);
    ck_assert_int_eq(write(copies.fds[SETTINGS_REFERENCE_TOR], "x", 1), -1); /* sealed */
    copies_close(&copies);
}
END_TEST

/* The key set is TEXT from now on. */
static void set_keys(const char *text)
{
    FILE *file = fopen("vet-test.keys", "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    snprintf(settings.references[SETTINGS_REFERENCE_TOKEN_KEYS], SETTINGS_PATH_SIZE, "vet-test.keys");
    ck_assert_msg(copies_make(&settings, &copies, &failure), "%s", failure.sentence);
    unlink("vet-test.keys");
}

static bool warns_of_claims(void)
{
    for (size_t i = 0; i < report.complaints.count; i++)
        if (strstr(report.complaints.items[i].sentence, "not verified"))
            return true;
    return false;
}

START_TEST(keys_end_the_warning_about_claims)
{
    size_t warnings;

    ck_assert(vet(good_bundle) && report.is_valid && report.trusts_claims && warns_of_claims());
    warnings = report.complaints.warnings;
    set_keys("{\"keys\": [{\"kty\": \"oct\", \"alg\": \"HS256\", \"k\": "
             "\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0i\"}]}");
    ck_assert_msg(vet(good_bundle), "%s", failure.sentence);
    ck_assert(report.is_valid && !report.trusts_claims && !warns_of_claims());
    ck_assert_uint_eq(report.complaints.warnings, warnings - 1);
    copies_close(&copies);
}
END_TEST

START_TEST(bad_keys_are_refused)
{
    set_keys("{\"keys\": [{\"kty\": \"oct\"}]}");
    ck_assert(!vet(good_bundle));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "vet-test.keys:1:11: key 1: alg is missing"));
    copies_close(&copies);
}
END_TEST

/* Also when the bundle does not need it: what is named in the settings must be right. */
START_TEST(what_is_named_must_be_right)
{
    set_exits("192.0.2.1\nelsewhere\n");
    ck_assert(!vet(good_bundle));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "vet-test.exits:2: \"elsewhere\" is neither"));
    ck_assert(vet("{}") && !report.is_valid); /* the bundle's own errors come first */
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_BUNDLE);
    copies_close(&copies);
}
END_TEST

START_TEST(what_is_no_file_is_not_copied)
{
    static const struct {
        const char *path;
        enum exit_code code;
    } rows[] = {
        {"/dev/zero", EXIT_CODE_BAD_CONFIG}, {"/", EXIT_CODE_BAD_CONFIG}, {"/nowhere/list", EXIT_CODE_NO_INPUT}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(settings.references[SETTINGS_REFERENCE_TYPES], SETTINGS_PATH_SIZE, "%s", rows[i].path);
        ck_assert(!copies_make(&settings, &copies, &failure));
        ck_assert_int_eq(failure.code, rows[i].code);
        ck_assert_ptr_nonnull(strstr(failure.sentence, "(setting asn_type_map)"));
    }
}
END_TEST

START_TEST(dying_child_is_reported)
{
    /* Bytes that are not there: the child dies of the first look at them. */
    struct source source = {.bytes = (char *)16, .size = 100};

    ck_assert(!vet_bundle(&loop, &source, &settings, &copies, NULL, &privileges, &report, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_OUR_BUG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "bundle.json"));
    ck_assert(vet(good_bundle) && report.is_valid);
}
END_TEST

START_TEST(fifo_and_folder_are_no_bundles)
{
    struct source source;

    unlink("vet-test.fifo"); /* of a run that was ended */
    ck_assert_int_eq(mkfifo("vet-test.fifo", 0600), 0);
    ck_assert(!source_read("vet-test.fifo", &source, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_BUNDLE);
    unlink("vet-test.fifo");
    ck_assert(!source_read(".", &source, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_BUNDLE);
    ck_assert(!source_read("vet-test.missing", &source, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
    ck_assert(!source_read("/dev/zero", &source, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_BUNDLE);
}
END_TEST

START_TEST(huge_file_is_refused_unread)
{
    struct source source;
    FILE *file = fopen("vet-test.huge", "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ftruncate(fileno(file), (off_t)1 << 40), 0);
    fclose(file);
    ck_assert(!source_read("vet-test.huge", &source, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_BUNDLE);
    unlink("vet-test.huge");
}
END_TEST

START_TEST(digest_is_that_of_sha256sum)
{
    struct source source;
    FILE *file = fopen("vet-test.file", "w");

    ck_assert_ptr_nonnull(file);
    fputs("abc", file);
    fclose(file);
    ck_assert_msg(source_read("vet-test.file", &source, &failure), "%s", failure.sentence);
    ck_assert_str_eq(source.digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    source_free(&source);
    unlink("vet-test.file");
}
END_TEST

START_TEST(complaint_without_a_place_has_none)
{
    struct complaint complaint = {.severity = COMPLAINT_WARNING, .sentence = "too quiet"};
    char line[64];

    vet_print_complaint(&complaint, "f", line, sizeof(line));
    ck_assert_str_eq(line, "f: warning: too quiet");
    snprintf(complaint.sentence, sizeof(complaint.sentence), "a\033[2Jb\n");
    vet_print_complaint(&complaint, "f", line, sizeof(line));
    ck_assert_str_eq(line, "f: warning: a?[2Jb?");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vet");
    TCase *tests = tcase_create("vet");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, good_bundle_is_summed_up);
    tcase_add_test(tests, rules_that_begin_at_zero_are_counted);
    tcase_add_test(tests, hosts_of_the_proxy_are_the_clients_word);
    tcase_add_test(tests, bad_bundle_comes_back_as_complaints);
    tcase_add_test(tests, empty_bundle_is_a_complaint);
    tcase_add_test(tests, what_keys_need_must_be_there);
    tcase_add_test(tests, keys_end_the_warning_about_claims);
    tcase_add_test(tests, bad_keys_are_refused);
    tcase_add_test(tests, what_is_named_must_be_right);
    tcase_add_test(tests, what_is_no_file_is_not_copied);
    tcase_add_test(tests, dying_child_is_reported);
    tcase_add_test(tests, fifo_and_folder_are_no_bundles);
    tcase_add_test(tests, huge_file_is_refused_unread);
    tcase_add_test(tests, digest_is_that_of_sha256sum);
    tcase_add_test(tests, complaint_without_a_place_has_none);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
