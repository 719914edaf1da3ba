/* SPDX-License-Identifier: MPL-2.0
 *
 * No field of a bundle can change without a difference: bundles are written from the table of fields, every field given,
 * once as they are and once with another value of one field. A field that is new in the table is written and changed like
 * the others.
 */
#include "policy/difference.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/fields.h"
#include "policy/load.h"

#define NOW INT64_C(1790000000)

/* What a field of a type is, and what else it may be. */
struct sample {
    const char *first, *second;
};

static const struct sample by_type[] = {
    [FIELD_TYPE_AMOUNT] = {"2", "3"},
    [FIELD_TYPE_INTEGER] = {"2", "3"},
    [FIELD_TYPE_BOOLEAN] = {"true", "false"},
    [FIELD_TYPE_TIME] = {"\"2100-01-01T00:00:00Z\"", "\"2101-01-01T00:00:00Z\""},
    [FIELD_TYPE_TEXT] = {"\"a\"", "\"b\""},
    [FIELD_TYPE_NAME] = {"\"a\"", "\"b\""},
    [FIELD_TYPE_PATH] = {"\"/a\"", "\"/b\""},
    [FIELD_TYPE_KEY] = {"\"header:a\"", "\"header:b\""},
    [FIELD_TYPE_KEYS] = {"[\"header:a\"]", "[\"header:b\"]"},
    [FIELD_TYPE_METHODS] = {"[\"GET\"]", "[\"PUT\"]"},
    [FIELD_TYPE_HOSTS] = {"[\"a.example\"]", "[\"b.example\"]"},
    [FIELD_TYPE_MATCH] = {"{\"header:m\": \"a\"}", "{\"header:m\": \"b\"}"},
    [FIELD_TYPE_CONFIG] = {NULL, NULL},
};

/* Fields that not every value of their type suits. */
static const struct {
    enum field field;
    struct sample sample;
} by_field[] = {
    {FIELD_defaults_unmatched, {"\"reject\"", "\"allow\""}},
    {FIELD_token_bucket_burst, {"20", "30"}},
    {FIELD_token_bucket_llm_burst_tokens, {"20", "30"}},
    {FIELD_cost_based_timezone, {"\"Europe/Berlin\"", "\"Asia/Tokyo\""}},
    {FIELD_staged_action_threshold_percent, {"50", "60"}},
    {FIELD_staged_action_action, {"\"throttle\"", "\"warn\""}},
    {FIELD_fallback_name, {"\"f\"", "\"g\""}},
};

/* What a rule and a fallback are: which of the fields of a configuration have an effect depends on it. */
static const struct variant {
    enum algorithm algorithm;
    const char *source; /* of the cost */
    const char *unpriced;
} variants[] = {
    {ALGORITHM_TOKEN_BUCKET, "\"fixed\"", NULL},         {ALGORITHM_TOKEN_BUCKET, "\"header:c\"", NULL},
    {ALGORITHM_COST_BASED, "\"fixed\"", "\"reject\""},   {ALGORITHM_COST_BASED, "\"query:c\"", "\"reject\""},
    {ALGORITHM_COST_BASED, "\"usage\"", "\"charge_default\""}, {ALGORITHM_TOKEN_BUCKET_LLM, NULL, NULL},
    {ALGORITHM_CONCURRENCY, NULL, NULL},
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

/* Differences that are none: what a bundle is called, and what must be repeated if it is said at all. */
static bool is_no_difference(enum field field)
{
    return field == FIELD_bundle_bundle_version || field == FIELD_bundle_issued_at;
}

struct writer {
    FILE *out;
    const struct variant *variant;
    enum field changed; /* FIELD_COUNT: none */
};

static void write_object(const struct writer *writer, enum object object);

static struct slice word_at(const char *words, int index)
{
    struct slice word = {NULL, 0};
    size_t at = 0;

    while (index-- >= 0)
        fields_next_word(words, &at, &word);
    return word;
}

static bool is_changed(const struct writer *writer, enum field field)
{
    return writer->changed == field;
}

static bool is_algorithm(enum field field)
{
    return field == FIELD_rule_algorithm || field == FIELD_fallback_algorithm;
}

/* A rule whose algorithm changes has the configuration of the other one. */
static enum algorithm algorithm_of(const struct writer *writer, enum object object)
{
    enum field field = object == OBJECT_rule ? FIELD_rule_algorithm : FIELD_fallback_algorithm;
    enum algorithm other = writer->variant->algorithm == ALGORITHM_CONCURRENCY ? ALGORITHM_TOKEN_BUCKET_LLM
                                                                               : ALGORITHM_CONCURRENCY;

    return is_changed(writer, field) ? other : writer->variant->algorithm;
}

static void write_config(const struct writer *writer, enum object object)
{
    write_object(writer, fields_object(slice_of(bundle_algorithm_name(algorithm_of(writer, object)))));
}

static void write_word(const struct writer *writer, enum field field)
{
    const struct field_row *row = &fields_table[field];
    struct slice word = word_at(row->words, is_changed(writer, field));

    if (is_algorithm(field))
        word = slice_of(bundle_algorithm_name(algorithm_of(writer, row->object)));
    if (field == FIELD_cost_based_unpriced)
        fputs(is_changed(writer, field) ? "\"allow\"" : writer->variant->unpriced, writer->out);
    else
        fprintf(writer->out, "\"%.*s\"", (int)word.size, word.data);
}

static void write_source(const struct writer *writer, enum field field)
{
    fputs(is_changed(writer, field) ? "\"header:other\"" : writer->variant->source, writer->out);
}

/* Another list is an empty one. */
static void write_list(const struct writer *writer, enum field field)
{
    const char *last = field == FIELD_cost_based_staged_actions ? "{\"threshold_percent\": 100, \"action\": \"reject\"}" : "";
    bool is_full = !is_changed(writer, field);

    fputc('[', writer->out);
    if (is_full)
        write_object(writer, fields_object(slice_of(fields_table[field].words)));
    fprintf(writer->out, "%s%s]", is_full && last[0] ? ", " : "", last);
}

static void write_map(const struct writer *writer, enum field field)
{
    fputs(is_changed(writer, field) ? "{" : "{\"m\": ", writer->out);
    if (!is_changed(writer, field))
        write_object(writer, fields_object(slice_of(fields_table[field].words)));
    fputc('}', writer->out);
}

static struct sample sample_of(enum field field)
{
    for (size_t i = 0; i < sizeof(by_field) / sizeof(by_field[0]); i++)
        if (by_field[i].field == field)
            return by_field[i].sample;
    return by_type[fields_table[field].type];
}

static bool has_sample(enum field field)
{
    for (size_t i = 0; i < sizeof(by_field) / sizeof(by_field[0]); i++)
        if (by_field[i].field == field)
            return true;
    return false;
}

static void write_value(const struct writer *writer, enum field field)
{
    const struct field_row *row = &fields_table[field];
    struct sample sample = sample_of(field);

    if (row->type == FIELD_TYPE_OBJECT)
        write_object(writer, fields_object(slice_of(row->words)));
    else if (row->type == FIELD_TYPE_OBJECTS)
        write_list(writer, field);
    else if (row->type == FIELD_TYPE_OBJECT_MAP)
        write_map(writer, field);
    else if (row->type == FIELD_TYPE_CONFIG)
        write_config(writer, row->object);
    else if (row->type == FIELD_TYPE_COST_SOURCE)
        write_source(writer, field);
    else if (row->type == FIELD_TYPE_WORD && !has_sample(field))
        write_word(writer, field);
    else
        fputs(is_changed(writer, field) ? sample.second : sample.first, writer->out);
}

static bool is_written(const struct writer *writer, enum field field)
{
    if (fields_table[field].type == FIELD_TYPE_REPEATED)
        return false;
    if (fields_table[field].type == FIELD_TYPE_OBJECT && is_changed(writer, field))
        return false;
    return field != FIELD_staged_action_delay_ms || !is_changed(writer, FIELD_staged_action_action);
}

static void write_object(const struct writer *writer, enum object object)
{
    const char *before = "";

    fputc('{', writer->out);
    for (enum field field = fields_first(object); field < fields_first(object + 1); field++) {
        if (!is_written(writer, field))
            continue;
        fprintf(writer->out, "%s\"%s\": ", before, fields_table[field].key);
        write_value(writer, field);
        before = ", ";
    }
    fputc('}', writer->out);
}

/* A field that has only one value, or that consists of others, has none to change to. */
static bool can_change(enum field field)
{
    const struct field_row *row = &fields_table[field];

    if (row->type == FIELD_TYPE_CONFIG || row->type == FIELD_TYPE_REPEATED)
        return false;
    if (row->type == FIELD_TYPE_OBJECT)
        return row->need == FIELD_NEED_OPTIONAL;
    return row->type != FIELD_TYPE_WORD || strchr(row->words, ' ');
}

static struct bundle *load(const struct variant *variant, enum field changed)
{
    static struct complaint_list complaints;
    struct writer writer = {.variant = variant, .changed = changed};
    struct bundle *bundle;
    char *bytes = NULL;
    size_t size;

    writer.out = open_memstream(&bytes, &size);
    write_object(&writer, OBJECT_bundle);
    fclose(writer.out);
    bundle = load_bundle((struct slice){bytes, size}, NOW, &complaints);
    ck_assert_msg(bundle != NULL, "%s changed: %s in %s", changed < FIELD_COUNT ? fields_table[changed].key : "nothing",
                  complaints.items[0].sentence, bytes);
    free(bytes);
    return bundle;
}

static size_t count_differences(const struct variant *variant, enum field changed)
{
    struct bundle *before = load(variant, FIELD_COUNT), *after = load(variant, changed);
    struct difference_list *list = difference_find(before, after, NOW);
    size_t count;

    ck_assert_ptr_nonnull(list);
    count = list->count;
    difference_free(list);
    bundle_free(before);
    bundle_free(after);
    return count;
}

START_TEST(a_changed_field_is_a_difference)
{
    enum field field = (enum field)_i;
    size_t count = 0;

    if (!can_change(field))
        return;
    for (size_t i = 0; i < VARIANTS; i++)
        count += count_differences(&variants[i], field);
    ck_assert_msg((count == 0) == is_no_difference(field), "%s.%s: %zu differences",
                  fields_objects[fields_table[field].object].symbol, fields_table[field].key, count);
}
END_TEST

/* What the engine finds counters by, policy for policy in the order of the bundle. */
static bool is_found_by_the_same(const struct bundle *before, const struct bundle *after)
{
    bool shadows_all[2] = {before->global_shadow.is_enabled, after->global_shadow.is_enabled};

    if (before->policy_count != after->policy_count)
        return false;
    for (uint32_t i = 0; i < before->policy_count; i++) {
        const struct policy *a = &before->policies[i], *b = &after->policies[i];

        if (!slice_equal(a->id, b->id) || a->rule_count != b->rule_count ||
            (a->is_shadow || shadows_all[0]) != (b->is_shadow || shadows_all[1]) ||
            !a->fallback != !b->fallback || (a->breaker.is_enabled && b->breaker.is_enabled &&
                                             a->breaker.is_per_identity != b->breaker.is_per_identity))
            return false;
        for (uint32_t j = 0; j < a->rule_count; j++)
            if (!slice_equal(a->rules[j].identity, b->rules[j].identity))
                return false;
        if (a->fallback && !slice_equal(a->fallback->identity, b->fallback->identity))
            return false;
    }
    return true;
}

/* Fields that only take a limit away say nothing of zero: there is none to count for. */
static bool only_takes_away(const struct difference_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].change != DIFFERENCE_REMOVED)
            return false;
    return true;
}

/* Of differences, those of rules alone. */
static bool has_rules_at_zero(const struct difference_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].begins_at_zero && strcmp(list->items[i].subject, "scope") != 0)
            return true;
    return false;
}

START_TEST(counts_that_begin_at_zero_are_told)
{
    enum field field = (enum field)_i;

    if (!can_change(field))
        return;
    for (size_t i = 0; i < VARIANTS; i++) {
        struct bundle *before = load(&variants[i], FIELD_COUNT), *after = load(&variants[i], field);
        struct difference_list *list = difference_find(before, after, NOW);

        ck_assert_ptr_nonnull(list);
        if (!only_takes_away(list))
            ck_assert_msg((list->at_zero > 0) == !is_found_by_the_same(before, after), "%s.%s: %zu begin at zero",
                          fields_objects[fields_table[field].object].symbol, fields_table[field].key, list->at_zero);
        ck_assert_int_eq(difference_zero_count(before, after) > 0, has_rules_at_zero(list));
        difference_free(list);
        bundle_free(before);
        bundle_free(after);
    }
}
END_TEST

START_TEST(the_same_is_no_difference)
{
    ck_assert_uint_eq(count_differences(&variants[_i], FIELD_COUNT), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("difference");
    TCase *tcase = tcase_create("difference");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, a_changed_field_is_a_difference, 0, FIELD_COUNT);
    tcase_add_loop_test(tcase, counts_that_begin_at_zero_are_told, 0, FIELD_COUNT);
    tcase_add_loop_test(tcase, the_same_is_no_difference, 0, VARIANTS);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
