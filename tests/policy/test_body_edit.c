/* SPDX-License-Identifier: MPL-2.0
 *
 * Request bodies on one side, what becomes of them on the other.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "policy/body_edit.h"

#define CHAT "/v1/chat/completions"

static const struct row {
    const char *path, *body;
    bool asks;
    int64_t clamp;
    const char *expected; /* NULL: it cannot be done; "": nothing changes */
    bool asked, told;
} rows[] = {
    {CHAT, "{\"stream\":true}", true, 0, "{\"stream_options\":{\"include_usage\":true},\"stream\":true}", true, false},
    {CHAT, " { \"stream\" : true , \"stream_options\" : null } ", true, 0,
     " { \"stream\" : true , \"stream_options\" : {\"include_usage\":true} } ", true, false},
    {CHAT, "{\"stream\":true,\"stream_options\":{}}", true, 0,
     "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}", true, false},
    {CHAT, "{\"stream\":true,\"stream_options\":{\"x\":1}}", true, 0,
     "{\"stream\":true,\"stream_options\":{\"include_usage\":true,\"x\":1}}", true, false},
    {CHAT, "{\"stream\":true,\"stream_options\":{\"include_usage\":false}}", true, 0,
     "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}", true, false},
    {CHAT, "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}", true, 0, "", false, true},
    {CHAT, "{\"stream\":true,\"stream_options\":7}", true, 0, "", false, false},
    {CHAT, "{\"stream\":false}", true, 0, "", false, false},
    {CHAT, "{\"messages\":[{\"stream\":true}]}", true, 0, "", false, false},
    {CHAT, "{\"str\\u0065am\":true}", true, 0, "{\"stream_options\":{\"include_usage\":true},\"str\\u0065am\":true}",
     true, false},
    {"/v1/responses", "{\"stream\":true}", true, 0, "", false, false},
    {"/v1/messages", "{\"stream\":true}", true, 0, "", false, false},
    {CHAT, "[]", true, 0, NULL, false, false},
    {CHAT, "{\"stream\":true", true, 0, NULL, false, false},
    {CHAT, "", true, 0, NULL, false, false},
    {CHAT, "{\"max_tokens\":100}", false, 50, "{\"max_tokens\":50}", false, false},
    {CHAT, "{\"max_tokens\":50}", false, 50, "", false, false},
    {CHAT, "{\"max_tokens\":1,\"max_completion_tokens\":738,\"max_output_tokens\":\"9\"}", false, 50,
     "{\"max_tokens\":1,\"max_completion_tokens\":50,\"max_output_tokens\":50}", false, false},
    {CHAT, "{\"max_tokens\":1,\"max_tok\\u0065ns\":1e9,\"max_tokens\":-1,\"max_completion_tokens\":null}", false, 50,
     "{\"max_tokens\":1,\"max_tok\\u0065ns\":50,\"max_tokens\":50,\"max_completion_tokens\":50}", false, false},
    {CHAT, "{\"max_tokens\":[1,2],\"a\":\"max_tokens\"}", false, 50, "{\"max_tokens\":50,\"a\":\"max_tokens\"}", false,
     false},
    {CHAT, "{\"MAX_TOKENS\":900,\"max_to\xe2\x84\xaa\x65ns\":900}", false, 50,
     "{\"max_completion_tokens\":50,\"MAX_TOKENS\":50,\"max_to\xe2\x84\xaa\x65ns\":50}", false, false},
    {CHAT, "{\"options\":{\"num_predict\":1}}", false, 50, "{\"max_completion_tokens\":50,\"options\":{\"num_predict\":1}}", false,
     false},
    {CHAT "/", "{\"max_output_tokens\":90}", false, 50, "{\"max_completion_tokens\":50,\"max_output_tokens\":50}", false, false},
    {"/v1/responses", "{\"max_tokens\":9}", false, 50, "{\"max_output_tokens\":50,\"max_tokens\":9}", false, false},
    {"/V1/Messages", "{}", false, 50, "{\"max_tokens\":50}", false, false},
    {"/model/m/converse", "{\"inferenceConfig\":{\"maxTokens\":90}}", false, 50, "{\"inferenceConfig\":{\"maxTokens\":50}}", false,
     false},
    {"/generate", "{\"parameters\":{\"max_new_tokens\":90}}", false, 50, "{\"parameters\":{\"max_new_tokens\":50}}", false, false},
    {"/completion", "{\"n_predict\":-1}", false, 50, "{\"n_predict\":50}", false, false},
    {CHAT, "{\"a\":1}", false, 50, "{\"max_completion_tokens\":50,\"a\":1}", false, false},
    {CHAT, "{}", false, 50, "{\"max_completion_tokens\":50}", false, false},
    {CHAT, "{\"stream\":true}", true, 50,
     "{\"max_completion_tokens\":50,\"stream_options\":{\"include_usage\":true},\"stream\":true}", true, false},
    {"/v1/completions", "{\"a\":1}", false, 50, "{\"max_tokens\":50,\"a\":1}", false, false},
    {"/v1/responses", "{\"a\":1}", false, 50, "{\"max_output_tokens\":50,\"a\":1}", false, false},
    {"/v1beta/models/g:generateContent", "{\"generationConfig\":{\"maxOutputTokens\":90}}", false, 50,
     "{\"generationConfig\":{\"maxOutputTokens\":50}}", false, false},
    {"/v1beta/models/g:generateContent", "{\"contents\":[]}", false, 50, NULL, false, false},
    {CHAT, "{\"tools\":{\"deep\":{\"maxOutputTokens\":90}},\"max_tokens\":9}", false, 50, "", false, false},
};

/* The body as it is sent on, in memory that the caller frees. */
static char *apply(const struct row *row, const struct body_edit *edit)
{
    size_t size = strlen(row->body), at = 0, used = 0;
    char *out = malloc(size + BODY_EDIT_SPLICES * BODY_EDIT_TEXT + 1);

    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < edit->count; i++) {
        const struct body_splice *splice = &edit->splices[i];

        ck_assert_uint_ge(splice->offset, at);
        ck_assert_uint_le(splice->offset + splice->removed, size);
        memcpy(out + used, row->body + at, splice->offset - at);
        used += splice->offset - at;
        memcpy(out + used, splice->text, splice->size);
        used += splice->size;
        at = splice->offset + splice->removed;
    }
    memcpy(out + used, row->body + at, size - at + 1);
    return out;
}

START_TEST(bodies_become_what_is_written)
{
    const struct row *row = &rows[_i];
    struct body_edit edit;
    bool is_done =
        body_edit_plan(slice_of(row->path), slice_of(row->body), row->asks, row->clamp, &edit);
    char *out;

    ck_assert_msg(is_done == (row->expected != NULL), "%s", row->body);
    if (!is_done) {
        ck_assert_uint_eq(edit.count, 0);
        return;
    }
    out = apply(row, &edit);
    ck_assert_str_eq(out, row->expected[0] ? row->expected : row->body);
    ck_assert_msg(edit.asks_usage == row->asked && edit.told_usage == row->told, "%s", row->body);
    free(out);
}
END_TEST

START_TEST(too_much_to_change_is_left)
{
    char body[2048] = "{\"a\":1";
    struct body_edit edit;

    for (int i = 0; i <= BODY_EDIT_SPLICES; i++)
        strncat(body, ",\"max_tokens\":99", sizeof(body) - strlen(body) - 1);
    strncat(body, "}", sizeof(body) - strlen(body) - 1);
    ck_assert(!body_edit_plan(SLICE(CHAT), slice_of(body), false, 50, &edit));
    ck_assert(!body_edit_can_clamp(SLICE(CHAT), slice_of(body)));
    ck_assert(body_edit_can_clamp(SLICE(CHAT), SLICE("{}")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("body_edit");
    TCase *tests = tcase_create("body_edit");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, bodies_become_what_is_written, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tests, too_much_to_change_is_left);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
