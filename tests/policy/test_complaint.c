/* SPDX-License-Identifier: MPL-2.0
 *
 * Complaints: order, what is kept when there are too many, and how they are printed.
 */
#include "policy/complaint.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct complaint_list list;

static void add(enum complaint_severity severity, uint32_t line, uint32_t column, const char *sentence)
{
    complaint_add(&list, severity, "code", (struct complaint_place){line, column, "/a"}, "%s", sentence);
}

START_TEST(they_are_sorted_by_place)
{
    complaint_init(&list);
    add(COMPLAINT_ERROR, 3, 1, "d");
    add(COMPLAINT_WARNING, 1, 9, "b");
    add(COMPLAINT_ERROR, 1, 2, "a");
    add(COMPLAINT_ERROR, 1, 9, "c");
    complaint_sort(&list);
    ck_assert_uint_eq(list.count, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(list.items[i].sentence[0], "abcd"[i]);
    ck_assert_uint_eq(list.errors, 3);
    ck_assert_uint_eq(list.warnings, 1);
}
END_TEST

START_TEST(warnings_of_a_code_can_be_taken_out)
{
    complaint_init(&list);
    add(COMPLAINT_WARNING, 1, 1, "gone");
    complaint_add(&list, COMPLAINT_WARNING, "other", (struct complaint_place){2, 1, ""}, "stays");
    add(COMPLAINT_ERROR, 3, 1, "stays");
    add(COMPLAINT_WARNING, 4, 1, "gone");
    complaint_remove_warnings(&list, "code");
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(list.warnings, 1);
    ck_assert_uint_eq(list.errors, 1);
    ck_assert_uint_eq(list.items[0].line, 2);
    ck_assert_uint_eq(list.items[1].line, 3);
    ck_assert_str_eq(list.items[1].sentence, "stays");
}
END_TEST

START_TEST(errors_push_out_warnings)
{
    complaint_init(&list);
    for (size_t i = 0; i < COMPLAINT_MAX; i++)
        add(i % 2 ? COMPLAINT_WARNING : COMPLAINT_ERROR, 1, (uint32_t)i + 1, "early");
    for (size_t i = 0; i < COMPLAINT_MAX; i++)
        add(COMPLAINT_ERROR, 2, 1, "late");
    add(COMPLAINT_WARNING, 2, 1, "late");
    ck_assert_uint_eq(list.count, COMPLAINT_MAX);
    ck_assert_uint_eq(list.errors, COMPLAINT_MAX + COMPLAINT_MAX / 2);
    ck_assert_uint_eq(list.warnings, COMPLAINT_MAX / 2 + 1);
    for (size_t i = 0; i < COMPLAINT_MAX; i++)
        ck_assert_int_eq(list.items[i].severity, COMPLAINT_ERROR);
}
END_TEST

START_TEST(long_texts_are_cut_at_a_character)
{
    char pointer[COMPLAINT_POINTER_SIZE + 8];
    const char *found;

    memset(pointer, 'x', sizeof(pointer));
    memcpy(pointer + COMPLAINT_POINTER_SIZE - 3, "\xE2\x82\xAC", 3);
    pointer[sizeof(pointer) - 1] = '\0';
    complaint_init(&list);
    complaint_add(&list, COMPLAINT_ERROR, "code", (struct complaint_place){1, 1, pointer}, "s");
    found = list.items[0].pointer;
    ck_assert_uint_eq(strlen(found), COMPLAINT_POINTER_SIZE - 3);
    ck_assert_int_eq(found[strlen(found) - 1], 'x');
}
END_TEST

static const struct {
    struct complaint_place place;
    enum complaint_severity severity;
    const char *sentence, *plain, *json;
} prints[] = {
    {{3, 14, "/policies/0"},
     COMPLAINT_ERROR,
     "\"a\" is wrong",
     "f.json:3:14: error: \"a\" is wrong (/policies/0)\n",
     "{\"severity\":\"error\",\"code\":\"code\",\"line\":3,\"column\":14,\"pointer\":\"/policies/0\","
     "\"sentence\":\"\\\"a\\\" is wrong\"}"},
    {{1, 1, ""},
     COMPLAINT_WARNING,
     "it is odd",
     "f.json:1:1: warning: it is odd\n",
     "{\"severity\":\"warning\",\"code\":\"code\",\"line\":1,\"column\":1,\"pointer\":\"\",\"sentence\":\"it is "
     "odd\"}"},
    {{0, 0, NULL},
     COMPLAINT_ERROR,
     "no place",
     "f.json: error: no place\n",
     "{\"severity\":\"error\",\"code\":\"code\",\"line\":0,\"column\":0,\"pointer\":\"\",\"sentence\":\"no place\"}"},
    {{1, 2, "/\n\x1B[2J\x7F\xC2\x9B\xC3\xA9"},
     COMPLAINT_ERROR,
     "a\\b",
     "f.json:1:2: error: a\\b (/\\u000a\\u001b[2J\\u007f\\u009b\xC3\xA9)\n",
     "{\"severity\":\"error\",\"code\":\"code\",\"line\":1,\"column\":2,\"pointer\":\"/"
     "\\u000a\\u001b[2J\\u007f\\u009b\xC3\xA9\","
     "\"sentence\":\"a\\\\b\"}"},
};

START_TEST(they_are_printed)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    complaint_init(&list);
    complaint_add(&list, prints[_i].severity, "code", prints[_i].place, "%s", prints[_i].sentence);
    complaint_print(&list.items[0], "f.json", out);
    fclose(out);
    ck_assert_str_eq(text, prints[_i].plain);
    free(text);
    out = open_memstream(&text, &size);
    complaint_print_json(&list.items[0], out);
    fclose(out);
    ck_assert_str_eq(text, prints[_i].json);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("complaint");
    TCase *tcase = tcase_create("complaint");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, they_are_sorted_by_place);
    tcase_add_test(tcase, warnings_of_a_code_can_be_taken_out);
    tcase_add_test(tcase, errors_push_out_warnings);
    tcase_add_test(tcase, long_texts_are_cut_at_a_character);
    tcase_add_loop_test(tcase, they_are_printed, 0, sizeof(prints) / sizeof(prints[0]));
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
