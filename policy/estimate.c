/* SPDX-License-Identifier: MPL-2.0
 *
 * Token estimates in one pass over a JSON body: see estimate.h. It follows strings, braces and names and nothing else;
 * the text of a long prompt is passed over 32 bytes at a time. What a wrong guess costs is bounded by settlement, so a malformed
 * body needs no better answer than a rough one.
 */
#include "policy/estimate.h"

#include <string.h>

#include "policy/decimal.h"
#include "policy/estimate_names.h"
#include "policy/quote.h"

#define MILLION 1000000

static const struct slice media[] = {
    SLICE("image_url"), SLICE("input_image"), SLICE("image"),       SLICE("document"),
    SLICE("file"),      SLICE("input_file"),  SLICE("input_audio"),
};

struct scan {
    const char *at, *end;
    int depth;
    size_t below; /* containers open beyond ESTIMATE_NAMES_DEEPEST; nothing in them means anything */
    bool is_too_deep;
    bool is_object[ESTIMATE_NAMES_DEEPEST + 1];
    /* of the values in this container, when they have no name of their own */
    enum estimate_meaning inherited[ESTIMATE_NAMES_DEEPEST + 1];
    enum estimate_meaning meaning; /* of the value that comes next */
    bool is_folded;                /* its name is one only to readers that do not tell capitals from small letters */
    unsigned length;               /* as what it says how long a completion may be */
    bool wants_name;
    uint64_t text_bytes;
    int64_t tokens;
    int64_t most, choices; /* 0 = not given */
    unsigned lengths;      /* of all that say so */
    int64_t prompts;       /* of a batch */
    struct slice model;    /* as it stands in the body */
    bool has_two_models;
    bool has_bad_figure, has_bad_most, has_sure_most, is_background;
};

static unsigned length_named(struct slice name, bool is_root, bool is_folded)
{
    static const struct {
        struct slice name;
        unsigned length;
    } lengths[] = {{SLICE("max_tokens"), ESTIMATE_LENGTH_TOKENS},
                   {SLICE("max_completion_tokens"), ESTIMATE_LENGTH_COMPLETION},
                   {SLICE("max_output_tokens"), ESTIMATE_LENGTH_OUTPUT}};

    for (size_t i = 0; is_root && !is_folded && i < sizeof(lengths) / sizeof(lengths[0]); i++)
        if (slice_equal(lengths[i].name, name))
            return lengths[i].length;
    return ESTIMATE_LENGTH_OTHER;
}

unsigned estimate_length_of(struct slice name, bool is_root)
{
    bool is_folded;

    if (estimate_names_meaning(name, is_root ? 1 : 2, &is_folded) != MEANS_MOST)
        return 0;
    return length_named(name, is_root, is_folded);
}

/* Reads the string that begins with the quote at scan->at and leaves scan->at behind its end. */
static struct slice read_string(struct scan *scan)
{
    const char *begin = scan->at + 1, *end = quote_find_end(begin, scan->end);

    scan->at = end < scan->end ? end + 1 : end;
    return (struct slice){begin, (size_t)(end - begin)};
}

#define TOO_MANY (ESTIMATE_MOST + 1)

/* The positive whole number that TEXT may be taken for, rounded up; any beyond ESTIMATE_MOST is TOO_MANY. 0: none. */
static int64_t number_of(struct slice text)
{
    int64_t millionths = 0;

    switch (decimal_parse(text, &millionths)) {
    case DECIMAL_OK:
        millionths = (millionths + MILLION - 1) / MILLION;
        return millionths < 0 ? 0 : millionths > ESTIMATE_MOST ? TOO_MANY : millionths;
    case DECIMAL_TOO_LARGE:
        return text.data[0] == '-' ? 0 : TOO_MANY;
    case DECIMAL_NOT_EXACT:
    case DECIMAL_MALFORMED:
        break;
    }
    return 0;
}

static bool is_whole(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

/* Of several that contradict each other the largest counts: a small one must not hide it. A completion longer than any is as long as
 * one that is not limited; too many completions are as many as there can be. */
static void take_figure(struct scan *scan, struct slice text, bool is_quoted)
{
    bool is_most = scan->meaning == MEANS_MOST;
    int64_t *figure = is_most ? &scan->most : &scan->choices;
    int64_t number = number_of(text);

    if (number == 0 || number == TOO_MANY || is_quoted || !is_whole(text)) {
        scan->has_bad_figure = true;
        scan->has_bad_most |= is_most;
    }
    scan->has_sure_most |= is_most && !scan->is_folded;
    scan->lengths |= is_most ? scan->length : 0;
    if (number == TOO_MANY)
        number = is_most ? 0 : ESTIMATE_MOST;
    if (number > *figure)
        *figure = number;
}

/* Base64 and addresses have neither spaces nor escapes. */
static bool is_text(struct slice data)
{
    return data.size > 0 && (memchr(data.data, ' ', data.size) || memchr(data.data, '\\', data.size));
}

static void take_string(struct scan *scan, struct slice text)
{
    switch (scan->meaning) {
    case MEANS_PROMPTS:
        scan->prompts += scan->depth == 2;
        scan->text_bytes += text.size;
        break;
    case MEANS_TEXT:
    case MEANS_TOKENS:
    case MEANS_SCHEMA:
        scan->text_bytes += text.size;
        break;
    case MEANS_DATA:
        scan->text_bytes += is_text(text) ? text.size : 0;
        break;
    case MEANS_PART:
        for (size_t i = 0; i < sizeof(media) / sizeof(media[0]); i++)
            if (slice_equal(media[i], text))
                scan->tokens += ESTIMATE_MEDIA;
        break;
    case MEANS_MODEL:
        scan->has_two_models |= scan->model.data && !slice_equal(scan->model, text);
        scan->model = text;
        break;
    case MEANS_MOST:
    case MEANS_CHOICES:
        take_figure(scan, text, true);
        break;
    case MEANS_BACKGROUND:
    case MEANS_MEDIA:
    case MEANS_NOTHING:
        break;
    }
}

enum { WORD, SEPARATOR, QUOTE, OPENING, CLOSING, COMMA };

/* Colons are passed over like white space: what follows a name is its value. */
static const unsigned char marks[256] = {
    [':'] = SEPARATOR, [' '] = SEPARATOR, ['\t'] = SEPARATOR, ['\r'] = SEPARATOR, ['\n'] = SEPARATOR, ['"'] = QUOTE,
    ['{'] = OPENING,   ['['] = OPENING,   ['}'] = CLOSING,    [']'] = CLOSING,    [','] = COMMA,
};

/* Whether BYTE cannot be part of a number or a word. */
static bool ends_scalar(char byte)
{
    return byte == '\0' || marks[(unsigned char)byte] != WORD;
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
    if (scan->meaning == MEANS_MOST || scan->meaning == MEANS_CHOICES)
        take_figure(scan, text, false);
    else if (scan->meaning == MEANS_SCHEMA)
        scan->text_bytes += text.size;
    else if (scan->meaning == MEANS_BACKGROUND)
        scan->is_background |= slice_equal(text, SLICE("true"));
    else if ((scan->meaning == MEANS_TOKENS || scan->meaning == MEANS_PROMPTS) && *begin >= '0' && *begin <= '9')
        scan->tokens++;
}

static void take_name(struct scan *scan, struct slice name)
{
    scan->wants_name = false;
    if (scan->inherited[scan->depth] == MEANS_SCHEMA) {
        scan->meaning = MEANS_SCHEMA;
        scan->text_bytes += name.size;
        return;
    }
    scan->meaning = estimate_names_meaning(name, scan->depth, &scan->is_folded);
    if (scan->meaning == MEANS_MEDIA)
        scan->tokens += ESTIMATE_MEDIA;
    if (scan->meaning == MEANS_MOST)
        scan->length = length_named(name, scan->depth == 1, scan->is_folded);
}

static void take_quoted(struct scan *scan)
{
    struct slice text = read_string(scan);

    if (scan->wants_name)
        take_name(scan, text);
    else
        take_string(scan, text);
}

static void open_container(struct scan *scan, bool is_object)
{
    if (scan->depth == ESTIMATE_NAMES_DEEPEST) {
        scan->below++;
        scan->is_too_deep = true;
        scan->at++;
        return;
    }
    if (scan->meaning == MEANS_MOST || scan->meaning == MEANS_CHOICES)
        scan->has_bad_figure = true;
    scan->has_bad_most |= scan->meaning == MEANS_MOST;
    scan->prompts += scan->meaning == MEANS_PROMPTS && scan->depth == 2 && !is_object;
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
        unsigned char mark = marks[(unsigned char)*scan->at];

        if (mark == SEPARATOR) {
            scan->at++;
            continue;
        }
        switch (mark) {
        case QUOTE:
            take_quoted(scan);
            break;
        case OPENING:
            open_container(scan, *scan->at == '{');
            break;
        case CLOSING:
            close_container(scan);
            break;
        case COMMA:
            next_member(scan);
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
    char plain[ESTIMATE_NAMES_LONGEST];
    struct slice model = scan->model;

    estimate->has_two_models = scan->has_two_models;
    if (model.size > 0 && memchr(model.data, '\\', model.size))
        model = estimate_names_unescape(model, false, plain);
    if (model.size == 0 || model.size > sizeof(estimate->model))
        return;
    memcpy(estimate->model, model.data, model.size);
    estimate->model_size = model.size;
}

/* JSON in UTF-16 or UTF-32 has a mark in front, or begins with two characters of ASCII, zeros around them. A film begins with three zeros,
 * too, but has none behind them. */
static bool is_encoded(struct slice body)
{
    char begin[8] = {0};

    if (body.size < 2)
        return false;
    memcpy(begin, body.data, body.size < sizeof(begin) ? body.size : sizeof(begin));
    if (begin[0] != '\0')
        return (begin[1] == '\0' && begin[3] == '\0') || slice_has_prefix(body, SLICE("\xff\xfe")) ||
               slice_has_prefix(body, SLICE("\xfe\xff"));
    return begin[2] == '\0' && (begin[1] != '\0' || memcmp(begin + 4, "\0\0\0", 3) == 0);
}

/* Completions of all prompts together. */
static int64_t choices_of(const struct scan *scan)
{
    int64_t choices = scan->choices > 0 ? scan->choices : 1, all;

    if (__builtin_mul_overflow(choices, scan->prompts > 1 ? scan->prompts : 1, &all) || all > ESTIMATE_MOST)
        return ESTIMATE_MOST;
    return all;
}

struct estimate estimate_body(struct slice body)
{
    struct scan scan = {.at = body.data, .end = body.data + body.size};
    struct estimate estimate = {.choices = 1, .prompt = tokens_of_text(body.size), .is_encoded = is_encoded(body)};

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
    estimate.has_bad_completion = scan.has_bad_most || !scan.has_sure_most;
    estimate.lengths = scan.lengths;
    estimate.is_background = scan.is_background;
    estimate.completion = scan.most;
    keep_model(&scan, &estimate);
    estimate.choices = choices_of(&scan);
    return estimate;
}
