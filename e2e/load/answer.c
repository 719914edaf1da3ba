/* SPDX-License-Identifier: MPL-2.0
 *
 * The client's half of HTTP/1.x framing: status line, the few header fields that say where the body ends, the body
 * counted and dropped. Takes bytes in pieces of any size; never keeps a body, never forgives a malformed answer.
 */
#include "e2e/load/answer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void answer_init(struct answer *answer)
{
    answer->phase = ANSWER_HEAD;
    answer->status = 0;
    answer->keeps_open = true;
    answer->has_started = false;
    answer->left = 0;
    answer->head_size = 0;
    answer->line_size = 0;
    answer->counted[0] = '\0';
}

struct framing {
    bool has_length, is_chunked, says_close, says_keep_alive;
    uint64_t length;
};

static bool parse_number(const char *text, size_t size, unsigned base, uint64_t *value)
{
    *value = 0;
    if (size == 0 || size > 15) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        int digit = tolower((unsigned char)text[i]);
        unsigned amount = isdigit(digit) ? (unsigned)digit - '0' : (unsigned)digit - 'a' + 10;

        if (!isxdigit(digit) || amount >= base) {
            return false;
        }
        *value = *value * base + amount;
    }
    return true;
}

static bool is_text(const char *bytes, size_t size, const char *text)
{
    return size == strlen(text) && strncasecmp(bytes, text, size) == 0;
}

static bool parse_field(struct answer *answer, const char *line, size_t size, const char *counted,
                        struct framing *framing)
{
    const char *colon = memchr(line, ':', size);
    size_t name_size = colon ? (size_t)(colon - line) : 0;

    if (name_size == 0) {
        return false;
    }
    const char *value = colon + 1;
    const char *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    size_t value_size = (size_t)(end - value);
    if (is_text(line, name_size, "Content-Length")) {
        framing->has_length = true;
        return parse_number(value, value_size, 10, &framing->length);
    }
    if (is_text(line, name_size, "Transfer-Encoding")) {
        framing->is_chunked = is_text(value, value_size, "chunked");
        return framing->is_chunked;
    }
    if (is_text(line, name_size, "Connection")) {
        framing->says_close = is_text(value, value_size, "close");
        framing->says_keep_alive = is_text(value, value_size, "keep-alive");
    }
    if (counted && is_text(line, name_size, counted)) {
        size_t kept = value_size < ANSWER_COUNTED_SIZE - 1 ? value_size : ANSWER_COUNTED_SIZE - 1;
        memcpy(answer->counted, value, kept);
        answer->counted[kept] = '\0';
    }
    return true;
}

static bool parse_status_line(struct answer *answer, const char *line, size_t size, bool *is_old)
{
    uint64_t status = 0;

    if (size < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
        !parse_number(line + 9, 3, 10, &status) || status < 100 || status > 599 || (size > 12 && line[12] != ' ')) {
        return false;
    }
    answer->status = (int)status;
    *is_old = line[7] == '0';
    return true;
}

static void choose_body(struct answer *answer, const struct framing *framing, bool is_old, bool is_head)
{
    answer->keeps_open = is_old ? framing->says_keep_alive : !framing->says_close;
    if (is_head || answer->status == 204 || answer->status == 304) {
        answer->phase = ANSWER_DONE;
    } else if (framing->is_chunked) {
        answer->phase = framing->has_length ? ANSWER_BAD : ANSWER_CHUNK_LINE;
    } else if (framing->has_length) {
        answer->left = framing->length;
        answer->phase = framing->length > 0 ? ANSWER_BODY : ANSWER_DONE;
    } else {
        answer->keeps_open = false;
        answer->phase = ANSWER_TO_CLOSE;
    }
}

/* The head with its empty line stands in answer->head[0..size). */
static void parse_head(struct answer *answer, size_t size, const char *counted, bool is_head)
{
    const char *line = answer->head;
    const char *end = answer->head + size - 2;
    struct framing framing = {0};
    bool is_old = false;
    bool is_first = true;

    while (line < end) {
        const char *next = memmem(line, (size_t)(end - line) + 2, "\r\n", 2);
        size_t length = (size_t)(next - line);
        bool is_fine = is_first ? parse_status_line(answer, line, length, &is_old)
                                : parse_field(answer, line, length, counted, &framing);
        if (!is_fine) {
            answer->phase = ANSWER_BAD;
            return;
        }
        is_first = false;
        line = next + 2;
    }
    if (answer->status < 200) {
        answer->head_size = 0; /* an interim answer: the real one follows */
        return;
    }
    choose_body(answer, &framing, is_old, is_head);
}

static size_t take_head(struct answer *answer, const char *bytes, size_t size, const char *counted, bool is_head)
{
    size_t before = answer->head_size;
    size_t room = ANSWER_HEAD_SIZE - before;
    size_t added = size < room ? size : room;

    memcpy(answer->head + before, bytes, added);
    answer->head_size += added;
    size_t from = before > 3 ? before - 3 : 0;
    const char *end = memmem(answer->head + from, answer->head_size - from, "\r\n\r\n", 4);
    if (!end) {
        if (answer->head_size == ANSWER_HEAD_SIZE) {
            answer->phase = ANSWER_BAD;
        }
        return added;
    }
    size_t head_size = (size_t)(end - answer->head) + 4;
    parse_head(answer, head_size, counted, is_head);
    return head_size - before;
}

static size_t take_left(struct answer *answer, size_t size, enum answer_phase next)
{
    size_t taken = size < answer->left ? size : (size_t)answer->left;

    answer->left -= taken;
    if (answer->left == 0) {
        answer->phase = next;
    }
    return taken;
}

static void on_line(struct answer *answer)
{
    uint64_t size = 0;

    if (answer->phase == ANSWER_TRAILER) {
        answer->phase = answer->line_size == 0 ? ANSWER_DONE : ANSWER_TRAILER;
    } else if (!parse_number(answer->line, answer->line_size, 16, &size)) {
        answer->phase = ANSWER_BAD;
    } else if (size == 0) {
        answer->phase = ANSWER_TRAILER;
    } else {
        answer->left = size + 2; /* its CRLF with it */
        answer->phase = ANSWER_CHUNK;
    }
    answer->line_size = 0;
}

static size_t take_line(struct answer *answer, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            if (answer->line_size == 0 || answer->line[answer->line_size - 1] != '\r') {
                answer->phase = ANSWER_BAD;
                return i + 1;
            }
            answer->line_size--;
            on_line(answer);
            return i + 1;
        }
        if (answer->line_size == sizeof answer->line) {
            answer->phase = ANSWER_BAD;
            return i + 1;
        }
        answer->line[answer->line_size++] = bytes[i];
    }
    return size;
}

size_t answer_take(struct answer *answer, const char *bytes, size_t size, const char *counted, bool is_head)
{
    size_t taken = 0;

    answer->has_started = answer->has_started || size > 0;
    while (taken < size && answer->phase != ANSWER_DONE && answer->phase != ANSWER_BAD) {
        const char *rest = bytes + taken;
        size_t rest_size = size - taken;

        if (answer->phase == ANSWER_HEAD) {
            taken += take_head(answer, rest, rest_size, counted, is_head);
        } else if (answer->phase == ANSWER_BODY) {
            taken += take_left(answer, rest_size, ANSWER_DONE);
        } else if (answer->phase == ANSWER_CHUNK) {
            taken += take_left(answer, rest_size, ANSWER_CHUNK_LINE);
        } else if (answer->phase == ANSWER_TO_CLOSE) {
            taken = size;
        } else {
            taken += take_line(answer, rest, rest_size);
        }
    }
    return taken;
}
