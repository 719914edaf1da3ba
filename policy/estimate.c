/* SPDX-License-Identifier: MPL-2.0
 *
 * Token estimates in one pass over a JSON body: see estimate.h. It follows strings, braces and names and nothing else;
 * the text of a long prompt is passed over 32 bytes at a time. What a wrong guess costs is bounded by settlement, so a malformed
 * body needs no better answer than a rough one.
 */
#include "policy/estimate.h"

#include <string.h>

#include "policy/quote.h"

#define DEPTH_MAX        64
#define NAME_MAX_SIZE    ESTIMATE_MODEL_MAX /* no known name is longer */
#define TOKENS_PER_MEDIA 1000 /* an image, a file, a piece of sound: their data says nothing about tokens */

/* What the value behind a name means here. */
enum meaning {
    MEANS_NOTHING,
    MEANS_TEXT,    /* strings are prompt */
    MEANS_TOKENS,  /* strings are prompt, numbers are token ids */
    MEANS_MOST,    /* a number of completion tokens */
    MEANS_CHOICES, /* a number of completions */
    MEANS_PART,    /* kind of a content part */
    MEANS_MODEL,
};

/* Shorter names first. */
static const struct known_name {
    struct slice name;
    enum meaning meaning;
    int deepest; /* nesting of the object that may hold it */
} names[] = {
    {SLICE("n"), MEANS_CHOICES, 1},
    {SLICE("text"), MEANS_TEXT, DEPTH_MAX},
    {SLICE("type"), MEANS_PART, DEPTH_MAX},
    {SLICE("input"), MEANS_TOKENS, DEPTH_MAX},
    {SLICE("model"), MEANS_MODEL, 1},
    {SLICE("system"), MEANS_TEXT, DEPTH_MAX},
    {SLICE("output"), MEANS_TEXT, DEPTH_MAX},
    {SLICE("prompt"), MEANS_TOKENS, DEPTH_MAX},
    {SLICE("content"), MEANS_TEXT, DEPTH_MAX},
    {SLICE("best_of"), MEANS_CHOICES, 1},
    {SLICE("thinking"), MEANS_TEXT, DEPTH_MAX},
    {SLICE("arguments"), MEANS_TEXT, DEPTH_MAX},
    {SLICE("max_tokens"), MEANS_MOST, 1},
    {SLICE("description"), MEANS_TEXT, DEPTH_MAX},
    {SLICE("instructions"), MEANS_TEXT, DEPTH_MAX},
    {SLICE("candidateCount"), MEANS_CHOICES, 2},
    {SLICE("maxOutputTokens"), MEANS_MOST, 2},
    {SLICE("candidate_count"), MEANS_CHOICES, 2},
    {SLICE("max_output_tokens"), MEANS_MOST, 2},
    {SLICE("max_completion_tokens"), MEANS_MOST, 1},
};

static const struct slice media[] = {
    SLICE("image_url"), SLICE("input_image"), SLICE("image"),       SLICE("document"),
    SLICE("file"),      SLICE("input_file"),  SLICE("input_audio"),
};

struct scan {
    const char *at, *end;
    int depth;
    size_t below; /* containers open beyond DEPTH_MAX; nothing in them means anything */
    bool is_too_deep;
    bool is_object[DEPTH_MAX + 1];
    enum meaning inherited[DEPTH_MAX + 1]; /* of the values in this container, when they have no name of their own */
    enum meaning meaning;                  /* of the value that comes next */
    bool wants_name;
    uint64_t text_bytes;
    int64_t tokens;
    int64_t most, choices; /* 0 = not given */
    struct slice model;    /* as it stands in the body */
    bool has_two_models;
    bool has_bad_figure;
};

/* Four hexadecimal digits at AT, or -1. */
static int code_unit(const char *at)
{
    int code = 0;

    for (int i = 0; i < 4; i++) {
        char c = slice_lower(at[i]);

        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return -1;
        code = code * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return code;
}

/* NAME with its escapes undone, in OUT: who reads the body behind us undoes them too. A name that is too long, or
 * holds what no known name holds, comes back as it is. */
static struct slice unescape(struct slice name, char out[NAME_MAX_SIZE])
{
    size_t used = 0;

    for (size_t i = 0; i < name.size; i++) {
        int code = (unsigned char)name.data[i];

        if (code == '\\' && name.size - i >= 6 && name.data[i + 1] == 'u') {
            code = code_unit(name.data + i + 2);
            i += 5;
        } else if (code == '\\' && name.size - i >= 2 && name.data[i + 1] == '/') {
            code = name.data[++i];
        }
        if (code < ' ' || code > '~' || used == NAME_MAX_SIZE)
            return name;
        out[used++] = (char)code;
    }
    return (struct slice){out, used};
}

static const struct known_name *find_name(struct slice name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && names[i].name.size <= name.size; i++)
        if (names[i].name.data[0] == name.data[0] && slice_equal(names[i].name, name))
            return &names[i];
    return NULL;
}

static enum meaning meaning_of(struct slice name, int depth)
{
    const struct known_name *known = find_name(name);
    char plain[NAME_MAX_SIZE];

    if (!known && name.size > 0 && memchr(name.data, '\\', name.size))
        known = find_name(unescape(name, plain));
    return known && depth <= known->deepest ? known->meaning : MEANS_NOTHING;
}

/* Reads the string that begins with the quote at scan->at and leaves scan->at behind its end. */
static struct slice read_string(struct scan *scan)
{
    const char *begin = scan->at + 1, *end = quote_find_end(begin, scan->end);

    scan->at = end < scan->end ? end + 1 : end;
    return (struct slice){begin, (size_t)(end - begin)};
}

static void take_string(struct scan *scan, struct slice text)
{
    switch (scan->meaning) {
    case MEANS_TEXT:
    case MEANS_TOKENS:
        scan->text_bytes += text.size;
        break;
    case MEANS_PART:
        for (size_t i = 0; i < sizeof(media) / sizeof(media[0]); i++)
            if (slice_equal(media[i], text))
                scan->tokens += TOKENS_PER_MEDIA;
        break;
    case MEANS_MODEL:
        scan->has_two_models |= scan->model.data && !slice_equal(scan->model, text);
        scan->model = text;
        break;
    case MEANS_MOST:
    case MEANS_CHOICES:
        scan->has_bad_figure = true;
        break;
    case MEANS_NOTHING:
        break;
    }
}

/* A positive whole number up to ESTIMATE_MOST, or 0. */
static int64_t whole_number(struct slice text)
{
    int64_t number = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > ESTIMATE_MOST)
            return 0;
        number = number * 10 + (text.data[i] - '0');
    }
    return number <= ESTIMATE_MOST ? number : 0;
}

static void take_figure(struct scan *scan, int64_t *figure, struct slice text)
{
    int64_t number = whole_number(text);

    /* Of several that contradict each other the largest counts: a small one must not hide it. */
    if (number == 0)
        scan->has_bad_figure = true;
    else if (number > *figure)
        *figure = number;
}

/* Whether BYTE cannot be part of a number or a word. */
static bool ends_scalar(char byte)
{
    static const bool ends[256] = {['\0'] = true, [','] = true,  [']'] = true, ['}'] = true, [':'] = true, [' '] = true,
                                   ['\t'] = true, ['\r'] = true, ['\n'] = true, ['"'] = true, ['['] = true, ['{'] = true};

    return ends[(unsigned char)byte];
}

static void take_scalar(struct scan *scan)
{
    const char *begin = scan->at;
    struct slice text;

    while (scan->at < scan->end && !ends_scalar(*scan->at))
        scan->at++;
    if (scan->at == begin)
        scan->at++;
    text = (struct slice){begin, (size_t)(scan->at - begin)};
    if (slice_equal(text, SLICE("null")))
        return;
    if (scan->meaning == MEANS_MOST)
        take_figure(scan, &scan->most, text);
    else if (scan->meaning == MEANS_CHOICES)
        take_figure(scan, &scan->choices, text);
    else if (scan->meaning == MEANS_TOKENS && *begin >= '0' && *begin <= '9')
        scan->tokens++;
}

static void take_quoted(struct scan *scan)
{
    struct slice text = read_string(scan);

    if (scan->wants_name) {
        scan->meaning = meaning_of(text, scan->depth);
        scan->wants_name = false;
        return;
    }
    take_string(scan, text);
}

static void open_container(struct scan *scan, bool is_object)
{
    if (scan->depth == DEPTH_MAX) {
        scan->below++;
        scan->is_too_deep = true;
        scan->at++;
        return;
    }
    if (scan->meaning == MEANS_MOST || scan->meaning == MEANS_CHOICES)
        scan->has_bad_figure = true;
    scan->depth++;
    scan->is_object[scan->depth] = is_object;
    scan->inherited[scan->depth] = scan->meaning;
    scan->wants_name = is_object;
    scan->at++;
}

static void close_container(struct scan *scan)
{
    if (scan->below > 0)
        scan->below--;
    else if (scan->depth > 0)
        scan->depth--;
    scan->wants_name = false;
    scan->at++;
}

static void next_member(struct scan *scan)
{
    scan->wants_name = scan->is_object[scan->depth];
    scan->meaning = scan->inherited[scan->depth];
    scan->at++;
}

static void walk(struct scan *scan)
{
    while (scan->at < scan->end) {
        switch (*scan->at) {
        case '"':
            take_quoted(scan);
            break;
        case '{':
        case '[':
            open_container(scan, *scan->at == '{');
            break;
        case '}':
        case ']':
            close_container(scan);
            break;
        case ',':
            next_member(scan);
            break;
        case ':':
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            scan->at++;
            break;
        default:
            take_scalar(scan);
        }
    }
}

static int64_t tokens_of_text(uint64_t bytes)
{
    return (int64_t)((bytes + ESTIMATE_BYTES_PER_TOKEN - 1) / ESTIMATE_BYTES_PER_TOKEN);
}

static void keep_model(const struct scan *scan, struct estimate *estimate)
{
    char plain[NAME_MAX_SIZE];
    struct slice model = scan->model;

    estimate->has_two_models = scan->has_two_models;
    if (model.size > 0 && memchr(model.data, '\\', model.size))
        model = unescape(model, plain);
    if (model.size == 0 || model.size > sizeof(estimate->model))
        return;
    memcpy(estimate->model, model.data, model.size);
    estimate->model_size = model.size;
}

struct estimate estimate_body(struct slice body)
{
    struct scan scan = {.at = body.data, .end = body.data + body.size};
    struct estimate estimate = {.choices = 1, .prompt = tokens_of_text(body.size)};

    /* A byte order mark is no JSON, but many readers pass over it. */
    if (slice_has_prefix(body, SLICE("\xef\xbb\xbf")))
        scan.at += 3;
    while (scan.at < scan.end && strchr(" \t\r\n", *scan.at))
        scan.at++;
    if (scan.at == scan.end || *scan.at != '{')
        return estimate;
    walk(&scan);
    estimate.is_readable = !scan.is_too_deep;
    if (estimate.is_readable)
        estimate.prompt = tokens_of_text(scan.text_bytes) + scan.tokens;
    estimate.has_bad_figure = scan.has_bad_figure;
    estimate.completion = scan.most;
    keep_model(&scan, &estimate);
    estimate.choices = scan.choices > 0 ? scan.choices : 1;
    return estimate;
}
