/* SPDX-License-Identifier: MPL-2.0
 *
 * Streams of Bedrock: frames on one side, what was used on the other. Each row is read whole, cut in two at every byte, and byte by byte.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/meter.h"

#define MOST_PAYLOADS 4
#define ROOM          4096

#define DELTA "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"12345678\"},\"p\":\"abcdefghijk\"}"
#define START                                                             \
    "{\"type\":\"message_start\",\"message\":{\"model\":\"c\",\"usage\":{" \
    "\"input_tokens\":3,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}"
#define BLOCK "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"12345678\"}}"

/* What is done to the frames before they are read. */
enum change { AS_IT_IS, WRAPPED, BROKEN_OFF, NOT_FRAMES, TOO_SMALL, TOO_LARGE };

static const struct row {
    const char *about;
    const char *payloads[MOST_PAYLOADS];
    enum change change;
    bool is_uncounted;
    const char *usage;
} rows[] = {
    {"Converse",
     {"{\"role\":\"assistant\"}", DELTA, "{\"stopReason\":\"end_turn\"}",
      "{\"metrics\":{\"latencyMs\":9},\"usage\":{\"inputTokens\":2,\"outputTokens\":7,\"totalTokens\":16,\"cacheReadInputTokens\":4,"
      "\"cacheWriteInputTokens\":3}}"}, AS_IT_IS, false, "told=1 in=9 cached=4 write=3 out=7"},
    {"the client leaves before the end", {DELTA, DELTA}, AS_IT_IS, false, "told=0 in=50 cached=0 write=0 out=4"},
    {"streams are not counted", {DELTA, DELTA}, AS_IT_IS, true, "reserved"},
    {"in the middle of a text", {DELTA, DELTA}, BROKEN_OFF, false, "told=0 in=50 cached=0 write=0 out=3"},
    {"a model's own JSON, wrapped",
     {START, BLOCK, "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":6}}",
      "{\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":3,\"outputTokenCount\":7,"
      "\"cacheReadInputTokenCount\":4}}"}, WRAPPED, false, "told=1 in=7 cached=4 write=0 out=7"},
    {"likewise, and the client leaves", {START, BLOCK}, WRAPPED, false, "told=1 in=7 cached=4 write=0 out=2"},
    {"empty payloads, and some that only begin like a wrapped one",
     {"", "{\"b", "{\"bytes\":9,\"delta\":{\"text\":\"1234\"}}", DELTA}, AS_IT_IS, false,
     "told=0 in=50 cached=0 write=0 out=3"},
    {"what is in the wrapping is no Base64", {"{\"bytes\":\"\\u0041=-_!\",\"delta\":{\"text\":\"1234\"}}", DELTA}, AS_IT_IS, false,
     "told=0 in=50 cached=0 write=0 out=2"},
    {"no frames", {DELTA}, NOT_FRAMES, false, "reserved"},
    {"a frame smaller than its headers", {DELTA}, TOO_SMALL, false, "reserved"},
    {"a frame larger than any", {DELTA}, TOO_LARGE, false, "reserved"},
};

static size_t add_number(unsigned char *at, size_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(number >> (24 - 8 * i));
    return 4;
}

static size_t wrap(const char *text, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = strlen(text), used = (size_t)snprintf(out, ROOM, "{\"bytes\":\"");

    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;

        bits |= i + 1 < size ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < size ? (uint32_t)(unsigned char)text[i + 2] : 0;
        for (size_t j = 0; j < 4; j++)
            out[used++] = i + j > size ? '=' : digits[bits >> (18 - 6 * j) & 63];
    }
    return used + (size_t)snprintf(out + used, ROOM - used, "\",\"p\":\"abcd\"}");
}

static size_t add_frame(unsigned char *at, const char *payload, bool is_wrapped)
{
    static const char headers[] = "\13:event-type\7\0\5chunk";
    char text[ROOM];
    size_t size = is_wrapped ? wrap(payload, text) : (size_t)snprintf(text, sizeof(text), "%s", payload);
    size_t used = add_number(at, 16 + sizeof(headers) - 1 + size);

    used += add_number(at + used, sizeof(headers) - 1);
    used += add_number(at + used, 0x05c248eb);
    memcpy(at + used, headers, sizeof(headers) - 1);
    used += sizeof(headers) - 1;
    memcpy(at + used, text, size);
    used += size;
    return used + add_number(at + used, 0x7d98c8ff);
}

static size_t make(const struct row *row, unsigned char *bytes)
{
    size_t size = 0;

    for (int i = 0; i < MOST_PAYLOADS && row->payloads[i]; i++)
        size += add_frame(bytes + size, row->payloads[i], row->change == WRAPPED);
    switch (row->change) {
    case BROKEN_OFF:
        return size - 30;
    case NOT_FRAMES:
        return (size_t)snprintf((char *)bytes, ROOM, "data: %s\n\n", DELTA);
    case TOO_SMALL:
        add_number(bytes, 20);
        break;
    case TOO_LARGE:
        add_number(bytes, 0xffffffff);
        break;
    case AS_IT_IS:
    case WRAPPED:
        break;
    }
    return size;
}

static void read_in_pieces(const struct row *row, struct slice bytes, size_t first, size_t step)
{
    const struct verdict_metering wants = {.is_metered = true, .prompt = 50, .completion = 1000, .counts_streams = !row->is_uncounted,
                                           .cuts_streams = true};
    char got[256] = "reserved";
    bool is_told, clamped;
    struct meter meter;
    struct usage usage;

    meter_init(&meter, &wants, NULL, NULL);
    ck_assert(!meter_head(&meter, 200, SLICE("application/vnd.amazon.eventstream"), METER_OPEN));
    for (size_t at = 0, size = first; at < bytes.size; at += size, size = step) {
        size_t piece = size < bytes.size - at ? size : bytes.size - at;
        char *copy = malloc(piece > 0 ? piece : 1);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes.data + at, piece);
        if (piece > 0)
            ck_assert(meter_take(&meter, (struct slice){copy, piece}, NULL) == METER_SAME);
        free(copy);
    }
    if (meter_usage(&meter, false, &usage, &is_told, &clamped))
        snprintf(got, sizeof(got), "told=%d in=%" PRId64 " cached=%" PRId64 " write=%" PRId64 " out=%" PRId64, is_told, usage.in_total,
                 usage.in_cached, usage.in_cache_write, usage.out_total);
    ck_assert_msg(!strcmp(got, row->usage), "%s, pieces of %zu and %zu: expected %s, got %s", row->about, first, step, row->usage, got);
    meter_fini(&meter);
}

START_TEST(frames_are_read)
{
    static unsigned char bytes[MOST_PAYLOADS * ROOM];
    size_t size = make(&rows[_i], bytes);
    struct slice all = {(const char *)bytes, size};

    for (size_t cut = 0; cut <= size; cut++)
        read_in_pieces(&rows[_i], all, cut, size);
    read_in_pieces(&rows[_i], all, 1, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker/eventstream");
    TCase *tests = tcase_create("eventstream");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, frames_are_read, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
