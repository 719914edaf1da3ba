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

static void ignore_signal(void *context, int signal)
{
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
    return vet_bundle(&loop, &source, &settings, &copies, &privileges, &report, &failure);
}

START_TEST(good_bundle_is_summed_up)
{
    ck_assert_msg(vet(good_bundle) && report.is_valid, "%s", failure.sentence);
    ck_assert_str_eq(report.version_text, "7");
    ck_assert_uint_eq(report.policy_count, 1);
    ck_assert_uint_eq(report.rule_count, 1);
    ck_assert_uint_eq(report.uses_jwt, 1);
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

START_TEST(dying_child_is_reported)
{
    /* Bytes that are not there: the child dies of the first look at them. */
    struct source source = {.bytes = (char *)16, .size = 100};

    ck_assert(!vet_bundle(&loop, &source, &settings, &copies, &privileges, &report, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_OUR_BUG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "bundle.json"));
    ck_assert(vet(good_bundle) && report.is_valid);
}
END_TEST

START_TEST(fifo_and_folder_are_no_bundles)
{
    struct source source;

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
    tcase_add_test(tests, bad_bundle_comes_back_as_complaints);
    tcase_add_test(tests, empty_bundle_is_a_complaint);
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
