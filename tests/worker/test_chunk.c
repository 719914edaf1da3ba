/* SPDX-License-Identifier: MPL-2.0
 *
 * The strict chunked reader, with every body cut at every place, and in agreement with the parser library.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "worker/body.h"
#include "worker/chunk.h"
#include "worker/http.h"

#define MAX_BODY    20
#define MAX_TRAILER 40

static const struct {
    const char *bytes;
    enum chunk_result result;
    size_t used;      /* CHUNK_DONE only */
    const char *body; /* likewise */
} bodies[] = {
    {"0\r\n\r\nGET", CHUNK_DONE, 5, ""},
    {"5\r\nhello\r\n0\r\n\r\n", CHUNK_DONE, 15, "hello"},
    {"00005\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n", CHUNK_DONE, 36, "hello0123456789"},
    {"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", CHUNK_DONE, 23, "abc"},
    {"f\r\n0123456789abcde\r\n0\r\nX: y\r\nZ:\r\n\r\n", CHUNK_DONE, 35, "0123456789abcde"},
    {"5\r\nhello\r\n", CHUNK_MORE, 0, ""},
    {"5\r\nhello", CHUNK_MORE, 0, ""},
    {"", CHUNK_MORE, 0, ""},
    {"\r\n", CHUNK_BAD, 0, ""},
    {"g\r\n", CHUNK_BAD, 0, ""},
    {" 5\r\nhello\r\n", CHUNK_BAD, 0, ""},
    {"5 \r\nhello\r\n", CHUNK_BAD, 0, ""},
    {"0x5\r\nhello\r\n", CHUNK_BAD, 0, ""},
    {"+5\r\nhello\r\n", CHUNK_BAD, 0, ""},
    {"-5\r\nhello\r\n", CHUNK_BAD, 0, ""},
    {"5;a=b\r\nhello\r\n", CHUNK_BAD, 0, ""},
    {"5\nhello\r\n", CHUNK_BAD, 0, ""},
    {"5\rhello\r\n", CHUNK_BAD, 0, ""},
    {"5\r\r\nhello\r\n", CHUNK_BAD, 0, ""},
    {"5\r\nhelloX\r\n", CHUNK_BAD, 0, ""},
    {"5\r\nhello\n0\r\n\r\n", CHUNK_BAD, 0, ""},
    {"5\r\nhello\r0\r\n\r\n", CHUNK_BAD, 0, ""},
    {"00000000000000005\r\nhello\r\n", CHUNK_BAD, 0, ""},
    {"0\r\n\n", CHUNK_BAD, 0, ""},
    {"0\r\n\rX", CHUNK_BAD, 0, ""},
    {"0\r\nX: 1\rY", CHUNK_BAD, 0, ""},
    {"0\r\nX y: 1\r\n\r\n", CHUNK_BAD, 0, ""},
    {"0\r\n X: 1\r\n\r\n", CHUNK_BAD, 0, ""},
    {"0\r\n: 1\r\n\r\n", CHUNK_BAD, 0, ""},
    {"0\r\nX: \001\r\n\r\n", CHUNK_BAD, 0, ""},
    {"0\r\nX: 1\n\r\n", CHUNK_BAD, 0, ""},
    {"15\r\n", CHUNK_TOO_LARGE, 0, ""},
    {"ffffffffffffffff\r\n", CHUNK_TOO_LARGE, 0, ""},
    {"a\r\n0123456789\r\nb\r\n", CHUNK_TOO_LARGE, 0, ""},
    {"a\r\n0123456789\r\nffffffffffffffff\r\n", CHUNK_TOO_LARGE, 0, ""},
    {"0\r\nX: 0123456789012345678901234567890123456789\r\n\r\n", CHUNK_TRAILER_TOO_LARGE, 0, ""},
};

/* Feeds SIZE bytes that are gone afterwards, as those of a read are. */
static enum chunk_result feed(struct chunk *chunk, const char *bytes, size_t size, struct body *body, size_t *used)
{
    char *read = malloc(size + 1);
    enum chunk_result result;
    size_t more = 0;

    ck_assert_ptr_nonnull(read);
    memcpy(read, bytes, size);
    result = chunk_feed(chunk, read, size, MAX_BODY, MAX_TRAILER, body, &more);
    *used += more;
    ck_assert(body_keep(body));
    free(read);
    return result;
}

/* Feeds the first CUT bytes, then the rest. Returns the result, and the bytes used in all. */
static enum chunk_result feed_cut(const char *bytes, size_t cut, struct body *body, size_t *used)
{
    struct chunk chunk;
    enum chunk_result result;

    chunk_init(&chunk);
    result = feed(&chunk, bytes, cut, body, used);
    if (result != CHUNK_MORE)
        return result;
    ck_assert_uint_eq(*used, cut);
    return feed(&chunk, bytes + cut, strlen(bytes) - cut, body, used);
}

START_TEST(reads_bodies_cut_anywhere)
{
    for (size_t cut = 0; cut <= strlen(bodies[_i].bytes); cut++) {
        struct body_store store = {.most = 1 << 20};
        struct body body = {.store = NULL};
        size_t used = 0;

        body_begin(&body, &store);
        ck_assert_int_eq(feed_cut(bodies[_i].bytes, cut, &body, &used), bodies[_i].result);
        if (bodies[_i].result == CHUNK_DONE) {
            ck_assert_uint_eq(used, bodies[_i].used);
            ck_assert(slice_equal(body.bytes, slice_of(bodies[_i].body)));
        }
        body_end(&body);
        ck_assert_uint_eq(store.held, 0);
    }
}
END_TEST

/* Nobody wants it: nothing is kept, and nothing is lost. */
START_TEST(drops_what_nobody_wants)
{
    struct body body = {.store = NULL};
    size_t used = 0;

    body_begin(&body, NULL);
    ck_assert_int_eq(feed_cut("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 5, &body, &used), CHUNK_DONE);
    ck_assert_uint_eq(body.bytes.size, 0);
    ck_assert_ptr_null(body.own);
}
END_TEST

START_TEST(borrows_one_piece)
{
    static const char bytes[] = "5\r\nhello\r\n0\r\n\r\n";
    struct body_store store = {.most = 0}; /* no memory is needed */
    struct body body = {.store = NULL};
    struct chunk chunk;
    size_t used = 0;

    chunk_init(&chunk);
    body_begin(&body, &store);
    ck_assert_int_eq(chunk_feed(&chunk, bytes, sizeof(bytes) - 1, MAX_BODY, MAX_TRAILER, &body, &used), CHUNK_DONE);
    ck_assert_ptr_eq(body.bytes.data, bytes + 3);
    ck_assert_uint_eq(body.bytes.size, 5);
    body_end(&body);
}
END_TEST

START_TEST(is_bounded_over_all_bodies)
{
    struct body_store store = {.most = 3000};
    struct body first = {.store = NULL}, second = {.store = NULL};

    body_begin(&first, &store);
    body_begin(&second, &store);
    body_add(&first, "a", 1);
    ck_assert(body_keep(&first));
    ck_assert_uint_eq(store.held, 1024);
    for (int i = 0; i < 1024; i++)
        body_add(&second, "0123456789", 10);
    ck_assert(second.is_lost);
    ck_assert(!body_keep(&second));
    ck_assert_uint_le(store.held, store.most);
    body_end(&first);
    body_add(&second, "b", 1); /* once lost, always lost: a hole in the middle would be worse than no body */
    ck_assert(!body_keep(&second));
    body_end(&second);
    body_end(&second);
    ck_assert_uint_eq(store.held, 0);
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
    struct body body = {.store = NULL};
    size_t used;

    if (bodies[_i].result != CHUNK_DONE)
        return;
    ck_assert_int_eq(head_parse(bytes, sizeof(bytes) - 1, &limits, fields, &head), HEAD_COMPLETE);
    http_init(&http);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(http_begin(&http, &head, bytes), HTTP_MORE);
        ck_assert_int_eq(http_body(&http, bodies[_i].bytes, strlen(bodies[_i].bytes), MAX_BODY, &body, &used),
                         HTTP_DONE);
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
    struct body body = {.store = NULL};
    size_t used;

    ck_assert_int_eq(head_parse(bytes, sizeof(bytes) - 1, &limits, fields, &head), HEAD_COMPLETE);
    http_init(&http);
    ck_assert_int_eq(http_begin(&http, &head, bytes), HTTP_MORE);
    ck_assert_int_eq(http_body(&http, "he", 2, MAX_BODY, &body, &used), HTTP_MORE);
    ck_assert_uint_eq(used, 2);
    ck_assert_int_eq(http_body(&http, "lloGET", 6, MAX_BODY, &body, &used), HTTP_DONE);
    ck_assert_uint_eq(used, 3);
    ck_assert(http.keeps_alive);
    ck_assert_int_eq(http_begin(&http, &head, bytes), HTTP_MORE);
    ck_assert_int_eq(http_body(&http, "hello", 5, 4, &body, &used), HTTP_TOO_LARGE);
}
END_TEST

START_TEST(sizes_are_written_in_hexadecimal)
{
    static const struct {
        size_t size;
        const char *before;
    } cases[] = {{1, "1\r\n"}, {15, "f\r\n"}, {16, "10\r\n"}, {0xabc, "abc\r\n"}, {SIZE_MAX, "ffffffffffffffff\r\n"}};
    char prefix[CHUNK_PREFIX_SIZE];
    struct slice before, behind;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        chunk_frame((struct slice){"", cases[i].size}, false, prefix, &before, &behind);
        ck_assert(slice_equal(before, slice_of(cases[i].before)));
        ck_assert(slice_equal(behind, SLICE("\r\n")));
    }
}
END_TEST

START_TEST(frames_what_it_reads)
{
    static const size_t sizes[] = {0, 1, 5, 9};
    static const char text[] = "123456789";
    char prefix[CHUNK_PREFIX_SIZE], message[200];
    size_t size = 0, total = 0, used;
    struct body_store store = {.most = 3000};
    struct body body;
    struct chunk chunk;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct slice parts[3] = {{0}, {text, sizes[i]}, {0}};

        chunk_frame(parts[1], i == (size_t)_i, prefix, &parts[0], &parts[2]);
        for (size_t k = 0; k < 3; size += parts[k++].size)
            if (parts[k].size > 0)
                memcpy(message + size, parts[k].data, parts[k].size);
        total += sizes[i];
        if (i == (size_t)_i)
            break;
    }
    chunk_init(&chunk);
    body_begin(&body, &store);
    ck_assert_int_eq(chunk_feed(&chunk, message, size, MAX_BODY, MAX_TRAILER, &body, &used), CHUNK_DONE);
    ck_assert_uint_eq(used, size);
    ck_assert_uint_eq(body.bytes.size, total);
    body_end(&body);
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
    tcase_add_test(tcase, drops_what_nobody_wants);
    tcase_add_test(tcase, borrows_one_piece);
    tcase_add_test(tcase, is_bounded_over_all_bodies);
    tcase_add_test(tcase, counts_a_length);
    tcase_add_test(tcase, sizes_are_written_in_hexadecimal);
    tcase_add_loop_test(tcase, frames_what_it_reads, 0, 4);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
