/* SPDX-License-Identifier: MPL-2.0
 *
 * The strict chunked reader, with every body cut at every place, and in agreement with the parser library.
 */
#include <check.h>
#include <stdlib.h>

#include "worker/chunk.h"
#include "worker/http.h"

#define MAX_BODY    20
#define MAX_TRAILER 40

static const struct {
    const char *bytes;
    enum chunk_result result;
    size_t used; /* CHUNK_DONE only */
} bodies[] = {
    {"0\r\n\r\nGET", CHUNK_DONE, 5},
    {"5\r\nhello\r\n0\r\n\r\n", CHUNK_DONE, 15},
    {"00005\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n", CHUNK_DONE, 36},
    {"f\r\n0123456789abcde\r\n0\r\nX: y\r\nZ:\r\n\r\n", CHUNK_DONE, 35},
    {"5\r\nhello\r\n", CHUNK_MORE, 0},
    {"5\r\nhello", CHUNK_MORE, 0},
    {"", CHUNK_MORE, 0},
    {"\r\n", CHUNK_BAD, 0},
    {"g\r\n", CHUNK_BAD, 0},
    {" 5\r\nhello\r\n", CHUNK_BAD, 0},
    {"5 \r\nhello\r\n", CHUNK_BAD, 0},
    {"0x5\r\nhello\r\n", CHUNK_BAD, 0},
    {"+5\r\nhello\r\n", CHUNK_BAD, 0},
    {"-5\r\nhello\r\n", CHUNK_BAD, 0},
    {"5;a=b\r\nhello\r\n", CHUNK_BAD, 0},
    {"5\nhello\r\n", CHUNK_BAD, 0},
    {"5\rhello\r\n", CHUNK_BAD, 0},
    {"5\r\r\nhello\r\n", CHUNK_BAD, 0},
    {"5\r\nhelloX\r\n", CHUNK_BAD, 0},
    {"5\r\nhello\n0\r\n\r\n", CHUNK_BAD, 0},
    {"5\r\nhello\r0\r\n\r\n", CHUNK_BAD, 0},
    {"00000000000000005\r\nhello\r\n", CHUNK_BAD, 0},
    {"0\r\n\n", CHUNK_BAD, 0},
    {"0\r\nX y: 1\r\n\r\n", CHUNK_BAD, 0},
    {"0\r\n X: 1\r\n\r\n", CHUNK_BAD, 0},
    {"0\r\n: 1\r\n\r\n", CHUNK_BAD, 0},
    {"0\r\nX: \001\r\n\r\n", CHUNK_BAD, 0},
    {"0\r\nX: 1\n\r\n", CHUNK_BAD, 0},
    {"15\r\n", CHUNK_TOO_LARGE, 0},
    {"ffffffffffffffff\r\n", CHUNK_TOO_LARGE, 0},
    {"a\r\n0123456789\r\nb\r\n", CHUNK_TOO_LARGE, 0},
    {"a\r\n0123456789\r\nffffffffffffffff\r\n", CHUNK_TOO_LARGE, 0},
    {"0\r\nX: 0123456789012345678901234567890123456789\r\n\r\n", CHUNK_TRAILER_TOO_LARGE, 0},
};

/* Feeds the first CUT bytes, then the rest. Returns the result, and the bytes used in all. */
static enum chunk_result feed_cut(const char *bytes, size_t cut, size_t *used)
{
    struct chunk chunk;
    enum chunk_result result;
    size_t size = strlen(bytes), more = 0;

    chunk_init(&chunk);
    result = chunk_feed(&chunk, bytes, cut, MAX_BODY, MAX_TRAILER, used);
    if (result != CHUNK_MORE)
        return result;
    ck_assert_uint_eq(*used, cut);
    result = chunk_feed(&chunk, bytes + cut, size - cut, MAX_BODY, MAX_TRAILER, &more);
    *used += more;
    return result;
}

START_TEST(reads_bodies_cut_anywhere)
{
    for (size_t cut = 0; cut <= strlen(bodies[_i].bytes); cut++) {
        size_t used = 0;

        ck_assert_int_eq(feed_cut(bodies[_i].bytes, cut, &used), bodies[_i].result);
        if (bodies[_i].result == CHUNK_DONE)
            ck_assert_uint_eq(used, bodies[_i].used);
    }
}
END_TEST

/* What the strict reader takes whole, the library ends at the same byte: http_body refuses if not. */
START_TEST(agrees_with_the_library)
{
    static const char bytes[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const struct head_limits limits = {.bytes = 1024, .fields = 4};
    struct fact_field fields[4];
    struct head head;
    struct http http;
    size_t used;

    if (bodies[_i].result != CHUNK_DONE)
        return;
    ck_assert_int_eq(head_parse(bytes, sizeof(bytes) - 1, &limits, fields, &head), HEAD_COMPLETE);
    http_init(&http);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(http_begin(&http, &head, bytes), HTTP_MORE);
        ck_assert_int_eq(http_body(&http, bodies[_i].bytes, strlen(bodies[_i].bytes), MAX_BODY, &used), HTTP_DONE);
        ck_assert_uint_eq(used, bodies[_i].used);
        ck_assert(http.keeps_alive);
    }
}
END_TEST

START_TEST(counts_a_length)
{
    static const char bytes[] =
        "POST / HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive, Upgrade\r\nUpgrade: x\r\n\r\n";
    static const struct head_limits limits = {.bytes = 1024, .fields = 4};
    struct fact_field fields[4];
    struct head head;
    struct http http;
    size_t used;

    ck_assert_int_eq(head_parse(bytes, sizeof(bytes) - 1, &limits, fields, &head), HEAD_COMPLETE);
    http_init(&http);
    ck_assert_int_eq(http_begin(&http, &head, bytes), HTTP_MORE);
    ck_assert_int_eq(http_body(&http, "he", 2, MAX_BODY, &used), HTTP_MORE);
    ck_assert_uint_eq(used, 2);
    ck_assert_int_eq(http_body(&http, "lloGET", 6, MAX_BODY, &used), HTTP_DONE);
    ck_assert_uint_eq(used, 3);
    ck_assert(http.keeps_alive);
    ck_assert_int_eq(http_begin(&http, &head, bytes), HTTP_MORE);
    ck_assert_int_eq(http_body(&http, "hello", 5, 4, &used), HTTP_TOO_LARGE);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("chunk");
    Suite *suite = suite_create("worker/chunk");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, reads_bodies_cut_anywhere, 0, (int)(sizeof(bodies) / sizeof(bodies[0])));
    tcase_add_loop_test(tcase, agrees_with_the_library, 0, (int)(sizeof(bodies) / sizeof(bodies[0])));
    tcase_add_test(tcase, counts_a_length);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
