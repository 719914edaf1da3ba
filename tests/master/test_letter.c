/* SPDX-License-Identifier: MPL-2.0
 *
 * What the old master writes the new one reads, up to the largest number of sockets; anything else is refused.
 */
#include "master/letter.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static struct letter letter, copy;
static struct failure failure;
static char text[LETTER_TEXT_SIZE];

START_TEST(letter_is_read_as_written)
{
    letter = (struct letter){
        .lock_fd = 5, .report_fd = 9, .generation = 12, .pid = 4711, .sockets = {6, 7, 8}, .socket_count = 3};
    ck_assert(letter_print(&letter, text, sizeof(text)));
    ck_assert_str_eq(text, "lock=5,report=9,generation=12,pid=4711,sockets=6+7+8");
    ck_assert(letter_parse(text, &copy, &failure));
    ck_assert_mem_eq(&copy, &letter, sizeof(letter));
}
END_TEST

START_TEST(largest_letter_fits)
{
    letter = (struct letter){.lock_fd = INT_MAX, .report_fd = INT_MAX, .generation = INT_MAX, .pid = INT_MAX};
    letter.socket_count = LETTER_MAX_SOCKETS;
    for (size_t i = 0; i < LETTER_MAX_SOCKETS; i++)
        letter.sockets[i] = INT_MAX;
    ck_assert(letter_print(&letter, text, sizeof(text)));
    ck_assert(letter_parse(text, &copy, &failure));
    ck_assert_mem_eq(&copy, &letter, sizeof(letter));
    ck_assert(!letter_print(&letter, text, 64));
}
END_TEST

START_TEST(anything_else_is_refused)
{
    static const char *const texts[] = {
        "",
        "x",
        "lock=5",
        "lock=5,report=9,generation=12,pid=1,sockets=",
        "lock=5,report=9,generation=12,pid=1",
        "lock=-5,report=9,generation=12,pid=1,sockets=6",
        "lock=5,report=9,generation=12,pid=1,sockets=6+",
        "lock=5,report=9,generation=12,pid=1,sockets=6,7",
        "lock=5,report=9,generation=12,pid=1,sockets=6 ",
        "lock= 5,report=9,generation=12,pid=1,sockets=6",
        "lock=5,report=9,generation=12,pid=1,sockets=99999999999",
        "lock=99999999999999999999,report=9,generation=12,pid=1,sockets=6",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(!letter_parse(texts[i], &copy, &failure), "'%s' was taken", texts[i]);
        ck_assert_int_eq(failure.code, EXIT_CODE_USAGE);
    }
}
END_TEST

START_TEST(too_many_sockets_are_refused)
{
    size_t used = (size_t)snprintf(text, sizeof(text), "lock=5,report=9,generation=12,pid=1,sockets=");

    for (size_t i = 0; i <= LETTER_MAX_SOCKETS; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, i ? "+%d" : "%d", 7);
    ck_assert(!letter_parse(text, &copy, &failure));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("letter");
    TCase *tests = tcase_create("letter");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, letter_is_read_as_written);
    tcase_add_test(tests, largest_letter_fits);
    tcase_add_test(tests, anything_else_is_refused);
    tcase_add_test(tests, too_many_sockets_are_refused);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
