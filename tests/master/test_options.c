/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line: every option in both spellings, and a usage error with a sentence for all else.
 */
#include "master/options.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGUMENTS 6

static bool parse(const char *const *words, struct options *options, struct failure *failure)
{
    static char copies[MAX_ARGUMENTS][64];
    char *arguments[MAX_ARGUMENTS + 1] = {NULL};
    int count = 0;

    snprintf(copies[count], sizeof(copies[0]), "fairvisord");
    arguments[count] = copies[count];
    count++;
    for (; words[count - 1]; count++) {
        snprintf(copies[count], sizeof(copies[0]), "%s", words[count - 1]);
        arguments[count] = copies[count];
    }
    return options_parse(count, arguments, options, failure);
}

START_TEST(both_spellings_mean_the_same)
{
    const struct {
        const char *const *words;
        struct options options;
    } rows[] = {
        {(const char *const[]){NULL}, {0}},
        {(const char *const[]){"-t", NULL}, {.is_test = true}},
        {(const char *const[]){"--test", NULL}, {.is_test = true}},
        {(const char *const[]){"-T", NULL}, {.is_test = true, .prints = true}},
        {(const char *const[]){"--dump", NULL}, {.is_test = true, .prints = true}},
        {(const char *const[]){"-d", NULL}, {.is_daemon = true}},
        {(const char *const[]){"--daemon", NULL}, {.is_daemon = true}},
        {(const char *const[]){"-V", NULL}, {.wants_version = true}},
        {(const char *const[]){"--version", NULL}, {.wants_version = true}},
        {(const char *const[]){"-h", NULL}, {.wants_help = true}},
        {(const char *const[]){"--help", NULL}, {.wants_help = true}},
        {(const char *const[]){"-s", "stop", NULL}, {.order = OPTIONS_ORDER_STOP}},
        {(const char *const[]){"-s", "quit", NULL}, {.order = OPTIONS_ORDER_QUIT}},
        {(const char *const[]){"--signal", "reload", NULL}, {.order = OPTIONS_ORDER_RELOAD}},
        {(const char *const[]){"--signal=reopen", NULL}, {.order = OPTIONS_ORDER_REOPEN}},
    };
    struct options options;
    struct failure failure;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(parse(rows[i].words, &options, &failure), "row %zu: %s", i, failure.sentence);
        ck_assert_msg(memcmp(&options, &rows[i].options, sizeof(options)) == 0, "row %zu means something else", i);
    }
}
END_TEST

START_TEST(files_are_taken)
{
    struct options options;
    struct failure failure;

    ck_assert(parse((const char *const[]){"-c", "a.conf", "--pidfile=b.pid", NULL}, &options, &failure));
    ck_assert_str_eq(options.config, "a.conf");
    ck_assert_str_eq(options.pidfile, "b.pid");
}
END_TEST

START_TEST(all_else_is_a_usage_error)
{
    const struct {
        const char *const *words;
        const char *part; /* of the sentence */
    } rows[] = {
        {(const char *const[]){"-x", NULL}, "-x"},
        {(const char *const[]){"--nonsense", NULL}, "--nonsense"},
        {(const char *const[]){"-c", NULL}, "-c needs an argument"},
        {(const char *const[]){"--config", NULL}, "--config needs an argument"},
        {(const char *const[]){"-s", "restart", NULL}, "'restart'"},
        {(const char *const[]){"-s", "", NULL}, "''"},
        {(const char *const[]){"start", NULL}, "'start'"},
        {(const char *const[]){"-t", "more", NULL}, "'more'"},
    };
    struct options options;
    struct failure failure;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(!parse(rows[i].words, &options, &failure), "row %zu was taken", i);
        ck_assert_int_eq(failure.code, EXIT_CODE_USAGE);
        ck_assert_msg(strstr(failure.sentence, rows[i].part), "row %zu: %s", i, failure.sentence);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tests = tcase_create("options");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, both_spellings_mean_the_same);
    tcase_add_test(tests, files_are_taken);
    tcase_add_test(tests, all_else_is_a_usage_error);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
