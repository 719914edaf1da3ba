/* SPDX-License-Identifier: MPL-2.0
 *
 * Tokens: walking, texts, places, pointers, duplicates; and that wide and deep documents cost linear time (a quadratic
 * reader would run into the test's time limit by far).
 */
#include "policy/json.h"

#include <check.h>
#include <stdlib.h>

static const struct json_gate_limits roomy = {64 << 20, 16 << 20};

static struct json *parse(struct slice text)
{
    struct json_gate_fault fault;
    struct json *json = json_parse(text, &roomy, &fault);

    ck_assert_msg(json != NULL, "%.*s", (int)(text.size < 60 ? text.size : 60), text.data);
    return json;
}

/* The token that the pointer-like path of indexes leads to: the n-th member's value or element, and so on. */
static uint32_t walk(const struct json *json, const char *steps)
{
    uint32_t token = JSON_ROOT;

    for (; *steps; steps++) {
        enum json_type type = json_type(json, token);

        token = json_first(json, token);
        for (int i = 0; i < *steps - '0'; i++)
            token = json_next(json, token);
        if (type == JSON_OBJECT)
            token = json_value(json, token);
    }
    return token;
}

static const char sample[] = "{\n"
                             "  \"a\": [1, {\"x\": []}, \"t\\u00e9\\n\\ud83d\\ude00\"],\n"
                             "  \"b/c~d\": {\"\": null},\n"
                             "  \"e\\u0066\": true }";

static const struct {
    const char *steps;
    enum json_type type;
    const char *raw;
    const char *pointer;
    uint32_t line, column, count;
} places[] = {
    {"", JSON_OBJECT, sample, "", 1, 1, 3},
    {"0", JSON_ARRAY, "[1, {\"x\": []}, \"t\\u00e9\\n\\ud83d\\ude00\"]", "/a", 2, 8, 3},
    {"00", JSON_NUMBER, "1", "/a/0", 2, 9, 0},
    {"01", JSON_OBJECT, "{\"x\": []}", "/a/1", 2, 12, 1},
    {"010", JSON_ARRAY, "[]", "/a/1/x", 2, 18, 0},
    {"02", JSON_STRING, "t\\u00e9\\n\\ud83d\\ude00", "/a/2", 2, 23, 0},
    {"1", JSON_OBJECT, "{\"\": null}", "/b~1c~0d", 3, 12, 1},
    {"10", JSON_NULL, "null", "/b~1c~0d/", 3, 17, 0},
    {"2", JSON_BOOLEAN, "true", "/ef", 4, 14, 0},
};

START_TEST(tokens_know_their_place)
{
    struct json *json = parse(SLICE(sample));
    uint32_t token = walk(json, places[_i].steps), line, column;
    char pointer[64];

    ck_assert_int_eq(json_type(json, token), places[_i].type);
    ck_assert(slice_equal(json_raw(json, token), slice_of(places[_i].raw)));
    json_pointer(json, token, pointer, sizeof(pointer));
    ck_assert_str_eq(pointer, places[_i].pointer);
    json_place(SLICE(sample), json_offset(json, token), &line, &column);
    ck_assert_uint_eq(line, places[_i].line);
    ck_assert_uint_eq(column, places[_i].column);
    if (places[_i].count > 0)
        ck_assert_uint_eq(json_count(json, token), places[_i].count);
    json_free(json);
}
END_TEST

START_TEST(walks_end)
{
    struct json *json = parse(SLICE("{\"a\":{},\"b\":[[],[1]],\"c\":1}"));
    uint32_t a = json_first(json, JSON_ROOT), b = json_next(json, a), c = json_next(json, b);

    ck_assert_uint_eq(json_next(json, c), JSON_NONE);
    ck_assert_uint_eq(json_first(json, json_value(json, a)), JSON_NONE);
    ck_assert_uint_eq(json_next(json, json_value(json, a)), JSON_NONE);
    ck_assert_uint_eq(json_next(json, walk(json, "11")), JSON_NONE);
    ck_assert_uint_eq(json_first(json, walk(json, "10")), JSON_NONE);
    ck_assert_uint_eq(json_next(json, JSON_ROOT), JSON_NONE);
    json_free(json);
}
END_TEST

static const struct {
    const char *document, *text;
} texts[] = {
    {"\"\"", ""},
    {"\"plain\"", "plain"},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
    {"\"\\u0041\\u00e9\\u20AC\"", "A\xC3\xA9\xE2\x82\xAC"},
    {"\"\\uD83D\\uDE00\\uDBFF\\uDFFF\"", "\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF"},
    {"\"x\\u001f\\u007F\"", "x\x1F\x7F"},
    {"\"\\uFFFF\\u0800\\u07FF\"", "\xEF\xBF\xBF\xE0\xA0\x80\xDF\xBF"},
};

START_TEST(escapes_are_resolved)
{
    struct json *json = parse(slice_of(texts[_i].document));
    struct region *region = region_new();
    struct slice text;

    ck_assert_ptr_nonnull(region);
    ck_assert(json_text(json, JSON_ROOT, region, &text));
    ck_assert(slice_equal(text, slice_of(texts[_i].text)));
    region_free(region);
    json_free(json);
}
END_TEST

START_TEST(single_values_are_documents)
{
    static const char *const documents[] = {" 12 ", "-1.5e3", "true", "\nnull", "\"x\"", "{}", "[]"};

    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        struct json *json = parse(slice_of(documents[i]));

        ck_assert_uint_eq(json_next(json, JSON_ROOT), JSON_NONE);
        json_free(json);
    }
}
END_TEST

static size_t duplicates_of(const char *document, uint32_t *names, size_t room)
{
    struct json *json = parse(slice_of(document));
    size_t count;

    ck_assert(json_duplicates(json, names, room, &count));
    json_free(json);
    return count;
}

START_TEST(duplicates_are_found)
{
    uint32_t names[4] = {0};

    ck_assert_uint_eq(duplicates_of("{\"a\":1,\"b\":2,\"A\":3,\"\":4}", names, 4), 0);
    ck_assert_uint_eq(duplicates_of("[{\"a\":1},{\"a\":1},{\"b\":{\"a\":1,\"b\":2}}]", names, 4), 0);
    ck_assert_uint_eq(duplicates_of("{\"a\":1,\"b\":2,\"a\":3}", names, 4), 1);
    ck_assert_uint_eq(names[0], 5);
    ck_assert_uint_eq(duplicates_of("{\"ab\":1,\"a\\u0062\":2}", names, 4), 1);
    ck_assert_uint_eq(duplicates_of("{\"b\":1,\"a\":1,\"b\":2,\"a\":1,\"a\":2}", names, 4), 3);
    ck_assert_uint_eq(names[0], 5);
    ck_assert_uint_eq(names[1], 7);
    ck_assert_uint_eq(duplicates_of("{\"a\":1,\"a\":1,\"a\":2,\"a\":1,\"a\":2,\"a\":3,\"a\":3}", names, 4), 6);
    ck_assert_uint_eq(duplicates_of("{\"\":1,\"\":2}", NULL, 0), 1);
}
END_TEST

START_TEST(long_pointers_are_cut_at_a_step)
{
    struct json *json = parse(SLICE("{\"abcdefgh\":{\"abcdefgh\":{\"abcdefgh\":[0,1]}}}"));
    char pointer[24];

    json_pointer(json, walk(json, "0001"), pointer, sizeof(pointer));
    ck_assert_str_eq(pointer, "/abcdefgh/abcdefgh...");
    json_free(json);
}
END_TEST

/* SIZE bytes of "opener part part ... part closer". */
static struct slice repeat(const char *opener, const char *part, const char *closer, size_t count)
{
    size_t size = strlen(opener) + count * strlen(part) + strlen(closer), used = 0;
    char *text = malloc(size);

    ck_assert_ptr_nonnull(text);
    memcpy(text, opener, strlen(opener));
    used = strlen(opener);
    for (size_t i = 0; i < count; i++, used += strlen(part))
        memcpy(text + used, part, strlen(part));
    memcpy(text + used, closer, strlen(closer));
    return (struct slice){text, size};
}

static size_t count_all(const struct json *json, uint32_t token)
{
    size_t count = 1;
    bool is_object = json_type(json, token) == JSON_OBJECT;

    if (!is_object && json_type(json, token) != JSON_ARRAY)
        return count;
    for (uint32_t child = json_first(json, token); child != JSON_NONE; child = json_next(json, child))
        count += is_object + count_all(json, is_object ? json_value(json, child) : child);
    return count;
}

START_TEST(wide_and_deep_documents_are_linear)
{
    static const struct {
        const char *opener, *part, *closer;
        size_t count, tokens;
    } shapes[] = {
        {"[", "0,", "0]", 2000000, 2000002},
        {"[", "[],", "0]", 1400000, 1400002},
        {"[", "{\"k\":\"v\"},", "0]", 400000, 1200002},
        {"{", "\"k\":1,", "\"k\":1}", 700000, 1400003},
        {"[", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],", "0]", 70000, 2100002},
        {"\"", "\\u00e9", "\"", 700000, 1},
    };
    struct slice text = repeat(shapes[_i].opener, shapes[_i].part, shapes[_i].closer, shapes[_i].count);
    struct json *json = parse(text);
    size_t duplicates;

    ck_assert_uint_ge(text.size, 3 << 20);
    ck_assert_uint_eq(count_all(json, JSON_ROOT), shapes[_i].tokens);
    ck_assert(json_duplicates(json, NULL, 0, &duplicates));
    ck_assert_uint_eq(duplicates, _i == 3 ? shapes[_i].count : 0);
    json_free(json);
    free((void *)(uintptr_t)text.data);
}
END_TEST

START_TEST(what_the_gate_refuses_is_no_json)
{
    struct json_gate_fault fault;

    ck_assert_ptr_null(json_parse(SLICE("{\"a\":1,}"), &roomy, &fault));
    ck_assert_uint_eq(fault.offset, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("json");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, tokens_know_their_place, 0, sizeof(places) / sizeof(places[0]));
    tcase_add_test(tcase, walks_end);
    tcase_add_loop_test(tcase, escapes_are_resolved, 0, sizeof(texts) / sizeof(texts[0]));
    tcase_add_test(tcase, single_values_are_documents);
    tcase_add_test(tcase, duplicates_are_found);
    tcase_add_test(tcase, long_pointers_are_cut_at_a_step);
    tcase_add_loop_test(tcase, wide_and_deep_documents_are_linear, 0, 6);
    tcase_add_test(tcase, what_the_gate_refuses_is_no_json);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
