/* SPDX-License-Identifier: MPL-2.0
 *
 * The map from autonomous systems to types: what it finds, and bad lines with their place.
 */
#include "policy/asn_types.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct failure failure;

static struct asn_types *parse(const char *text)
{
    return asn_types_parse("map", slice_of(text), &failure);
}

static void check(const struct asn_types *types, uint32_t number, const char *type)
{
    struct slice found;

    ck_assert(asn_types_find(types, number, &found) == (type != NULL));
    if (type)
        ck_assert(slice_equal(found, slice_of(type)));
}

START_TEST(numbers_have_types)
{
    struct asn_types *types = parse("# map\n64500 isp\nAS64496\thosting\r\n\nas1   business\n4294967295 isp\n");
    struct slice name;

    ck_assert_msg(types != NULL, "%s", failure.sentence);
    check(types, 64496, "hosting");
    check(types, 64500, "isp");
    check(types, 1, "business");
    check(types, 4294967295u, "isp");
    check(types, 64497, NULL);
    check(types, 0, NULL);
    ck_assert(asn_types_find_name(types, SLICE("HOSTING"), &name) && slice_equal(name, SLICE("hosting")));
    ck_assert(!asn_types_find_name(types, SLICE("education"), &name));
    asn_types_free(types);
}
END_TEST

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"64496\n", "map:1: \"\" cannot be a type"},
    {"hosting 64496\n", "map:1: \"hosting\" is not the number"},
    {"64496 Hosting\n", "map:1: \"Hosting\" cannot be a type"},
    {"64496 a b\n", "map:1: \"a b\" cannot be a type"},
    {"64496 hosting # x\n", "map:1: \"hosting # x\" cannot be a type"},
    {"4294967296 isp\n", "map:1: \"4294967296\" is not the number"},
    {"99999999999 isp\n", "map:1: \"99999999999\" is not the number"},
    {"0 isp\n", "map:1: \"0\" is not the number"},
    {"01 isp\n", "map:1: \"01\" is not the number"},
    {"-1 isp\n", "map:1: \"-1\" is not the number"},
    {"1 isp\n2 isp\n1 isp\n", "map:3: the number 1 stands in line 1 already"},
    {"AS7 isp\n# x\n7 hosting\n", "map:3: the number 7 stands in line 1 already"},
    {"", "the list map holds no line"},
};

START_TEST(bad_lines_have_their_place)
{
    ck_assert_ptr_null(parse(bad[_i].text));
    ck_assert_msg(strncmp(failure.sentence, bad[_i].sentence, strlen(bad[_i].sentence)) == 0, "%s", failure.sentence);
}
END_TEST

START_TEST(types_are_few)
{
    char text[2000];
    size_t used = 0;

    for (unsigned i = 1; i <= 65; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%u type%u\n", i, i);
    ck_assert_ptr_null(parse(text));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "map:65: \"type65\" is one type more than the 64"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("asn_types");
    TCase *tcase = tcase_create("asn_types");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, numbers_have_types);
    tcase_add_loop_test(tcase, bad_lines_have_their_place, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tcase, types_are_few);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
