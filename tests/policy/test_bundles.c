/* SPDX-License-Identifier: MPL-2.0
 *
 * The folders bad/ and good/: each NNN-name.json in bad/ is refused with exactly the lines of NNN-name.expect, each
 * file in good/ loads, prints, and what was printed loads again and prints the same bytes. Files that lack their twin
 * are failures too.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/load.h"
#include "policy/print.h"

#define NOW        INT64_C(1790000000) /* 2026-09-21; nothing in the folders depends on the day */
#define MAX_FILES  1000
#define NAME_SIZE  512
#define FEWEST_BAD 80

struct folder {
    char names[MAX_FILES][NAME_SIZE]; /* whole paths, sorted */
    size_t count;
};

static struct complaint_list complaints;
static struct folder folder;

static const char *cases(void)
{
    const char *given = getenv("FAIRVISOR_TEST_POLICY");

    return given ? given : POLICY_CASES;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

static void list_folder(const char *name, const char *suffix)
{
    char path[NAME_SIZE];
    struct dirent *entry;
    DIR *dir;

    folder.count = 0;
    snprintf(path, sizeof(path), "%s/%s", cases(), name);
    dir = opendir(path);
    ck_assert_msg(dir != NULL, "%s cannot be read", path);
    while ((entry = readdir(dir)) != NULL) {
        size_t size = strlen(entry->d_name), cut = strlen(suffix);

        if (size <= cut || strcmp(entry->d_name + size - cut, suffix) != 0)
            continue;
        ck_assert_uint_lt(folder.count, MAX_FILES);
        ck_assert_int_lt(snprintf(folder.names[folder.count++], NAME_SIZE, "%s/%s", path, entry->d_name), NAME_SIZE);
    }
    closedir(dir);
    qsort(folder.names, folder.count, NAME_SIZE, compare_names);
}

/* The bytes of a file in memory of just that size, so that a sanitizer sees a read behind the end. */
static struct slice read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long size;

    ck_assert_msg(file != NULL, "%s cannot be read", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    ck_assert_int_ge(size, 0);
    rewind(file);
    bytes = malloc(size > 0 ? (size_t)size : 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return (struct slice){bytes, (size_t)size};
}

static void free_text(struct slice text)
{
    free((void *)(uintptr_t)text.data);
}

static struct slice complaints_as_text(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < complaints.count; i++)
        fprintf(out, "%u:%u: %s: %s\n", complaints.items[i].line, complaints.items[i].column, complaints.items[i].code,
                complaints.items[i].sentence);
    fclose(out);
    return (struct slice){text, size};
}

static void with_suffix(const char *path, const char *suffix, char out[NAME_SIZE])
{
    size_t stem = strlen(path) - strlen(strrchr(path, '.'));

    ck_assert_int_lt(snprintf(out, NAME_SIZE, "%.*s%s", (int)stem, path, suffix), NAME_SIZE);
}

START_TEST(bad_bundles_get_their_complaints)
{
    list_folder("bad", ".json");
    ck_assert_uint_ge(folder.count, FEWEST_BAD);
    for (size_t i = 0; i < folder.count; i++) {
        struct slice text = read_file(folder.names[i]), found, expected;
        char twin[NAME_SIZE];

        ck_assert_msg(load_bundle(text, NOW, &complaints) == NULL, "%s loads", folder.names[i]);
        found = complaints_as_text();
        with_suffix(folder.names[i], ".expect", twin);
        expected = read_file(twin);
        ck_assert_msg(slice_equal(found, expected), "%s: expected\n%.*sfound\n%.*s", folder.names[i],
                      (int)expected.size, expected.data, (int)found.size, found.data);
        free_text(text);
        free_text(found);
        free_text(expected);
    }
}
END_TEST

START_TEST(every_expectation_has_its_bundle)
{
    list_folder("bad", ".expect");
    ck_assert_uint_ge(folder.count, FEWEST_BAD);
    for (size_t i = 0; i < folder.count; i++) {
        char twin[NAME_SIZE];

        with_suffix(folder.names[i], ".json", twin);
        free_text(read_file(twin));
    }
}
END_TEST

static struct bundle *load_good(struct slice text, const char *name)
{
    struct bundle *bundle = load_bundle(text, NOW, &complaints);

    ck_assert_msg(bundle != NULL, "%s:%u:%u: %s", name, complaints.items[0].line, complaints.items[0].column,
                  complaints.items[0].sentence);
    return bundle;
}

static struct slice print_to_memory(struct slice text)
{
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);

    ck_assert_ptr_nonnull(out);
    ck_assert(print_bundle(text, out));
    fclose(out);
    return (struct slice){printed, size};
}

static void check_same_rule(const struct rule *a, const struct rule *b)
{
    ck_assert(slice_equal(a->identity, b->identity));
    ck_assert_int_eq(a->on_missing, b->on_missing);
    ck_assert_int_eq(a->admits_when_full, b->admits_when_full);
    ck_assert_uint_eq(a->condition_count, b->condition_count);
    ck_assert_int_eq(a->config.token_bucket.rate, b->config.token_bucket.rate);
    ck_assert_int_eq(a->config.token_bucket.burst, b->config.token_bucket.burst);
    ck_assert_int_eq(a->config.token_bucket.cost.fixed, b->config.token_bucket.cost.fixed);
    ck_assert_int_eq(a->config.token_bucket.cost.standard, b->config.token_bucket.cost.standard);
}

static void check_same_bundle(const struct bundle *a, const struct bundle *b)
{
    ck_assert(slice_equal(a->version_text, b->version_text));
    ck_assert_int_eq(a->expires_at, b->expires_at);
    ck_assert_uint_eq(a->policy_count, b->policy_count);
    ck_assert_uint_eq(a->rule_count, b->rule_count);
    ck_assert_uint_eq(a->kill_switch_count, b->kill_switch_count);
    ck_assert_uint_eq(a->descriptor_count, b->descriptor_count);
    for (uint32_t i = 0; i < a->policy_count; i++) {
        ck_assert(slice_equal(a->policies[i].id, b->policies[i].id));
        ck_assert(slice_equal(a->policies[i].path, b->policies[i].path));
        ck_assert_uint_eq(a->policies[i].method_bits, b->policies[i].method_bits);
        ck_assert_uint_eq(a->policies[i].rule_count, b->policies[i].rule_count);
        for (uint32_t k = 0; k < a->policies[i].rule_count; k++)
            check_same_rule(&a->policies[i].rules[k], &b->policies[i].rules[k]);
    }
    for (uint32_t i = 0; i < a->kill_switch_count; i++)
        ck_assert(slice_equal(a->kill_switches[i].value, b->kill_switches[i].value));
}

START_TEST(good_bundles_load_and_print)
{
    list_folder("good", ".json");
    ck_assert_uint_ge(folder.count, 3);
    for (size_t i = 0; i < folder.count; i++) {
        struct slice text = read_file(folder.names[i]), printed = print_to_memory(text), again;
        struct bundle *first = load_good(text, folder.names[i]), *second;

        free_text(text);
        second = load_good(printed, folder.names[i]);
        again = print_to_memory(printed);
        ck_assert_msg(slice_equal(printed, again), "%s prints differently the second time", folder.names[i]);
        check_same_bundle(first, second);
        free_text(printed);
        free_text(again);
        bundle_free(first);
        bundle_free(second);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bundles");
    TCase *tcase = tcase_create("bundles");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, bad_bundles_get_their_complaints);
    tcase_add_test(tcase, every_expectation_has_its_bundle);
    tcase_add_test(tcase, good_bundles_load_and_print);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
