/* SPDX-License-Identifier: MPL-2.0
 *
 * Response heads: each row is a head and what it comes to, read whole, byte by byte, and never beyond its end.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/response.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define OK            "HTTP/1.1 200 OK\r\n"

static const char *const framings[] = {"bodyless", "counted", "chunked", "connection"};

static const struct {
    const char *head;
    const char *expected; /* status, framing, content length, keep-alive or close; or the cause of a refusal. HEAD: the
                             response answers one */
} rows[] = {
    {OK "\r\n", "200 connection 0 close"},
    {OK "Content-Length: 5\r\n\r\n", "200 counted 5 keep"},
    {OK "content-length:\t7 \t\r\n\r\n", "200 counted 7 keep"},
    {OK "Content-Length: 0\r\n\r\n", "200 bodyless 0 keep"},
    {OK "Content-Length: 5\r\n\r\n", "HEAD: 200 bodyless 5 keep"},
    {OK "Transfer-Encoding: chunked\r\n\r\n", "HEAD: 200 bodyless 0 keep"},
    {OK "Transfer-Encoding: Chunked\r\n\r\n", "200 chunked 0 keep"},
    {OK "Content-Length: 5\r\nConnection: close\r\n\r\n", "200 counted 5 close"},
    {OK "Content-Length: 5\r\nConnection: a, Close\r\n\r\n", "200 counted 5 close"},
    {OK "Content-Length: 5\r\nConnection: Keep-Alive\r\n\r\n", "200 counted 5 keep"},
    {OK "Content-Length: 5\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", "200 counted 5 close"},
    {OK "Content-Length: 5\r\nConnection: closed\r\n\r\n", "200 counted 5 keep"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "200 counted 5 close"},
    {"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n", "200 counted 1 keep"},
    {"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", "200 counted 1 keep"},
    {"HTTP/1.1 204 No Content\r\n\r\n", "204 bodyless 0 keep"},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 bodyless 9 keep"},
    {"HTTP/1.1 100 Continue\r\n\r\n", "100 bodyless 0 keep"},
    {"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "101 bodyless 0 close"},
    {"HTTP/1.1 599 x\r\nContent-Length: 2\r\n\r\n", "599 counted 2 keep"},
    {"HTTP/1.1 099 x\r\n\r\n", "a status that is not from 100 to 599"},
    {"HTTP/1.1 600 x\r\n\r\n", "a status that is not from 100 to 599"},
    {"HTTP/1.1 20 x\r\n\r\n", "a status that is no number of three digits"},
    {"HTTP/1.1 2000 x\r\n\r\n", "a status line with a strange reason"},
    {"HTTP/1.1 200 a\001b\r\n\r\n", "a status line with a strange reason"},
    {"HTTP/2.0 200 OK\r\n\r\n", "no status line of HTTP/1.0 or HTTP/1.1"},
    {"HTTP/1.1  200 OK\r\n\r\n", "a status that is no number of three digits"},
    {"http/1.1 200 OK\r\n\r\n", "no status line of HTTP/1.0 or HTTP/1.1"},
    {"ICY 200 OK\r\n\r\n", "no status line of HTTP/1.0 or HTTP/1.1"},
    {"\r\n" OK "\r\n", "no status line of HTTP/1.0 or HTTP/1.1"},
    {"HTTP/1.1 200 OK\n\n", "a line that does not end in CRLF"},
    {OK "A: b\n\r\n", "a line that does not end in CRLF"},
    {OK "A\n: b\r\n\r\n", "a line that does not end in CRLF"},
    {OK " A: b\n\r\n", "a line that does not end in CRLF"},
    {OK "\rA: b\r\n\r\n", "a field whose name is no token"},
    {OK "\r\r\n", "a field without a colon"},
    {OK "A: b\r\r\n\r\n", "a field with a control byte in its value"},
    {OK "A: b\r\n c\r\n\r\n", "a field that is folded over several lines"},
    {OK " A: b\r\n\r\n", "a field that is folded over several lines"},
    {OK "A : b\r\n\r\n", "a field whose name is no token"},
    {OK ": b\r\n\r\n", "a field whose name is no token"},
    {OK "A\r\n\r\n", "a field without a colon"},
    {OK "A: b\001\r\n\r\n", "a field with a control byte in its value"},
    {OK "A: b\rc\r\n\r\n", "a field with a control byte in its value"},
    {OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "more than one Content-Length"},
    {OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "more than one Content-Length"},
    {OK "Content-Length: 5, 5\r\n\r\n", "a Content-Length that has not 1 to 18 digits"},
    {OK "Content-Length: +5\r\n\r\n", "a Content-Length that has not 1 to 18 digits"},
    {OK "Content-Length: -1\r\n\r\n", "a Content-Length that has not 1 to 18 digits"},
    {OK "Content-Length: 0x5\r\n\r\n", "a Content-Length that has not 1 to 18 digits"},
    {OK "Content-Length:\r\n\r\n", "a Content-Length that has not 1 to 18 digits"},
    {OK "Content-Length: 1234567890123456789\r\n\r\n", "a Content-Length that has not 1 to 18 digits"},
    {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "both Transfer-Encoding and Content-Length"},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "a Transfer-Encoding other than chunked"},
    {OK "Transfer-Encoding: identity\r\n\r\n", "a Transfer-Encoding other than chunked"},
    {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "a Transfer-Encoding other than chunked"},
    {OK "Transfer-Encoding: \013chunked\r\n\r\n", "a field with a control byte in its value"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "a Transfer-Encoding, which HTTP/1.0 has not"},
};

static struct response_room room;

static void describe(enum response_result result, const struct response *response, char text[128])
{
    if (result == RESPONSE_INCOMPLETE)
        snprintf(text, 128, "incomplete");
    else if (result == RESPONSE_REFUSED)
        snprintf(text, 128, "%s", response->cause);
    else
        snprintf(text, 128, "%u %s %llu %s", response->status, framings[response->framing],
                 (unsigned long long)response->content_length, response->keeps_alive ? "keep" : "close");
}

START_TEST(reads_a_head)
{
    size_t size = strlen(rows[_i].head);
    char *exact = malloc(size); /* so that a sanitizer sees what is read beyond it */
    struct response response;
    char text[128];
    bool is_head = strncmp(rows[_i].expected, "HEAD: ", 6) == 0;
    const char *expected = rows[_i].expected + (is_head ? 6 : 0);
    bool is_refused = expected[0] > '9';

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, rows[_i].head, size);
    describe(response_parse((struct slice){exact, size}, is_head, &room, &response), &response, text);
    ck_assert_str_eq(text, expected);
    if (!is_refused)
        ck_assert_uint_eq(response.size, size);
    for (size_t cut = 0; cut < size; cut++) {
        char *part = malloc(cut + 1);

        ck_assert_ptr_nonnull(part);
        memcpy(part, exact, cut);
        describe(response_parse((struct slice){part, cut}, is_head, &room, &response), &response, text);
        ck_assert_msg(!strcmp(text, "incomplete") || (is_refused && !strcmp(text, expected)),
                      "the first %zu bytes came to: %s", cut, text);
        free(part);
    }
    free(exact);
}
END_TEST

START_TEST(refuses_what_is_too_large)
{
    char *head = malloc(RESPONSE_MAX_BYTES + 1);
    struct response response;
    size_t used;

    ck_assert_ptr_nonnull(head);
    used = (size_t)snprintf(head, RESPONSE_MAX_BYTES, OK);
    for (int i = 0; i < RESPONSE_MAX_FIELDS; i++)
        used += (size_t)snprintf(head + used, RESPONSE_MAX_BYTES - used, "A: b\r\n");
    memcpy(head + used, "\r\n", 2);
    ck_assert_int_eq(response_parse((struct slice){head, used + 2}, false, &room, &response), RESPONSE_COMPLETE);
    memcpy(head + used, "A: b\r\n", 6);
    ck_assert_int_eq(response_parse((struct slice){head, used + 6}, false, &room, &response), RESPONSE_REFUSED);
    memset(head + used, 'a', RESPONSE_MAX_BYTES - used);
    used -= 6;
    ck_assert_int_eq(response_parse((struct slice){head, RESPONSE_MAX_BYTES - 1}, false, &room, &response),
                     RESPONSE_INCOMPLETE);
    ck_assert_int_eq(response_parse((struct slice){head, RESPONSE_MAX_BYTES}, false, &room, &response),
                     RESPONSE_REFUSED);
    free(head);
}
END_TEST

START_TEST(finds_values_and_lists)
{
    struct slice head = SLICE(OK "Connection: a\r\nX: 1\r\nConnection: b ,C\r\nContent-Length: 1\r\n\r\n");
    struct response response;

    ck_assert_int_eq(response_parse(head, false, &room, &response), RESPONSE_COMPLETE);
    ck_assert(response_is_listed(&response, SLICE("A")) && response_is_listed(&response, SLICE("c")));
    ck_assert(!response_is_listed(&response, SLICE("x")));
    ck_assert(slice_equal(response_value(&response, RESPONSE_FIELD_connection), SLICE("a")));
    ck_assert_ptr_null(response_value(&response, RESPONSE_FIELD_upgrade).data);
}
END_TEST

static const struct {
    const char *fields;
    uint32_t ms;
} idles[] = {
    {"", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: max=100\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: timeout=5\r\n", 4000},
    {"Keep-Alive: timeout=5, max=100\r\n", 4000},
    {"keep-alive: max=100,timeout=75\r\n", 74000},
    {"Keep-Alive: timeout=2\r\n", 1000},
    {"Keep-Alive: timeout=1\r\n", 500},
    {"Keep-Alive: timeout=0\r\n", 0},
    {"Keep-Alive: timeout=\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: timeout=-1\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: Timeout = 5 , max=9\r\n", 4000},
    {"Keep-Alive: max=9,, timeout=\"5\"\r\n", 4000},
    {"Keep-Alive: timeout=\"\"\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: timeout=\"\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: timeout=\"5\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: timeout\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: timeout, max=5\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: xtimeout=5\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: xtimeout=1, timeout=5\r\n", 4000},
    {"Keep-Alive: max=1, idle-timeout=1\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: timeout=5x\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: note=timeout=1\r\n", RESPONSE_IDLE_UNTOLD},
    {"Keep-Alive: timeout=75, timeout=5\r\n", 4000},
    {"Keep-Alive: timeout=75\r\nX: timeout=1\r\nKeep-Alive: timeout=5\r\n", 4000},
    {"Keep-Alive: timeout=99999999999999999999\r\n", 99999000},
};

START_TEST(knows_how_long_a_connection_may_be_idle)
{
    char text[256];
    struct response response;
    int size = snprintf(text, sizeof(text), OK "%s\r\n", idles[_i].fields);

    ck_assert_int_eq(response_parse((struct slice){text, (size_t)size}, false, &room, &response), RESPONSE_COMPLETE);
    ck_assert_uint_eq(response.idle_ms, idles[_i].ms);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("response");
    TCase *cases = tcase_create("response");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(cases, reads_a_head, 0, LENGTH(rows));
    tcase_add_test(cases, refuses_what_is_too_large);
    tcase_add_test(cases, finds_values_and_lists);
    tcase_add_loop_test(cases, knows_how_long_a_connection_may_be_idle, 0, LENGTH(idles));
    suite_add_tcase(suite, cases);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
