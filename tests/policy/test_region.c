/* SPDX-License-Identifier: MPL-2.0
 *
 * Regions: pieces are zeroed, aligned, apart from each other, and refused when their size overflows.
 */
#include "policy/region.h"

#include <check.h>
#include <stdalign.h>
#include <stdint.h>

static bool is_filled(const unsigned char *piece, unsigned char byte, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (piece[i] != byte)
            return false;
    return true;
}

START_TEST(pieces_are_apart)
{
    struct region *region = region_new();
    unsigned char *pieces[500];

    ck_assert_ptr_nonnull(region);
    for (size_t i = 0; i < 500; i++) {
        size_t size = i * i % 70000;

        pieces[i] = region_take(region, size, 1);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        ck_assert(is_filled(pieces[i], 0, size));
        memset(pieces[i], (int)i, size);
    }
    for (size_t i = 0; i < 500; i++)
        ck_assert(is_filled(pieces[i], (unsigned char)i, i * i % 70000));
    region_free(region);
}
END_TEST

START_TEST(impossible_sizes_are_refused)
{
    struct region *region = region_new();

    ck_assert_ptr_null(region_take(region, SIZE_MAX, 2));
    ck_assert_ptr_null(region_take(region, SIZE_MAX, 1));
    ck_assert_ptr_null(region_take(region, SIZE_MAX - 40, 1));
    ck_assert_ptr_nonnull(region_take(region, 0, 8));
    ck_assert_ptr_nonnull(region_take(region, 1, 8));
    region_free(region);
    region_free(NULL);
}
END_TEST

START_TEST(copies_are_copies)
{
    struct region *region = region_new();
    char text[] = "abc";
    struct slice copy;

    ck_assert(region_copy(region, slice_of(text), &copy));
    text[0] = 'x';
    ck_assert(slice_equal(copy, SLICE("abc")));
    ck_assert(region_copy(region, (struct slice){NULL, 0}, &copy));
    ck_assert_uint_eq(copy.size, 0);
    region_free(region);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("region");
    TCase *tcase = tcase_create("region");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, pieces_are_apart);
    tcase_add_test(tcase, impossible_sizes_are_refused);
    tcase_add_test(tcase, copies_are_copies);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
