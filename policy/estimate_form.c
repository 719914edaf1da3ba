/* SPDX-License-Identifier: MPL-2.0
 *
 * Token estimates of multipart forms: see estimate_form.h. What is written in another way than SDKs write it is no form here, and counts as
 * text, byte by byte: that is never less.
 */
#include "policy/estimate_form.h"

#include <string.h>

#define BOUNDARY_MAX 70 /* RFC 2046 */
#define PARTS_MAX    1000
#define CHOICES_MAX  1000000

struct part {
    struct slice name, content;
    bool is_file;
};

/* Cuts what comes before the first C off REST. false: there is none, and PIECE is all of it. */
static bool cut(struct slice *rest, char c, struct slice *piece)
{
    const char *at = rest->size > 0 ? memchr(rest->data, c, rest->size) : NULL;

    *piece = *rest;
    if (!at) {
        *rest = (struct slice){NULL, 0};
        return false;
    }
    piece->size = (size_t)(at - rest->data);
    *rest = (struct slice){at + 1, rest->size - piece->size - 1};
    return true;
}

static bool has_prefix_nocase(struct slice text, struct slice prefix)
{
    return text.size >= prefix.size && slice_equal_nocase((struct slice){text.data, prefix.size}, prefix);
}

static struct slice unquote(struct slice text)
{
    if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"')
        return (struct slice){text.data + 1, text.size - 2};
    return text;
}

/* DELIMITER is what stands before each part but the first, and behind a carriage return: a line feed, two hyphens, the boundary. */
static bool find_delimiter(struct slice content_type, char room[BOUNDARY_MAX + 3], struct slice *delimiter)
{
    struct slice type, name;

    if (!cut(&content_type, ';', &type) || !slice_equal_nocase(slice_trim(type), SLICE("multipart/form-data")) ||
        !cut(&content_type, '=', &name) || !slice_equal_nocase(slice_trim(name), SLICE("boundary")))
        return false;
    content_type = unquote(slice_trim(content_type));
    if (content_type.size == 0 || content_type.size > BOUNDARY_MAX)
        return false;
    for (size_t i = 0; i < content_type.size; i++)
        if (strchr(" ;\"\\", content_type.data[i]))
            return false;
    memcpy(room, "\n--", 3);
    memcpy(room + 3, content_type.data, content_type.size);
    *delimiter = (struct slice){room, content_type.size + 3};
    return true;
}

/* Content-Disposition: form-data; name="file"; filename="a.wav" */
static void read_disposition(struct slice line, struct part *part)
{
    struct slice parameter, name;

    cut(&line, ';', &parameter);
    while (line.size > 0) {
        cut(&line, ';', &parameter);
        cut(&parameter, '=', &name);
        name = slice_trim(name);
        part->is_file |= has_prefix_nocase(name, SLICE("filename"));
        if (slice_equal_nocase(name, SLICE("name")))
            part->name = unquote(slice_trim(parameter));
    }
}

/* Takes a line feed's carriage return off the end of TEXT. */
static bool strip_return(struct slice *text)
{
    if (text->size == 0 || text->data[text->size - 1] != '\r')
        return false;
    text->size--;
    return true;
}

/* BYTES are what stands between two delimiters. Lines that not every reader would end where they end here make no part, nor does what one
 * reader may take for a file and another for text. */
static bool read_part(struct slice bytes, struct part *part)
{
    bool has_disposition = false;
    struct slice line;

    *part = (struct part){.is_file = false};
    if (!strip_return(&bytes) || !cut(&bytes, '\n', &line) || !slice_equal(line, SLICE("\r")))
        return false;
    while (cut(&bytes, '\n', &line) && strip_return(&line)) {
        if (line.size == 0) {
            part->content = bytes;
            return has_disposition;
        }
        if (!has_prefix_nocase(line, SLICE("content-disposition:")))
            continue;
        if (has_disposition)
            return false;
        has_disposition = true;
        read_disposition(line, part);
    }
    return false;
}

static void take_model(struct slice model, struct estimate *estimate)
{
    struct slice before = {estimate->model, estimate->model_size};

    if (model.size == 0 || model.size > sizeof(estimate->model))
        return;
    estimate->has_two_models |= before.size > 0 && !slice_equal(before, model);
    memcpy(estimate->model, model.data, model.size);
    estimate->model_size = model.size;
}

static void take_choices(struct slice text, struct estimate *estimate)
{
    int64_t choices = 0;

    for (size_t i = 0; i < text.size && choices < CHOICES_MAX; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            estimate->has_bad_figure = true;
            return;
        }
        choices = choices * 10 + (text.data[i] - '0');
    }
    if (choices > estimate->choices)
        estimate->choices = choices;
}

static void take_part(const struct part *part, uint64_t *text_bytes, struct estimate *estimate)
{
    if (part->is_file)
        estimate->prompt += ESTIMATE_MEDIA;
    else if (slice_equal(part->name, SLICE("model")))
        take_model(part->content, estimate);
    else if (slice_equal(part->name, SLICE("n")))
        take_choices(part->content, estimate);
    else
        *text_bytes += part->content.size;
}

bool estimate_form(struct slice body, struct slice content_type, struct estimate *estimate)
{
    struct estimate made = {.choices = 1};
    char room[BOUNDARY_MAX + 3];
    struct slice delimiter;
    uint64_t text_bytes = 0;

    if (!find_delimiter(content_type, room, &delimiter) ||
        !slice_has_prefix(body, (struct slice){delimiter.data + 1, delimiter.size - 1}))
        return false;
    body = (struct slice){body.data + delimiter.size - 1, body.size - delimiter.size + 1};
    for (size_t parts = 0; parts < PARTS_MAX; parts++) {
        const char *end;
        struct part part;

        if (slice_has_prefix(body, SLICE("--"))) {
            made.prompt += (int64_t)((text_bytes + ESTIMATE_BYTES_PER_TOKEN - 1) / ESTIMATE_BYTES_PER_TOKEN);
            *estimate = made;
            return true;
        }
        end = memmem(body.data, body.size, delimiter.data, delimiter.size);
        if (!end || !read_part((struct slice){body.data, (size_t)(end - body.data)}, &part))
            return false;
        take_part(&part, &text_bytes, &made);
        end += delimiter.size;
        body = (struct slice){end, body.size - (size_t)(end - body.data)};
    }
    return false;
}
