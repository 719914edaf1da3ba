/* SPDX-License-Identifier: MPL-2.0
 *
 * Request targets: every spelling of a path comes to the same form, so that none slips past a selector.
 */
#include "policy/path.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *path, *normal; /* NULL: the path itself, not copied */
} rows[] = {
    {"/", NULL},
    {"/v1/chat", NULL},
    {"/v1/chat/", NULL},
    {"/a.b/c..d/e.", NULL},
    {"/~user/-_", NULL},
    {"//", "/"},
    {"///", "/"},
    {"//v1//chat//", "/v1/chat/"},
    {"/.", "/"},
    {"/./", "/"},
    {"/..", "/"},
    {"/../", "/"},
    {"/../..//../x", "/x"},
    {"/a/..", "/"},
    {"/a/../", "/"},
    {"/a/b/..", "/a/"},
    {"/a/b/../", "/a/"},
    {"/a/b/.", "/a/b/"},
    {"/a/./b", "/a/b"},
    {"/a/../../b", "/b"},
    {"/a//../b", "/b"},
    {"/a/...", "/a/..."},
    {"/.well-known/x", "/.well-known/x"},
    {"/..a/.b", "/..a/.b"},
    {"/v1/../v1/chat", "/v1/chat"},
    {"/v1/ch%61t", "/v1/chat"},
    {"/v1/%63%68%61%74", "/v1/chat"},
    {"/v1/%2e%2e/v2", "/v2"},
    {"/v1/.%2E/v2", "/v2"},
    {"/%2e/v2", "/v2"},
    {"/v1%2fchat", "/v1%2Fchat"},
    {"/a%2F..%2fb", "/a%2F..%2Fb"},
    {"/a%20b%c3%a9", "/a%20b%C3%A9"},
    {"/a b\303\251", "/a%20b%C3%A9"},
    {"/\303%a9", "/%C3%A9"},
    {"/\t\177\200\377", "/%09%7F%80%FF"},
    {"/!\"$&'()*+,:;<=>@[\\]^`{|}", NULL},
    {"/%\303\251", "/%%C3%A9"},
    {"/%4\377", "/%4%FF"},
    {"/\303/../ /./x", "/%20/x"},
    {"/%7Euser", "/~user"},
    {"/%41%5A%30%2D%5F", "/AZ0-_"},
    {"/%2541", "/%2541"},
    {"/%00", "/%00"},
    {"/%", "/%"},
    {"/%4", "/%4"},
    {"/%4g%zz%", "/%4g%zz%"},
    {"/v1/ch%%36%31t", "/v1/ch%%361t"},
    {"/v1/ch%6%31t", "/v1/ch%6%31t"},
    {"/%%%61", "/%%%61"},
    {"/%6%%31", "/%6%%31"},
    {"/%g%61", "/%ga"},
    {"/%zz%61", "/%zza"},
    {"/%%2F%61", "/%%2Fa"},
    {"/%3f%23", "/%3F%23"},
    {"", "/"},
    {"v1", "/v1"},
    {"../v1", "/v1"},
};

START_TEST(paths_are_normalized)
{
    size_t size = strlen(rows[_i].path);
    char *out = malloc(PATH_NORMAL_SIZE(size)), *again = malloc(PATH_NORMAL_SIZE(PATH_NORMAL_SIZE(size)));
    struct slice path = slice_of(rows[_i].path), normal = path_normalize(path, out), twice;

    if (rows[_i].normal)
        ck_assert_msg(slice_equal(normal, slice_of(rows[_i].normal)), "%s: %.*s", rows[_i].path, (int)normal.size,
                      normal.data);
    else
        ck_assert_ptr_eq(normal.data, path.data);
    twice = path_normalize(normal, again);
    ck_assert(slice_equal(twice, normal));
    free(out);
    free(again);
}
END_TEST

static const struct {
    const char *target, *path, *query; /* path NULL: refused */
} targets[] = {
    {"/", "/", ""},
    {"/a?b=c", "/a", "b=c"},
    {"/a?", "/a", ""},
    {"/a?b?c", "/a", "b?c"},
    {"/a#f?b", "/a", ""},
    {"/a?b#f", "/a", "b"},
    {"?b", "/", "b"},
    {"?", "/", ""},
    {"?b#f", "/", "b"},
    {"?b/../c", "/", "b/../c"},
    {"", NULL, NULL},
    {"#f", NULL, NULL},
    {"*", NULL, NULL},
    {"a/b", NULL, NULL},
    {"example.com:443", NULL, NULL},
    {"http://h/p?q", "/p", "q"},
    {"HTTPS://h:8443/p", "/p", ""},
    {"http://h", "/", ""},
    {"http://h?q", "/", "q"},
    {"http://h#f", "/", ""},
    {"http://", NULL, NULL},
    {"http:///p", NULL, NULL},
    {"ftp://h/p", NULL, NULL},
    {"//h/p", "//h/p", ""},
};

START_TEST(targets_are_split)
{
    struct slice path, query;
    bool is_split = path_split(slice_of(targets[_i].target), &path, &query);

    ck_assert_msg(is_split == (targets[_i].path != NULL), "%s", targets[_i].target);
    if (!is_split)
        return;
    ck_assert_msg(slice_equal(path, slice_of(targets[_i].path)), "%s", targets[_i].target);
    ck_assert_msg(slice_equal(query, slice_of(targets[_i].query)), "%s", targets[_i].target);
}
END_TEST

/* Is there a percent sign without two digits behind it? */
static bool has_stray(const char *path)
{
    for (const char *at = strchr(path, '%'); at; at = strchr(at + 1, '%'))
        if (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
            return true;
    return false;
}

/* Random paths of the pieces that matter: the result has no empty and no dot segment, starts with a slash, fits, and is normal:
 * nothing that would be decoded was made by decoding. */
START_TEST(random_paths_come_out_normal)
{
    static const char *const pieces[] = {"/", "/", ".", "..", "a", "%2e", "%2E", "%2f", "%61", "bc",
                                         "%", "%36", "6", "%6", " ", "\303"};
    uint64_t state = 7;

    for (int round = 0; round < 50000; round++) {
        char path[64] = "/", again[PATH_NORMAL_SIZE(PATH_NORMAL_SIZE(64))], *out;
        struct slice normal;
        char *copy;

        while (strlen(path) < sizeof(path) - 4 && (state = state * 6364136223846793005u + 1) >> 60 != 0)
            snprintf(path + strlen(path), 4, "%s", pieces[(state >> 33) % (sizeof(pieces) / sizeof(pieces[0]))]);
        out = malloc(PATH_NORMAL_SIZE(strlen(path)));
        normal = path_normalize(slice_of(path), out);
        copy = strndup(normal.data, normal.size);
        ck_assert(copy[0] == '/');
        ck_assert_msg(!strstr(copy, "//") && !strstr(copy, "/./") && !strstr(copy, "/../"), "%s: %s", path, copy);
        ck_assert_msg(slice_equal(path_normalize(slice_of(copy), again), normal), "%s: %s", path, copy);
        ck_assert_msg(has_stray(path) || (!strcasestr(copy, "%2e") && !strstr(copy, "%61")), "%s: %s", path, copy);
        free(copy);
        free(out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("path");
    TCase *tcase = tcase_create("path");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, paths_are_normalized, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(tcase, targets_are_split, 0, sizeof(targets) / sizeof(targets[0]));
    tcase_add_test(tcase, random_paths_come_out_normal);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
