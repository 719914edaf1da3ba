/* SPDX-License-Identifier: MPL-2.0
 *
 * The names of members that matter to an estimate: see estimate_names.h. Most names of a body are none of them, so that
 * a name is compared with those of its size only.
 */
#include "policy/estimate_names.h"

#include <string.h>

#include "shm/hex_digit.h"

#define ANYWHERE        ESTIMATE_NAMES_DEEPEST
#define NAMES_OF_A_SIZE 6
#define KELVIN          0x212a /* letters that readers in Go take for k and s */
#define LONG_S          0x17f

struct known_name {
    const char *name;
    enum estimate_meaning meaning;
    int deepest; /* nesting of the object that may hold it */
};

/* By the size of the name; a row ends with its last name. Of two with one name the first that is not too deep counts. A role means
 * nothing, but most bodies are full of them, and what is known is not looked at closer. */
static const struct known_name names[][NAMES_OF_A_SIZE + 1] = {
    [1] = {{"n", MEANS_CHOICES, 1}},
    [4] = {{"role", MEANS_NOTHING, ANYWHERE}, {"text", MEANS_TEXT, ANYWHERE}, {"type", MEANS_PART, ANYWHERE},
           {"data", MEANS_DATA, ANYWHERE}, {"args", MEANS_SCHEMA, ANYWHERE}},
    [5] = {{"input", MEANS_TOKENS, 1}, {"input", MEANS_SCHEMA, ANYWHERE}, {"model", MEANS_MODEL, 1},
           {"tools", MEANS_SCHEMA, 1}, {"texts", MEANS_TEXT, 1}, {"query", MEANS_TEXT, 1}},
    [6] = {{"system", MEANS_TEXT, ANYWHERE}, {"output", MEANS_TEXT, ANYWHERE}, {"prompt", MEANS_PROMPTS, 1},
           {"prompt", MEANS_TOKENS, ANYWHERE}, {"schema", MEANS_SCHEMA, ANYWHERE},
           {"inputs", MEANS_TOKENS, 1}},
    [7] = {{"content", MEANS_TEXT, ANYWHERE}, {"best_of", MEANS_CHOICES, 2}, {"refusal", MEANS_TEXT, ANYWHERE},
           {"message", MEANS_TEXT, ANYWHERE}},
    [8] = {{"thinking", MEANS_TEXT, ANYWHERE}, {"response", MEANS_SCHEMA, ANYWHERE},
           {"fileData", MEANS_MEDIA, ANYWHERE}, {"preamble", MEANS_TEXT, 1}},
    [9] = {{"arguments", MEANS_TEXT, ANYWHERE}, {"functions", MEANS_SCHEMA, 1}, {"documents", MEANS_SCHEMA, 1},
           {"maxTokens", MEANS_MOST, 2}, {"n_predict", MEANS_MOST, 1}, {"inputText", MEANS_TEXT, 1}},
    [10] = {{"background", MEANS_BACKGROUND, 1}, {"max_tokens", MEANS_MOST, 2},
            {"inlineData", MEANS_MEDIA, ANYWHERE}},
    [11] = {{"description", MEANS_TEXT, ANYWHERE}, {"inline_data", MEANS_MEDIA, ANYWHERE}, {"num_predict", MEANS_MOST, 2},
            {"max_gen_len", MEANS_MOST, 1}},
    [12] = {{"instructions", MEANS_TEXT, ANYWHERE}},
    [13] = {{"maxTokenCount", MEANS_MOST, 2}},
    [14] = {{"candidateCount", MEANS_CHOICES, 2}, {"responseSchema", MEANS_SCHEMA, 2}, {"max_new_tokens", MEANS_MOST, 2}},
    [15] = {{"maxOutputTokens", MEANS_MOST, 2}, {"candidate_count", MEANS_CHOICES, 2},
            {"response_schema", MEANS_SCHEMA, 2}},
    [17] = {{"max_output_tokens", MEANS_MOST, 2}},
    [18] = {{"responseJsonSchema", MEANS_SCHEMA, 2}},
    [20] = {{"max_tokens_to_sample", MEANS_MOST, 1}},
    [21] = {{"max_completion_tokens", MEANS_MOST, 1}},
};
#define NAME_SIZES (sizeof(names) / sizeof(names[0]))

/* Four hexadecimal digits at AT, or -1. */
static int code_unit(const char *at)
{
    int code = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);

        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* The character at *AT with its escape undone; *AT goes behind it. -1: none that a known name holds. */
static int next_character(struct slice name, size_t *at)
{
    static const struct {
        struct slice bytes;
        int code;
    } like_ascii[] = {{SLICE("\xe2\x84\xaa"), KELVIN}, {SLICE("\xc5\xbf"), LONG_S}};
    struct slice rest = {name.data + *at, name.size - *at};
    int code = (unsigned char)rest.data[0];

    for (size_t i = 0; i < 2; i++)
        if (slice_has_prefix(rest, like_ascii[i].bytes)) {
            *at += like_ascii[i].bytes.size;
            return like_ascii[i].code;
        }
    (*at)++;
    if (code == '\\' && rest.size >= 6 && rest.data[1] == 'u') {
        code = code_unit(rest.data + 2);
        *at += 5;
    } else if (code == '\\' && rest.size >= 2 && rest.data[1] == '/') {
        code = '/';
        *at += 1;
    }
    return code;
}

struct slice estimate_names_unescape(struct slice name, bool folds, char out[ESTIMATE_NAMES_LONGEST])
{
    size_t used = 0;

    for (size_t at = 0; at < name.size;) {
        int code = next_character(name, &at);

        if (folds && (code == KELVIN || code == LONG_S))
            code = code == KELVIN ? 'k' : 's';
        if (code < ' ' || code > '~' || used == ESTIMATE_NAMES_LONGEST)
            return name;
        out[used++] = folds ? slice_lower((char)code) : (char)code;
    }
    return (struct slice){out, used};
}

/* The names that are as long as NAME. */
static const struct known_name *names_like(struct slice name)
{
    return names[name.size < NAME_SIZES ? name.size : 0];
}

static inline bool is_same_in_fours(const char *a, const char *b, size_t size)
{
    uint32_t words[4];

    memcpy(&words[0], a, 4);
    memcpy(&words[1], b, 4);
    memcpy(&words[2], a + size - 4, 4);
    memcpy(&words[3], b + size - 4, 4);
    return words[0] == words[1] && words[2] == words[3];
}

/* Most names have four to eight bytes, and a call of memcmp costs more than to look at them twice in the middle. */
static inline bool is_same(const char *a, const char *b, size_t size)
{
    return size >= 4 && size <= 8 ? is_same_in_fours(a, b, size) : memcmp(a, b, size) == 0;
}

static inline const struct known_name *find_name(struct slice name, int depth)
{
    for (const struct known_name *known = names_like(name); known->name; known++)
        if (known->name[0] == name.data[0] && depth <= known->deepest && is_same(known->name, name.data, name.size))
            return known;
    return NULL;
}

/* Likewise, of a name in small letters. */
static const struct known_name *find_folded(struct slice name, int depth)
{
    for (const struct known_name *known = names_like(name); known->name; known++)
        if (depth <= known->deepest && slice_equal_nocase((struct slice){known->name, name.size}, name))
            return known;
    return NULL;
}

/* Whether NAME is spelt as no known name is, and yet may be read as one. */
static bool is_spelt_oddly(struct slice name)
{
    for (size_t i = 0; i < name.size; i++)
        if ((name.data[i] < 'a' || name.data[i] > 'z') && name.data[i] != '_')
            return true;
    return false;
}

/* Not inlined, or every name would pay for its room. */
static __attribute__((noinline)) enum estimate_meaning meaning_unescaped(struct slice name, int depth, bool *is_folded)
{
    char plain[ESTIMATE_NAMES_LONGEST];
    const struct known_name *known;

    *is_folded = !find_name(estimate_names_unescape(name, false, plain), depth);
    known = find_folded(estimate_names_unescape(name, true, plain), depth);
    return known ? known->meaning : MEANS_NOTHING;
}

enum estimate_meaning estimate_names_meaning(struct slice name, int depth, bool *is_folded)
{
    const struct known_name *known = find_name(name, depth);

    *is_folded = false;
    if (known)
        return known->meaning;
    return is_spelt_oddly(name) ? meaning_unescaped(name, depth, is_folded) : MEANS_NOTHING;
}
