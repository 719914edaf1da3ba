/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs that are passed over in blocks end where the table ends them, wherever in a block that is, and never behind the
 * bytes that were given.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/run.h"

#define LONGEST 40 /* more than two blocks */

static const struct kind {
    const char *name;
    uint8_t role;
    const char *(*skip)(const char *at, const char *end);
} kinds[] = {
    {"name", RUN_NAME, run_skip_name},
    {"target", RUN_TARGET, run_skip_target},
    {"value", RUN_VALUE, run_skip_value},
};

/* The bytes that belong to KIND, in turn, but for BYTE at AT. */
static void fill(char *bytes, size_t size, const struct kind *kind, size_t at, int byte)
{
    int next = byte;

    for (size_t i = 0; i < size; i++) {
        do
            next = (next + 1) % 256;
        while (!run_has_role((char)next, kind->role));
        bytes[i] = (char)next;
    }
    bytes[at] = (char)byte;
}

/* Each byte in each place of runs of each length, in memory that ends where the run ends. */
START_TEST(ends_where_the_table_says)
{
    const struct kind *kind = &kinds[_i];

    for (size_t size = 1; size <= LONGEST; size++) {
        char *bytes = malloc(size);

        ck_assert_ptr_nonnull(bytes);
        for (size_t at = 0; at < size; at++)
            for (int byte = 0; byte < 256; byte++) {
                size_t expected = run_has_role((char)byte, kind->role) ? size : at, found;

                fill(bytes, size, kind, at, byte);
                found = (size_t)(kind->skip(bytes, bytes + size) - bytes);
                ck_assert_msg(found == expected, "%s: byte %d at %zu of %zu: ended at %zu", kind->name, byte, at, size,
                              found);
            }
        free(bytes);
    }
}
END_TEST

START_TEST(nothing_is_a_run_of_nothing)
{
    char byte = 'a';

    ck_assert_ptr_eq(kinds[_i].skip(&byte, &byte), &byte);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("run");
    Suite *suite = suite_create("worker/run");
    SRunner *runner = srunner_create(suite);
    int failed, count = (int)(sizeof(kinds) / sizeof(kinds[0]));

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, ends_where_the_table_says, 0, count);
    tcase_add_loop_test(tcase, nothing_is_a_run_of_nothing, 0, count);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
