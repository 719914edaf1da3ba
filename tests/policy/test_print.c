/* SPDX-License-Identifier: MPL-2.0
 *
 * The canonical print and the digest. That what is printed loads as the same bundle is shown by test_bundles.
 */
#include "policy/print.h"

#include <check.h>
#include <stdlib.h>

#include "policy/digest.h"

static const struct {
    const char *text, *printed; /* NULL: refused */
} rows[] = {
    {"{}", "{}\n"},
    {" [ ] ", "[]\n"},
    {"{\"policies\":[],\"bundle_version\":1.50}", "{\n  \"bundle_version\": 1.5,\n  \"policies\": []\n}\n"},
    {"{\"z\":1e3,\"a\":-0,\"bundle_version\":10.0E-1}", "{\n  \"bundle_version\": 1,\n  \"a\": 0,\n  \"z\": 1000\n}\n"},
    {"[1,\"a\",true,null]", "[1, \"a\", true, null]\n"},
    {"[[1],{}]", "[\n  [1],\n  {}\n]\n"},
    {"\"\\u0041\\/\\u00e9\\u000a\\u001f\\\\\\\"\\t\\b\\f\\r\"", "\"A/\xC3\xA9\\n\\u001f\\\\\\\"\\t\\b\\f\\r\"\n"},
    {"123456789012345678901234567890", "123456789012345678901234567890\n"},
    {"{\"policies\":[{\"spec\":{\"rules\":[{\"algorithm_config\":{\"burst\":2,\"algorithm\":\"token_bucket\",\"rps\":1}"
     ","
     "\"algorithm\":\"token_bucket\",\"name\":\"r\"}]},\"id\":\"p\"}]}",
     "{\n  \"policies\": [\n    {\n      \"id\": \"p\",\n      \"spec\": {\n        \"rules\": [\n          {\n"
     "            \"name\": \"r\",\n            \"algorithm\": \"token_bucket\",\n            \"algorithm_config\": {\n"
     "              \"rps\": 1,\n              \"burst\": 2,\n              \"algorithm\": \"token_bucket\"\n          "
     "  }\n"
     "          }\n        ]\n      }\n    }\n  ]\n}\n"},
    {"{\"a\":1,}", NULL},
    {"", NULL},
};

static struct slice print(struct slice text, bool *is_fine)
{
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);

    ck_assert_ptr_nonnull(out);
    *is_fine = print_bundle(text, out);
    fclose(out);
    return (struct slice){printed, size};
}

START_TEST(documents_are_printed)
{
    bool is_fine;
    struct slice printed = print(slice_of(rows[_i].text), &is_fine), again;

    ck_assert_msg(is_fine == (rows[_i].printed != NULL), "%s", rows[_i].text);
    if (is_fine) {
        ck_assert_msg(slice_equal(printed, slice_of(rows[_i].printed)), "%.*s", (int)printed.size, printed.data);
        again = print(printed, &is_fine);
        ck_assert(is_fine && slice_equal(printed, again));
        free((void *)(uintptr_t)again.data);
    }
    free((void *)(uintptr_t)printed.data);
}
END_TEST

START_TEST(a_failed_stream_is_told)
{
    FILE *full = fopen("/dev/full", "w");

    ck_assert_ptr_nonnull(full);
    setvbuf(full, NULL, _IONBF, 0);
    ck_assert(!print_bundle(SLICE("{\"a\":1}"), full));
    fclose(full);
}
END_TEST

START_TEST(digests_are_those_of_sha256sum)
{
    char text[DIGEST_TEXT_SIZE];

    ck_assert(digest_hex(SLICE(""), text));
    ck_assert_str_eq(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert(digest_hex(SLICE("abc"), text));
    ck_assert_str_eq(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("print");
    TCase *tcase = tcase_create("print");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, documents_are_printed, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, a_failed_stream_is_told);
    tcase_add_test(tcase, digests_are_those_of_sha256sum);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
