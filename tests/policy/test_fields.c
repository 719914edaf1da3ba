/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of fields keeps its own promises: ranges make sense, inner objects and standard words exist, every
 * field has prose.
 */
#include "policy/fields.h"

#include <check.h>
#include <string.h>

#include "policy/bundle.h"
#include "policy/decimal.h"

static bool is_word(const char *words, struct slice text)
{
    struct slice word;
    size_t at = 0;

    while (fields_next_word(words, &at, &word))
        if (slice_equal(word, text))
            return true;
    return false;
}

static void check_words(const struct field_row *row)
{
    bool has_words = row->type == FIELD_TYPE_WORD || row->type == FIELD_TYPE_COST_SOURCE;
    bool has_object = row->type == FIELD_TYPE_OBJECT || row->type == FIELD_TYPE_OBJECTS ||
                      row->type == FIELD_TYPE_OBJECT_MAP;

    ck_assert_msg((row->words[0] != '\0') == (has_words || has_object), "%s", row->key);
    if (has_object)
        ck_assert_msg(fields_object(slice_of(row->words)) < OBJECT_COUNT, "%s", row->key);
    if (has_words && row->standard[0] != '\0')
        ck_assert_msg(is_word(row->words, slice_of(row->standard)), "%s", row->key);
}

static void check_number(const struct field_row *row)
{
    int64_t number, unit = row->type == FIELD_TYPE_INTEGER ? BUNDLE_MILLIONTHS : 1;

    ck_assert_msg(row->most <= DECIMAL_MAX / unit && row->least <= row->most, "%s", row->key);
    if (row->standard[0] == '\0')
        return;
    ck_assert_msg(decimal_parse(slice_of(row->standard), &number) == DECIMAL_OK, "%s", row->key);
    ck_assert_msg(number >= row->least * unit && number <= row->most * unit, "%s", row->key);
}

START_TEST(rows_are_sound)
{
    const struct field_row *row = &fields_table[_i];

    check_words(row);
    if (row->type == FIELD_TYPE_AMOUNT || row->type == FIELD_TYPE_INTEGER)
        check_number(row);
    ck_assert_msg(row->standard[0] == '\0' || row->need == FIELD_NEED_OPTIONAL, "%s", row->key);
    ck_assert_msg(strlen(row->prose) > 10 && row->prose[strlen(row->prose) - 1] == '.', "%s", row->key);
    ck_assert_int_eq(fields_find(row->object, slice_of(row->key)), _i);
}
END_TEST

START_TEST(objects_have_their_stretch)
{
    for (enum object object = 0; object < OBJECT_COUNT; object++) {
        ck_assert_int_gt(fields_first(object + 1), fields_first(object));
        ck_assert_msg(fields_first(object + 1) - fields_first(object) <= FIELDS_PER_OBJECT, "%s",
                      fields_objects[object].symbol);
        for (enum field field = fields_first(object); field < fields_first(object + 1); field++)
            ck_assert_int_eq(fields_table[field].object, object);
        ck_assert_int_eq(fields_object(slice_of(fields_objects[object].symbol)), object);
    }
    ck_assert_int_eq(fields_first(OBJECT_COUNT), FIELD_COUNT);
}
END_TEST

START_TEST(needed_enabled_stands_beside_enabled)
{
    for (enum field field = 0; field < FIELD_COUNT; field++)
        if (fields_table[field].need == FIELD_NEED_ENABLED)
            ck_assert_int_lt(fields_find(fields_table[field].object, SLICE("enabled")), FIELD_COUNT);
}
END_TEST

START_TEST(names_follow_the_enums)
{
    static const char *const algorithms = "token_bucket cost_based token_bucket_llm concurrency";
    static const char *const formats = "auto openai anthropic gemini mistral problem";
    struct slice word;
    size_t at = 0;

    ck_assert_str_eq(fields_table[FIELD_rule_algorithm].words, algorithms);
    ck_assert_str_eq(fields_table[FIELD_fallback_algorithm].words, algorithms);
    ck_assert_str_eq(fields_table[FIELD_spec_error_format].words, formats);
    for (int i = 0; fields_next_word(algorithms, &at, &word); i++) {
        ck_assert(slice_equal(word, slice_of(bundle_algorithm_name((enum algorithm)i))));
        ck_assert_int_lt(fields_object(word), OBJECT_COUNT);
    }
    at = 0;
    for (int i = 0; fields_next_word(formats, &at, &word); i++)
        ck_assert(slice_equal(word, slice_of(bundle_error_format_name((enum error_format)i))));
}
END_TEST

START_TEST(aliases_are_other_spellings)
{
    ck_assert_int_eq(fields_find(OBJECT_token_bucket, SLICE("rps")), FIELD_token_bucket_tokens_per_second);
    ck_assert_int_eq(fields_find(OBJECT_rule, SLICE("rps")), FIELD_COUNT);
    for (size_t i = 0; i < FIELDS_ALIAS_COUNT; i++)
        ck_assert_int_eq(fields_table[fields_aliases[i].meant].object, fields_aliases[i].object);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fields");
    TCase *tcase = tcase_create("fields");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, rows_are_sound, 0, FIELD_COUNT);
    tcase_add_test(tcase, objects_have_their_stretch);
    tcase_add_test(tcase, needed_enabled_stands_beside_enabled);
    tcase_add_test(tcase, names_follow_the_enums);
    tcase_add_test(tcase, aliases_are_other_spellings);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
