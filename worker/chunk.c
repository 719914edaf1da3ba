/* SPDX-License-Identifier: MPL-2.0
 *
 * The strict chunked reader: a small state machine that takes chunk data in bulk. Takes the bytes behind a head, says
 * where the body ends or why it cannot be one, and adds its data to the body.
 */
#include "worker/chunk.h"

#include <stdbool.h>

#include "shm/hex_digit.h"
#include "worker/head.h"

#define MAX_SIZE_DIGITS 16

enum chunk_state {
    SIZE_DIGITS,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
};

void chunk_init(struct chunk *chunk)
{
    *chunk = (struct chunk){.state = SIZE_DIGITS};
}

static enum chunk_result take_size(struct chunk *chunk, unsigned char byte, uint64_t max_body)
{
    int digit = hex_digit((char)byte);

    if (digit >= 0) {
        if (chunk->digits == MAX_SIZE_DIGITS)
            return CHUNK_BAD;
        chunk->digits++;
        chunk->left = chunk->left << 4 | (unsigned)digit;
        return chunk->left > max_body - chunk->body_size ? CHUNK_TOO_LARGE : CHUNK_MORE;
    }
    if (byte != '\r' || chunk->digits == 0)
        return CHUNK_BAD;
    chunk->state = SIZE_LF;
    return CHUNK_MORE;
}

static enum chunk_result end_size(struct chunk *chunk, unsigned char byte)
{
    if (byte != '\n')
        return CHUNK_BAD;
    chunk->body_size += chunk->left;
    chunk->digits = 0;
    chunk->state = chunk->left > 0 ? DATA : TRAILER_START;
    return CHUNK_MORE;
}

static enum chunk_result expect_byte(struct chunk *chunk, bool is_right, enum chunk_state next)
{
    chunk->state = (uint8_t)next;
    return is_right ? CHUNK_MORE : CHUNK_BAD;
}

static enum chunk_result take_trailer_name(struct chunk *chunk, unsigned char byte, bool is_first)
{
    if (is_first && byte == '\r')
        return expect_byte(chunk, true, END_LF);
    if (byte == ':' && !is_first)
        return expect_byte(chunk, true, TRAILER_VALUE);
    return expect_byte(chunk, head_is_name_byte(byte), TRAILER_NAME);
}

static enum chunk_result take_byte(struct chunk *chunk, unsigned char byte, uint64_t max_body)
{
    switch ((enum chunk_state)chunk->state) {
    case SIZE_DIGITS:
        return take_size(chunk, byte, max_body);
    case SIZE_LF:
        return end_size(chunk, byte);
    case DATA_CR:
        return expect_byte(chunk, byte == '\r', DATA_LF);
    case DATA_LF:
        return expect_byte(chunk, byte == '\n', SIZE_DIGITS);
    case TRAILER_START:
        return take_trailer_name(chunk, byte, true);
    case TRAILER_NAME:
        return take_trailer_name(chunk, byte, false);
    case TRAILER_VALUE:
        if (byte == '\r')
            return expect_byte(chunk, true, TRAILER_LF);
        return expect_byte(chunk, head_is_value_byte(byte), TRAILER_VALUE);
    case TRAILER_LF:
        return expect_byte(chunk, byte == '\n', TRAILER_START);
    case END_LF:
        return byte == '\n' ? CHUNK_DONE : CHUNK_BAD;
    case DATA:
        break;
    }
    return CHUNK_BAD;
}

static size_t take_data(struct chunk *chunk, const char *data, size_t size, struct body *body)
{
    size_t taken = size < chunk->left ? size : (size_t)chunk->left;

    body_add(body, data, taken);
    chunk->left -= taken;
    if (chunk->left == 0)
        chunk->state = DATA_CR;
    return taken;
}

enum chunk_result chunk_feed(struct chunk *chunk, const char *data, size_t size, uint64_t max_body,
                             uint32_t max_trailer, struct body *body, size_t *used)
{
    size_t at = 0;

    while (at < size) {
        enum chunk_result result;

        if (chunk->state == DATA) {
            at += take_data(chunk, data + at, size - at, body);
            continue;
        }
        if (chunk->state >= TRAILER_START && ++chunk->trailer_bytes > max_trailer)
            return CHUNK_TRAILER_TOO_LARGE;
        result = take_byte(chunk, (unsigned char)data[at++], max_body);
        *used = at;
        if (result != CHUNK_MORE)
            return result;
    }
    *used = size;
    return CHUNK_MORE;
}

static struct slice write_size_line(char text[CHUNK_PREFIX_SIZE], size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = CHUNK_PREFIX_SIZE;

    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = digits[size & 15];
        size >>= 4;
    } while (size > 0);
    return (struct slice){text + at, CHUNK_PREFIX_SIZE - at};
}

void chunk_frame(struct slice piece, bool is_last, char prefix[CHUNK_PREFIX_SIZE], struct slice *before,
                 struct slice *behind)
{
    if (piece.size == 0) {
        *before = (struct slice){0};
        *behind = is_last ? SLICE("0\r\n\r\n") : (struct slice){0};
        return;
    }
    *before = write_size_line(prefix, piece.size);
    *behind = is_last ? SLICE("\r\n0\r\n\r\n") : SLICE("\r\n");
}
