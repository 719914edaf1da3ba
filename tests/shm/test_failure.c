/* SPDX-License-Identifier: MPL-2.0
 *
 * Failures whose words are longer than a sentence: a mark says so, and the cause is kept.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "shm/failure.h"

static struct failure failure;

START_TEST(keeps_the_cause)
{
    static const char *const pieces[] = {"x", "\001", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    const char *cause = "...: Permission denied";
    char path[2048] = "";

    for (size_t used = 0; used + strlen(pieces[_i]) < sizeof(path); used += strlen(pieces[_i]))
        memcpy(path + used, pieces[_i], strlen(pieces[_i]));
    for (size_t shift = 0; shift < 4; shift++) {
        errno = EACCES;
        ck_assert(!failure_set_errno(&failure, EXIT_CODE_PERMISSION, "%.*s%s cannot be read", (int)shift, "abc", path));
        ck_assert_int_eq(errno, EACCES);
        ck_assert_int_eq(failure.code, EXIT_CODE_PERMISSION);
        ck_assert_str_eq(failure.sentence + strlen(failure.sentence) - strlen(cause), cause);
    }
}
END_TEST

START_TEST(marks_what_is_cut)
{
    char word[sizeof(failure.sentence) + 1];

    memset(word, 'x', sizeof(word));
    failure_set(&failure, EXIT_CODE_USAGE, "%.*s", (int)sizeof(failure.sentence) - 1, word);
    ck_assert_uint_eq(strspn(failure.sentence, "x"), sizeof(failure.sentence) - 1);
    failure_set(&failure, EXIT_CODE_USAGE, "%.*s", (int)sizeof(failure.sentence), word);
    ck_assert_uint_eq(strspn(failure.sentence, "x"), sizeof(failure.sentence) - sizeof("..."));
    ck_assert_str_eq(failure.sentence + strspn(failure.sentence, "x"), "...");
}
END_TEST

START_TEST(is_whole_where_it_fits)
{
    errno = ENOENT;
    failure_set_errno(&failure, EXIT_CODE_NO_INPUT, "%s cannot be read", "a\033b");
    ck_assert_str_eq(failure.sentence, "a?b cannot be read: No such file or directory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failure");
    TCase *tests = tcase_create("failure");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, keeps_the_cause, 0, 5);
    tcase_add_test(tests, marks_what_is_cut);
    tcase_add_test(tests, is_whole_where_it_fits);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
