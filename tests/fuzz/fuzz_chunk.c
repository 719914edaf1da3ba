/* SPDX-License-Identifier: MPL-2.0
 *
 * Chunked bodies, against a reader that has them whole: the same bytes are taken, end in the same place and say the same, however they
 * are cut.
 */
#include "tests/fuzz/entry.h"
#include "worker/chunk.h"

#define MAX_BODY    200
#define MAX_TRAILER 100

struct outcome {
    enum chunk_result result;
    size_t used;
    struct slice body;
};

static void read_in_pieces(struct slice text, size_t piece, struct body_store *store, struct body *body,
                           struct outcome *outcome)
{
    struct chunk chunk;

    *outcome = (struct outcome){.result = CHUNK_MORE};
    body_begin(body, store);
    chunk_init(&chunk);
    while (outcome->result == CHUNK_MORE && outcome->used < text.size) {
        size_t left = text.size - outcome->used, given = left < piece ? left : piece, used = 0;

        outcome->result = chunk_feed(&chunk, text.data + outcome->used, given, MAX_BODY, MAX_TRAILER, body, &used);
        MUST(used <= given && (outcome->result == CHUNK_DONE || outcome->result != CHUNK_MORE || used == given));
        outcome->used += used;
    }
    outcome->body = body->bytes;
}

/* Length of the size line at TEXT with its CRLF; 0 when it is none. */
static size_t line_size(struct slice text)
{
    size_t digits = 0;

    while (digits < text.size && text.data[digits] != '\r') {
        if (!memchr("0123456789abcdefABCDEF", text.data[digits], 22))
            return 0;
        digits++;
    }
    return digits + 1 < text.size && text.data[digits + 1] == '\n' ? digits + 2 : 0;
}

/* The end of a whole message without trailers, whose chunks say BODY; 0 when it is none. */
static size_t read_whole(struct slice text, char body[MAX_BODY], size_t *body_size)
{
    size_t at = 0;

    *body_size = 0;
    for (;;) {
        struct slice rest = {text.data + at, text.size - at};
        size_t line = line_size(rest), size;

        if (line < 3 || line > 10)
            return 0;
        size = strtoul(rest.data, NULL, 16);
        at += line;
        if (size > MAX_BODY - *body_size || at + size + 2 > text.size || memcmp(text.data + at + size, "\r\n", 2))
            return 0;
        memcpy(body + *body_size, text.data + at, size);
        *body_size += size;
        at += size + 2;
        if (size == 0)
            return at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece = entry_take(&data, &size) % 9 + 1U, expected_size, end;
    struct body_store first_store = {.most = 4096}, second_store = {.most = 4096};
    struct slice text = entry_copy(data, size);
    struct body first_body = {0}, second_body = {0};
    struct outcome whole, cut;
    char expected[MAX_BODY];

    read_in_pieces(text, size > 0 ? size : 1, &first_store, &first_body, &whole);
    read_in_pieces(text, piece, &second_store, &second_body, &cut);
    MUST(whole.result == cut.result);
    if (whole.result == CHUNK_DONE)
        MUST(whole.used == cut.used);
    if (whole.result == CHUNK_DONE || whole.result == CHUNK_MORE)
        MUST(slice_equal(whole.body, cut.body) && whole.body.size <= MAX_BODY);
    end = size > 0 ? read_whole(text, expected, &expected_size) : 0;
    if (end > 0)
        MUST(whole.result == CHUNK_DONE && whole.used == end &&
             slice_equal(whole.body, (struct slice){expected, expected_size}));
    body_end(&first_body);
    body_end(&second_body);
    MUST(first_store.held == 0 && second_store.held == 0);
    entry_free(text);
    return 0;
}
