/* SPDX-License-Identifier: MPL-2.0
 *
 * "Did you mean": which slips lead back to the name, and which words are too far off to guess.
 */
#include <check.h>
#include <stdlib.h>

#include "shm/near.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const char *const names[] = {"listen", "mode", "user", "group", "log_level", "log_format", "max_headers"};

static const struct {
    const char *word, *meant; /* NULL: nothing is near */
} rows[] = {
    {"listen", "listen"},
    {"lisen", "listen"},
    {"litsen", "listen"},
    {"Listen", "listen"},
    {"listenn", "listen"},
    {"mdoe", "mode"},
    {"moed", "mode"},
    {"log-level", "log_level"},
    {"log_formt", "log_format"},
    {"maxheaders", "max_headers"},
    {"", NULL},
    {"x", NULL},
    {"backend_url", NULL},
    {"zzzzzz", NULL},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
};

START_TEST(finds_what_was_meant)
{
    struct near near;

    near_init(&near, slice_of(rows[_i].word));
    for (int i = 0; i < LENGTH(names); i++)
        near_offer(&near, slice_of(names[i]));
    ck_assert_msg(slice_equal(near.best, slice_of(rows[_i].meant)), "'%s' gave '%.*s'", rows[_i].word,
                  (int)near.best.size, near.best.size ? near.best.data : "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("near");
    TCase *tests = tcase_create("near");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, finds_what_was_meant, 0, LENGTH(rows));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
