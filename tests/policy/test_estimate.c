/* SPDX-License-Identifier: MPL-2.0
 *
 * Token estimates: bodies of the APIs on one side, tokens on the other; bodies that are made to mislead, and random
 * damage, which may make the estimate wrong but never the process.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy/estimate_form.h"
#include "policy/quote.h"

#define MEDIA 1000
#define DEEP  100

static const struct row {
    const char *about, *body;
    int64_t text;   /* bytes of prompt, of which four are a token */
    int64_t tokens; /* beside them */
    int64_t completion, choices;
    bool has_bad_figure, is_unreadable;
} rows[] = {
    {"chat",
     "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
     "{\"role\":\"user\",\"content\":\"How are you?\"}],\"max_tokens\":50}",
     21, 0, 50, 1, false, false},
    {"chat, spaced and in another order",
     " {\n \"max_completion_tokens\" : 7 ,\n\t\"n\" : 3,\r\n \"messages\" : [ { \"content\" : \"12345678\" , \"role\" "
     ": \"user\" } ] } ",
     8, 0, 7, 3, false, false},
    {"content parts",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What is "
     "it?\"},{\"type\":\"image_url\","
     "\"image_url\":{\"url\":\"data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}]}]}",
     11, MEDIA, 0, 1, false, false},
    {"tools and their calls",
     "{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\","
     "\"function\":"
     "{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_1\","
     "\"content\":\"sun\"}],"
     "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"The "
     "weather\",\"parameters\":"
     "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"description\":\"Where\"}}}}}]}",
     12 + 3 + 113, 0, 0, 1, false, false},
    {"a schema of the answer",
     "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"schema\":{\"type\":\"object\"}}}}", 10, 0, 0, 1,
     false, false},
    {"an anthropic tool's input",
     "{\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"q\":\"1234\",\"k\":[5]}}]}]}", 7, 0, 0,
     1, false, false},
    {"an anthropic document as text and one as bytes",
     "{\"messages\":[{\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"text\",\"data\":\"a b c\"}},{\"type\":\"document\","
     "\"source\":{\"type\":\"base64\",\"data\":\"AAAAAAAA\"}}]}]}", 5, 2 * MEDIA, 0, 1, false, false},
    {"chat with sound and a file",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\","
     "\"format\":\"wav\"}},"
     "{\"type\":\"file\",\"file\":{\"file_data\":\"AAAAAAAA\"}}]}]}",
     0, 2 * MEDIA, 0, 1, false, false},
    {"responses, a string", "{\"model\":\"m\",\"input\":\"1234\",\"instructions\":\"123\",\"max_output_tokens\":9}", 7,
     0, 9, 1, false, false},
    {"responses, items",
     "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"12345\"},{\"type\":\"input_"
     "image\",\"image_url\":"
     "\"https://example.org/picture\"}]},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"123\"}]}",
     8, MEDIA, 0, 1, false, false},
    {"anthropic",
     "{\"model\":\"m\",\"max_tokens\":1024,\"system\":\"You are kind.\",\"messages\":[{\"role\":\"user\",\"content\":"
     "\"Hello\"}]}",
     18, 0, 1024, 1, false, false},
    {"anthropic, blocks",
     "{\"max_tokens\":5,\"system\":[{\"type\":\"text\",\"text\":\"123\",\"cache_control\":{\"type\":\"ephemeral\"}}],"
     "\"messages\":["
     "{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
     "png\",\"data\":"
     "\"AAAAAAAA\"}},{\"type\":\"text\",\"text\":\"12345\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":"
     "\"thinking\","
     "\"thinking\":\"1234567\",\"signature\":\"AAAA\"}]}]}",
     15, MEDIA, 5, 1, false, false},
    {"cohere", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"1234\"}],\"documents\":[{\"data\":{\"text\":\"12\"}}]}",
     4 + 4 + 4 + 2, 0, 0, 1, false, false},
    {"cohere, first version", "{\"message\":\"1234\",\"preamble\":\"12\",\"chat_history\":[{\"role\":\"USER\",\"message\":\"123\"}]}",
     9, 0, 0, 1, false, false},
    {"cohere embeds and ranks", "{\"texts\":[\"1234\",\"12\"],\"query\":\"1\",\"documents\":[\"123\"]}", 10, 0, 0, 1, false, false},
    {"ollama", "{\"model\":\"m\",\"messages\":[{\"content\":\"1234\"}],\"options\":{\"num_predict\":50,\"num_ctx\":4096}}",
     4, 0, 50, 1, false, false},
    {"ollama without an end", "{\"prompt\":\"1234\",\"options\":{\"num_predict\":-1}}", 4, 0, 0, 1, true, false},
    {"bedrock", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"1234\"}]}],\"inferenceConfig\":{\"maxTokens\":50}}",
     4, 0, 50, 1, false, false},
    {"bedrock, fields of the model", "{\"inferenceConfig\":{\"maxTokens\":50},\"additionalModelRequestFields\":{\"max_tokens\":90}}",
     0, 0, 90, 1, false, false},
    {"mistral, a conversation", "{\"inputs\":\"1234\",\"completion_args\":{\"max_tokens\":50}}", 4, 0, 50, 1, false, false},
    {"bedrock, models of its own", "{\"inputText\":\"1234\",\"textGenerationConfig\":{\"maxTokenCount\":50}}", 4, 0, 50, 1, false, false},
    {"bedrock, llama", "{\"prompt\":\"1234\",\"max_gen_len\":50}", 4, 0, 50, 1, false, false},
    {"text generation inference", "{\"inputs\":\"1234\",\"parameters\":{\"max_new_tokens\":50,\"best_of\":3}}", 4, 0, 50, 3, false, false},
    {"llama.cpp", "{\"prompt\":\"1234\",\"n_predict\":50}", 4, 0, 50, 1, false, false},
    {"anthropic before messages", "{\"prompt\":\"1234\",\"max_tokens_to_sample\":50}", 4, 0, 50, 1, false, false},
    {"legacy, a string", "{\"prompt\":\"12345\",\"max_tokens\":1,\"best_of\":4}", 5, 0, 1, 4, false, false},
    {"legacy, strings", "{\"prompt\":[\"12345\",\"678\"]}", 8, 0, 0, 2, false, false},
    {"legacy, token ids", "{\"prompt\":[1,22,333],\"max_tokens\":2}", 0, 3, 2, 1, false, false},
    {"legacy, lists of token ids", "{\"prompt\":[[1,22],[333 , 4]],\"n\":3}", 0, 4, 0, 6, false, false},
    {"embeddings", "{\"model\":\"m\",\"input\":[\"1234\",\"56\"],\"encoding_format\":\"float\"}", 6, 0, 0, 1, false,
     false},
    {"embeddings, token ids", "{\"input\":[[10,20,30],[40]]}", 0, 4, 0, 1, false, false},
    {"gemini",
     "{\"systemInstruction\":{\"parts\":[{\"text\":\"12\"}]},\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
     "\"345\"}]}],"
     "\"generationConfig\":{\"maxOutputTokens\":64,\"candidateCount\":2}}",
     5, 0, 64, 2, false, false},
    {"gemini, the other spelling", "{\"generation_config\":{\"max_output_tokens\":64,\"candidate_count\":2}}", 0, 0, 64,
     2, false, false},
    {"gemini, calls and pictures",
     "{\"contents\":[{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}},{\"functionCall\":{\"name\":\"f\","
     "\"args\":{\"q\":\"1234\"}}},{\"functionResponse\":{\"name\":\"f\",\"response\":{\"r\":\"56\"}}},{\"fileData\":{}}]}]}",
     8, 2 * MEDIA, 0, 1, false, false},
    {"nothing to say", "{}", 0, 0, 0, 1, false, false},
    {"nulls", "{\"max_tokens\":null,\"n\":null,\"messages\":null}", 0, 0, 0, 1, false, false},

    /* misleading on purpose */
    {"twice: the larger counts", "{\"max_tokens\":1,\"max_tokens\":900,\"max_tokens\":2}", 0, 0, 900, 1, false, false},
    {"two names: the larger counts", "{\"max_completion_tokens\":3,\"max_tokens\":5}", 0, 0, 5, 1, false, false},
    {"written with escapes", "{\"max\\u005ftokens\":900,\"\\u006E\":2,\"prompt\":\"\"}", 0, 0, 900, 2, false, false},
    {"all escapes", "{\"\\u006d\\u0061\\u0078\\u005f\\u0074\\u006f\\u006b\\u0065\\u006e\\u0073\":900}", 0, 0, 900, 1,
     false, false},
    {"a broken escape is no name", "{\"max\\u00tokens\":900,\"max\\u005\":1,\"\\u\":1,\"\\\":1}", 0, 0, 0, 1, false,
     false},
    {"behind a byte order mark", "\xef\xbb\xbf{\"max_tokens\":900}", 0, 0, 900, 1, false, false},
    {"inside a message it says nothing", "{\"messages\":[{\"max_tokens\":900,\"n\":9,\"content\":\"1234\"}]}", 4, 0, 0,
     1, false, false},
    {"in a text it says nothing", "{\"prompt\":\"\\\"max_tokens\\\":900,\\\"n\\\":9}\"}", 26, 0, 0, 1, false, false},
    {"negative", "{\"max_tokens\":-5,\"n\":-1}", 0, 0, 0, 1, true, false},
    {"a fraction", "{\"max_tokens\":1.5,\"n\":2.0}", 0, 0, 2, 2, true, false},
    {"zero", "{\"max_tokens\":0,\"n\":0}", 0, 0, 0, 1, true, false},
    {"an exponent", "{\"max_tokens\":1e3}", 0, 0, 1000, 1, true, false},
    {"huge", "{\"max_tokens\":99999999999999999999999999,\"n\":4294967297}", 0, 0, 0, ESTIMATE_MOST, true, false},
    {"the most there is", "{\"max_tokens\":4294967296}", 0, 0, ESTIMATE_MOST, 1, false, false},
    {"a string", "{\"max_tokens\":\"9\",\"n\":\"5\"}", 0, 0, 9, 5, true, false},
    {"a list", "{\"max_tokens\":[9],\"n\":{\"n\":9}}", 0, 0, 9, 1, true, false},
    {"a word", "{\"max_tokens\":true}", 0, 0, 0, 1, true, false},
    {"a good one beside a bad one", "{\"max_tokens\":\"x\",\"max_completion_tokens\":8}", 0, 0, 8, 1, true, false},

    {"capitals", "{\"MAX_TOKENS\":900,\"N\":2,\"Prompt\":\"1234\"}", 4, 0, 900, 2, false, false},
    {"letters that are taken for others", "{\"max_to\xe2\x84\xaa\x65n\xc5\xbf\":900,\"best_of\":2}", 0, 0, 900, 2, false, false},
    {"likewise, with escapes", "{\"max_to\\u212Aen\\u017f\":900}", 0, 0, 900, 1, false, false},
    {"capitals beside small letters", "{\"max_tokens\":1,\"Max_Tokens\":900}", 0, 0, 900, 1, false, false},
    {"a negative one beside a good one", "{\"max_tokens\":5,\"max_tokens\":-1}", 0, 0, 5, 1, true, false},
    {"n twice, and as a string", "{\"n\":1,\"n\":\"7\",\"n\":2}", 0, 0, 0, 7, true, false},

    /* no JSON object: everything is text */
    {"empty", "", 0, 0, 0, 1, false, true},
    {"a text", "How are you?", 12, 0, 0, 1, false, true},
    {"a list", "[{\"max_tokens\":9}]", 18, 0, 0, 1, false, true},
    {"a form", "prompt=hello&max_tokens=9", 25, 0, 0, 1, false, true},

    /* not whole */
    {"an open string", "{\"prompt\":\"1234", 4, 0, 0, 1, false, false},
    {"an open name", "{\"prompt\":\"1234\",\"max_tok", 4, 0, 0, 1, false, false},
    {"an open number", "{\"prompt\":\"1234\",\"max_tokens\":12", 4, 0, 12, 1, false, false},
    {"an escape at the end", "{\"prompt\":\"123\\", 4, 0, 0, 1, false, false},
    {"closed too often", "{\"prompt\":\"1234\"}}}}]]]]{\"max_tokens\":3}", 4, 0, 3, 1, false, false},
};

static struct estimate estimate(const void *bytes, size_t size)
{
    /* In memory of its own, to the byte, so that one read too many is seen. */
    char *copy = malloc(size > 0 ? size : 1);
    struct estimate result;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    result = estimate_body((struct slice){copy, size});
    free(copy);
    return result;
}

static int64_t tokens(int64_t bytes)
{
    return (bytes + ESTIMATE_BYTES_PER_TOKEN - 1) / ESTIMATE_BYTES_PER_TOKEN;
}

START_TEST(a_body)
{
    const struct row *row = &rows[_i];
    struct estimate result = estimate(row->body, strlen(row->body));

    ck_assert_msg(result.is_readable == !row->is_unreadable, "%s: readable %d", row->about, result.is_readable);
    ck_assert_msg(result.prompt == tokens(row->text) + row->tokens, "%s: prompt %" PRId64, row->about, result.prompt);
    ck_assert_msg(result.completion == row->completion, "%s: completion %" PRId64, row->about, result.completion);
    ck_assert_msg(result.choices == row->choices, "%s: choices %" PRId64, row->about, result.choices);
    ck_assert_msg(result.has_bad_figure == row->has_bad_figure, "%s: bad figure %d", row->about, result.has_bad_figure);
}
END_TEST

START_TEST(another_encoding_is_told)
{
    static const struct slice bodies[] = {SLICE("{\0}\0"),         SLICE("\0{\0}"),         SLICE("\xff\xfe{\0}\0"),
                                          SLICE("\xfe\xff\0{\0}"), SLICE("{\0\0\0}\0\0\0"), SLICE("\0\0\0{\0\0\0}"),
                                          SLICE("\0 \0{"),         SLICE("{\0"),            SLICE("\0\0\0{")};
    static const struct slice plain[] = {SLICE(""), SLICE("{"), SLICE("{}"), SLICE("\xef\xbb\xbf{}"), SLICE("\xc3\xa4"),
                                         SLICE("\0\0\0\x20" "ftypisom"), SLICE("\0\0\1\0\1\0"), SLICE("RIFF\0\0"), SLICE("\0asm")};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        ck_assert(estimate(bodies[i].data, bodies[i].size).is_encoded);
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        ck_assert(!estimate(plain[i].data, plain[i].size).is_encoded);
}
END_TEST

/* ---- forms ---------------------------------------------------------------------------------------------------------- */

#define PART(name) "--b7\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define WAVE(name) \
    "--b7\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" name "\"\r\nContent-Type: audio/wav\r\n\r\n"
#define FORM "multipart/form-data; boundary=b7"

static const struct form_row {
    const char *about, *type, *body;
    bool is_form;
    int64_t text, tokens, choices;
    const char *model;
} forms[] = {
    {"sound", FORM, WAVE("a.wav") "RIFF\n--b\r\r\n" PART("model") "whisper-1\r\n" PART("prompt") "12345\r\n--b7--\r\n", true, 5, MEDIA,
     1, "whisper-1"},
    {"two pictures, twice", "Multipart/Form-Data;BOUNDARY=\"b7\"",
     WAVE("a;b.png") "\r\n" WAVE("b") "\r\n" PART("n") "2\r\n" PART("model") "m\r\n--b7--", true, 0, 2 * MEDIA, 2, "m"},
    {"a file in another spelling", FORM,
     "--b7\r\ncontent-type: a/b\r\nCONTENT-DISPOSITION:form-data;filename*=UTF-8''a;name=file\r\n\r\nbytes\r\n--b7--", true, 0, MEDIA, 1,
     ""},
    {"nothing in it", FORM, "--b7--", true, 0, 0, 1, ""},
    {"another boundary", "multipart/form-data; boundary=b8", WAVE("a") "RIFF\r\n--b7--", false, 0, 0, 1, ""},
    {"something in front", FORM, "\r\n" WAVE("a") "RIFF\r\n--b7--", false, 0, 0, 1, ""},
    {"no end", FORM, WAVE("a") "RIFF\r\n", false, 0, 0, 1, ""},
    {"an end inside a head", FORM, "--b7\r\nContent-Disposition: form-data\r\n--b7--", false, 0, 0, 1, ""},
    {"a longer boundary", FORM, PART("prompt") "\r\n--b77\r\nContent-Disposition: form-data; filename=a\r\n\r\n1234\r\n--b7--", false, 0, 0,
     1, ""},
    {"a line feed alone", FORM, PART("prompt") "\n" WAVE("a") "1234\r\n--b7--", false, 0, 0, 1, ""},
    {"a line feed alone in a head", FORM, "--b7\r\nA: b\nContent-Disposition: form-data; filename=a\r\n\r\n1234\r\n--b7--", false, 0, 0, 1,
     ""},
    {"two dispositions", FORM,
     "--b7\r\nContent-Disposition: form-data; name=p\r\nContent-Disposition: form-data; filename=a\r\n\r\n1234\r\n--b7--", false, 0, 0, 1,
     ""},
    {"another type", "multipart/mixed; boundary=b7", WAVE("a") "RIFF\r\n--b7--", false, 0, 0, 1, ""},
    {"another parameter first", "multipart/form-data; a=\"; boundary=b7", WAVE("a") "RIFF\r\n--b7--", false, 0, 0, 1, ""},
    {"no type", "", WAVE("a") "RIFF\r\n--b7--", false, 0, 0, 1, ""},
};

START_TEST(a_form)
{
    const struct form_row *row = &forms[_i];
    size_t size = strlen(row->body);
    char *copy = malloc(size);
    struct estimate result = {.choices = 1};

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, row->body, size);
    ck_assert_msg(estimate_form((struct slice){copy, size}, slice_of(row->type), &result) == row->is_form, "%s", row->about);
    ck_assert_msg(result.prompt == tokens(row->text) + row->tokens, "%s: prompt %" PRId64, row->about, result.prompt);
    ck_assert_msg(result.choices == row->choices, "%s: choices %" PRId64, row->about, result.choices);
    ck_assert_msg(strlen(row->model) == result.model_size && !memcmp(result.model, row->model, result.model_size), "%s: model",
                  row->about);
    for (size_t end = 0; end < size && row->is_form; end++)
        ck_assert_msg(!estimate_form((struct slice){copy, end}, slice_of(row->type), &result) || end + 2 >= size, "%s cut at %zu",
                      row->about, end);
    free(copy);
}
END_TEST

/* ---- large and hostile ---------------------------------------------------------------------------------------------
 */

struct text {
    char *bytes;
    size_t size, room;
};

static void add(struct text *text, const char *bytes, size_t times)
{
    size_t size = strlen(bytes);

    if (text->size + size * times > text->room) {
        text->room = (text->size + size * times) * 2;
        text->bytes = realloc(text->bytes, text->room);
        ck_assert_ptr_nonnull(text->bytes);
    }
    for (size_t i = 0; i < times; i++, text->size += size)
        memcpy(text->bytes + text->size, bytes, size);
}

/* What cannot be followed counts as text, and does not hide how long the answer may be. */
START_TEST(depth_hides_nothing)
{
    static const char *const opens[] = {"[", "{\"a\":", "[{\"n\":["}, *const closes[] = {"]", "}", "]}]"};
    struct text text = {NULL, 0, 0};
    struct estimate result;

    add(&text, "{\"metadata\":", 1);
    add(&text, opens[_i], DEEP);
    add(&text, closes[_i], DEEP);
    add(&text, ",\"max_tokens\":900,\"n\":2,\"prompt\":\"1234\"}", 1);
    result = estimate(text.bytes, text.size);
    ck_assert(!result.is_readable);
    ck_assert_int_eq(result.prompt, tokens((int64_t)text.size));
    ck_assert_int_eq(result.completion, 900);
    ck_assert_int_eq(result.choices, 2);
    free(text.bytes);
}
END_TEST

START_TEST(depth_that_occurs_is_followed)
{
    struct text text = {NULL, 0, 0};
    struct estimate result;

    add(&text, "{\"tools\":", 1);
    add(&text, "[{\"parameters\":", 25);
    add(&text, "{\"description\":\"1234\"}", 1);
    add(&text, "}]", 25);
    add(&text, ",\"max_tokens\":9}", 1);
    result = estimate(text.bytes, text.size);
    ck_assert(result.is_readable);
    ck_assert_int_eq(result.prompt, tokens(25 * 10 + 11 + 4));
    ck_assert_int_eq(result.completion, 9);
    free(text.bytes);
}
END_TEST

/* The time of each of these is linear in the body, or this test does not end. */
START_TEST(a_megabyte_of_anything)
{
    static const char *const pieces[] = {
        "\\",      "\"", "\\\"", "\\\\\"",           "{", "[", "}", ",", ":", "\"a\":", "{\"a\":[", "1,", "\"n\":1,",
        "\\u005f", " ",  "x",    "\"max_tokens\":1,"};
    const size_t megabyte = 1 << 20;
    struct text text = {NULL, 0, 0};

    add(&text, "{\"prompt\":\"", (size_t)_i % 2);
    add(&text, "{", (size_t)(_i + 1) % 2);
    add(&text, pieces[_i / 2], megabyte / strlen(pieces[_i / 2]));
    ck_assert_int_ge(estimate(text.bytes, text.size).choices, 1);
    add(&text, "\",\"max_tokens\":900}", 1);
    ck_assert_int_ge(estimate(text.bytes, text.size).choices, 1);
    free(text.bytes);
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------------------------------
 */

static uint64_t roll(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void damage(char *body, size_t *size, uint64_t *state)
{
    static const char letters[] = "{}[]\",:\\u0059-.e \n\x00\xff";
    size_t at = roll(state) % *size, other = roll(state) % *size;

    switch (roll(state) % 4) {
    case 0:
        body[at] = letters[roll(state) % (sizeof(letters) - 1)];
        break;
    case 1:
        body[at] = (char)roll(state);
        break;
    case 2:
        *size = at + 1;
        break;
    default:
        memmove(body + at, body + other, *size - (at > other ? at : other));
    }
}

START_TEST(random_damage)
{
    const char *source = rows[_i].body;
    uint64_t state = (uint64_t)_i + 1;
    char body[2048];

    for (int i = 0; i < 20000 && source[0]; i++) {
        size_t size = strlen(source);
        struct estimate result;

        memcpy(body, source, size);
        for (uint64_t j = 0; j <= roll(&state) % 6; j++)
            damage(body, &size, &state);
        result = estimate(body, size);
        ck_assert(result.prompt >= 0 && result.prompt <= (int64_t)size * MEDIA);
        ck_assert(result.completion >= 0 && result.completion <= ESTIMATE_MOST);
        ck_assert(result.choices >= 1 && result.choices <= ESTIMATE_MOST);
    }
}
END_TEST

/* ---- where strings end --------------------------------------------------------------------------------------------
 */

static const char *end_byte_by_byte(const char *at, const char *end)
{
    bool is_escaped = false;

    for (; at < end; at++) {
        if (is_escaped)
            is_escaped = false;
        else if (*at == '\\')
            is_escaped = true;
        else if (*at == '"')
            break;
    }
    return at;
}

static const char *special_byte_by_byte(const char *at, const char *end)
{
    while (at < end && *at != '\\' && *at != '"')
        at++;
    return at;
}

START_TEST(strings_end_where_they_end)
{
    static const char bytes[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\\\\\\"\xa2\xdc\"z";
    uint64_t state = (uint64_t)_i + 1;

    for (int i = 0; i < 5000; i++) {
        size_t size = roll(&state) % 150, rare = roll(&state) % 2 ? sizeof(bytes) - 1 : 31;
        char *quoted = malloc(size + 2), *text = quoted + 1;

        ck_assert_ptr_nonnull(quoted);
        quoted[0] = '"';
        for (size_t j = 0; j < size; j++)
            text[j] = bytes[roll(&state) % (roll(&state) % 8 ? rare : sizeof(bytes) - 1)];
        ck_assert_ptr_eq(quote_find_end(text, text + size), end_byte_by_byte(text, text + size));
        ck_assert_ptr_eq(quote_find_special(text, text + size), special_byte_by_byte(text, text + size));
        free(quoted);
    }
}
END_TEST

#define ROWS (int)(sizeof(rows) / sizeof(rows[0]))

/* A small completion that the model may not see must not hide how much it may write. */
static const struct {
    const char *body;
    bool may_be_any; /* as long as one that is not limited */
} completions[] = {
    {"{}", true},
    {"{\"max_tokens\":1}", false},
    {"{\"max\\u005ftokens\":1}", false},
    {"{\"\\u006dax_tokens\":1}", false},
    {"{\"MAX_TOKENS\":1}", true},
    {"{\"max_to\\u212Aens\":1}", true},
    {"{\"Max_Tokens\":1,\"max_tokens\":2}", false},
    {"{\"max_tokens\":\"x\"}", true},
    {"{\"generationConfig\":{\"maxOutputTokens\":1}}", false},
    {"{\"generationConfig\":{\"MaxOutputTokens\":1}}", true},
    {"{\"generation_config\":{\"max_output_tokens\":1}}", false},
};

START_TEST(a_completion_that_not_everybody_reads)
{
    ck_assert_msg(estimate_body(slice_of(completions[_i].body)).has_bad_completion == completions[_i].may_be_any, "%s",
                  completions[_i].body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("estimate");
    TCase *tests = tcase_create("estimate");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_body, 0, ROWS);
    tcase_add_loop_test(tests, a_form, 0, (int)(sizeof(forms) / sizeof(forms[0])));
    tcase_add_loop_test(tests, a_completion_that_not_everybody_reads, 0, sizeof(completions) / sizeof(completions[0]));
    tcase_add_test(tests, another_encoding_is_told);
    tcase_add_loop_test(tests, depth_hides_nothing, 0, 3);
    tcase_add_test(tests, depth_that_occurs_is_followed);
    tcase_add_loop_test(tests, a_megabyte_of_anything, 0, 2 * 17);
    tcase_add_loop_test(tests, random_damage, 0, ROWS);
    tcase_add_loop_test(tests, strings_end_where_they_end, 0, 16);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
