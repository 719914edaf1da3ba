/* SPDX-License-Identifier: MPL-2.0
 *
 * The gate against RFC 8259: what must pass, what must not and where it is stopped. The refused documents are more than
 * jsmn alone, even in strict mode, would refuse.
 */
#include "policy/json_gate.h"

#include <check.h>
#include <stdlib.h>

static const struct json_gate_limits roomy = {1 << 20, 1 << 20};

/* Checks a copy of exactly its size, so that a sanitizer sees a read behind the end. */
static bool check_text(struct slice text, const struct json_gate_limits *limits, size_t *tokens,
                       struct json_gate_fault *fault)
{
    char *copy = malloc(text.size > 0 ? text.size : 1);
    bool is_fine;

    ck_assert_ptr_nonnull(copy);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    is_fine = json_gate_check((struct slice){copy, text.size}, limits, tokens, fault);
    free(copy);
    return is_fine;
}

static const struct {
    const char *text;
    size_t tokens;
} good[] = {
    {"{}", 1},
    {"[]", 1},
    {"0", 1},
    {"-0", 1},
    {"-0.0e-0", 1},
    {"1E+2", 1},
    {" \t\r\n1\n", 1},
    {"\"\"", 1},
    {"true", 1},
    {"null ", 1},
    {"{\"a\":{\"b\":[1,2,{}]},\"c\":null}", 10},
    {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"]", 2},
    {"\"\x7F\"", 1},
    {"\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"", 1},
};

START_TEST(good_documents_pass)
{
    struct json_gate_fault fault;
    size_t tokens;

    ck_assert_msg(check_text(slice_of(good[_i].text), &roomy, &tokens, &fault), "%s", good[_i].text);
    ck_assert_uint_eq(tokens, good[_i].tokens);
}
END_TEST

#define BAD(literal, offset)                   \
    {                                          \
        {literal, sizeof(literal) - 1}, offset \
    }
static const struct {
    struct slice text;
    size_t offset;
} bad[] = {
    BAD("", 0),
    BAD("  ", 2),
    BAD("\xEF\xBB\xBF{}", 0),
    BAD("{", 0),
    BAD("[", 0),
    BAD("[1", 0),
    BAD("]", 0),
    BAD("{]", 1),
    BAD("[}", 1),
    BAD("[1}", 2),
    BAD("{\"a\"}", 4),
    BAD("{\"a\":}", 5),
    BAD("{\"a\":1,}", 6),
    BAD("{,}", 1),
    BAD("{\"a\" 1}", 5),
    BAD("{\"a\":1 \"b\":2}", 7),
    BAD("{a:1}", 1),
    BAD("{\"a\":1}}", 7),
    BAD("{1:2}", 1),
    BAD("{[]:1}", 1),
    BAD("{\"a\":1:2}", 6),
    BAD("{\"a\",\"b\"}", 4),
    BAD("[1,]", 2),
    BAD("[,1]", 1),
    BAD("[1,,2]", 3),
    BAD("[1 2]", 3),
    BAD("[\"a\" \"b\"]", 5),
    BAD("[1:2]", 2),
    BAD("[\"a\":1]", 4),
    BAD("1 2", 2),
    BAD("{} {}", 3),
    BAD("nul", 0),
    BAD("nulll", 0),
    BAD("True", 0),
    BAD("tru", 0),
    BAD("[tru]", 1),
    BAD("[truefalse]", 1),
    BAD("[NaN]", 1),
    BAD("[Infinity]", 1),
    BAD("[-Infinity]", 1),
    BAD("[01]", 1),
    BAD("[-01]", 1),
    BAD("[00]", 1),
    BAD("[+1]", 1),
    BAD("[.5]", 1),
    BAD("[1.]", 1),
    BAD("[1.e1]", 1),
    BAD("[1e]", 1),
    BAD("[1e+]", 1),
    BAD("[1e1.5]", 4),
    BAD("[-]", 1),
    BAD("[--1]", 1),
    BAD("[1-]", 2),
    BAD("[0x1]", 2),
    BAD("[1a]", 2),
    BAD("1.", 0),
    BAD("-", 0),
    BAD("1e", 0),
    BAD("\"", 0),
    BAD("\"a", 0),
    BAD("\"\\", 1),
    BAD("\"\\\"", 0),
    BAD("\"\\x41\"", 1),
    BAD("\"\\'\"", 1),
    BAD("\"\\u\"", 1),
    BAD("\"\\u12\"", 1),
    BAD("\"\\u12", 1),
    BAD("\"\\uG000\"", 1),
    BAD("\"\\u0000\"", 1),
    BAD("\"\\uD800\"", 1),
    BAD("\"\\uD800x\"", 1),
    BAD("\"\\uD800\\n\"", 1),
    BAD("\"\\uD800\\u0041\"", 1),
    BAD("\"\\uD800\\uD800\"", 1),
    BAD("\"\\uDC00\"", 1),
    BAD("\"\\uD800\\u", 1),
    BAD("\"\t\"", 1),
    BAD("\"\n\"", 1),
    BAD("\"\x1F\"", 1),
    BAD("\"a\0b\"", 2),
    BAD("{}\0", 2),
    BAD("\0{}", 0),
    BAD("\"\x80\"", 1),
    BAD("\"\xC1\xBF\"", 1),
    BAD("\"\xC3\"", 1),
    BAD("\"\xC3", 1),
    BAD("\"\xE0\x9F\xBF\"", 1),
    BAD("\"\xED\xA0\x80\"", 1),
    BAD("\"\xE2\x82\"", 1),
    BAD("\"\xF0\x8F\xBF\xBF\"", 1),
    BAD("\"\xF4\x90\x80\x80\"", 1),
    BAD("\"\xF5\x80\x80\x80\"", 1),
    BAD("\"\xF0\x90\x80", 1),
    BAD("\"\xFF\"", 1),
    BAD("[1] // end", 4),
    BAD("/**/[1]", 0),
    BAD("['a']", 1),
    BAD("[1;2]", 2),
    BAD("\xC2\xA0[]", 0),
    BAD("[]\f", 2),
    BAD("\v[]", 0),
};

START_TEST(bad_documents_are_stopped)
{
    struct json_gate_fault fault;
    size_t tokens;

    ck_assert_msg(!check_text(bad[_i].text, &roomy, &tokens, &fault), "%s", bad[_i].text.data);
    ck_assert_msg(fault.offset == bad[_i].offset, "%s: stopped at %zu", bad[_i].text.data, fault.offset);
    ck_assert_uint_gt(strlen(fault.sentence), 10);
    ck_assert_int_ne(fault.sentence[strlen(fault.sentence) - 1], '.');
}
END_TEST

START_TEST(every_cut_of_a_document_is_stopped)
{
    static const char text[] = "{\"a\":[1.5e-3,\"\\u00e9\\uD83D\\uDE00\xF0\x9F\x98\x80\",{\"b\":true}],\"c\":null}";
    struct json_gate_fault fault;
    size_t tokens;

    for (size_t size = 0; size < sizeof(text) - 1; size++)
        ck_assert_msg(!check_text((struct slice){text, size}, &roomy, &tokens, &fault), "cut at %zu", size);
    ck_assert(check_text((struct slice){text, sizeof(text) - 1}, &roomy, &tokens, &fault));
}
END_TEST

START_TEST(depth_is_bounded)
{
    char text[2 * (JSON_GATE_MAX_DEPTH + 1)];
    struct json_gate_fault fault;
    size_t tokens;

    memset(text, '[', JSON_GATE_MAX_DEPTH + 1);
    memset(text + JSON_GATE_MAX_DEPTH + 1, ']', JSON_GATE_MAX_DEPTH + 1);
    ck_assert(check_text((struct slice){text + 1, 2 * JSON_GATE_MAX_DEPTH}, &roomy, &tokens, &fault));
    ck_assert_uint_eq(tokens, JSON_GATE_MAX_DEPTH);
    ck_assert(!check_text((struct slice){text, sizeof(text)}, &roomy, &tokens, &fault));
    ck_assert_uint_eq(fault.offset, JSON_GATE_MAX_DEPTH);
}
END_TEST

START_TEST(size_and_tokens_are_bounded)
{
    static const struct json_gate_limits narrow = {8, 3};
    struct json_gate_fault fault;
    size_t tokens;

    ck_assert(check_text(SLICE("[ 1,2  ]"), &narrow, &tokens, &fault));
    ck_assert(!check_text(SLICE("[ 1,2   ]"), &narrow, &tokens, &fault));
    ck_assert(!check_text(SLICE("[1,2,3]"), &narrow, &tokens, &fault));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_gate");
    TCase *tcase = tcase_create("gate");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, good_documents_pass, 0, sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(tcase, bad_documents_are_stopped, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tcase, every_cut_of_a_document_is_stopped);
    tcase_add_test(tcase, depth_is_bounded);
    tcase_add_test(tcase, size_and_tokens_are_bounded);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
