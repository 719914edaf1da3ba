/* SPDX-License-Identifier: MPL-2.0
 *
 * The strict head reader: what it takes apart, what it refuses and how, and that it never looks beyond what it was
 * given. The refusals are also tried over a socket: tests/worker/http/.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/head.h"

#define MAX_FIELDS 4

static const struct head_limits limits = {.bytes = 256, .fields = MAX_FIELDS};

struct refusal {
    const char *bytes;
    uint16_t status;
};

static const struct refusal refusals[] = {
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \001\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \177\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\303\274: 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: \r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [:/:]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:8 0\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400},
    {"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\303\274 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\001 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/11\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1./\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.:\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\n", 505},
    {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"AMETHODTHATNEVERENDS", 501},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1234567890123456789\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\n\r\n", 501},
    {"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", 431},
};

/* Parses a copy that ends where the bytes end, so that the address sanitizer sees a look beyond. */
static enum head_result parse(const char *bytes, size_t size, struct head *head)
{
    static struct fact_field fields[MAX_FIELDS];
    char *copy = malloc(size ? size : 1);
    enum head_result result;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    result = head_parse(copy, size, &limits, fields, head);
    free(copy);
    return result;
}

START_TEST(refuses)
{
    const struct refusal *refusal = &refusals[_i];
    struct head head;

    ck_assert_int_eq(parse(refusal->bytes, strlen(refusal->bytes), &head), HEAD_REFUSED);
    ck_assert_msg(head.status == refusal->status, "%s: %d instead of %d", refusal->bytes, head.status, refusal->status);
    ck_assert_ptr_nonnull(head.cause);
}
END_TEST

/* However the bytes of a refused head are cut, a prefix is incomplete or refused with the same status, never taken. */
START_TEST(refuses_in_pieces)
{
    const struct refusal *refusal = &refusals[_i];
    struct head head;

    for (size_t size = 0; size <= strlen(refusal->bytes); size++) {
        enum head_result result = parse(refusal->bytes, size, &head);

        ck_assert_int_ne(result, HEAD_COMPLETE);
        if (result == HEAD_REFUSED)
            ck_assert_int_eq(head.status, refusal->status);
    }
}
END_TEST

static void expect_slice(struct slice slice, const char *text)
{
    ck_assert_msg(slice_equal(slice, slice_of(text)), "'%.*s' instead of '%s'", (int)slice.size, slice.data, text);
}

START_TEST(takes_apart)
{
    static const char bytes[] = "\r\nPOST /a?b HTTP/1.1\r\nhOsT:\t a:80 \t\r\nX-Forwarded-For: 1.2.3.4\r\n"
                                "x-forwarded-for:2.3.4.5\r\nContent-Length: 007\r\n\r\nrest";
    struct fact_field fields[MAX_FIELDS];
    struct head head;

    for (size_t size = 0; size < sizeof(bytes) - 5; size++)
        ck_assert_int_eq(parse(bytes, size, &head), HEAD_INCOMPLETE);
    ck_assert_int_eq(head_parse(bytes, sizeof(bytes) - 1, &limits, fields, &head), HEAD_COMPLETE);
    ck_assert_uint_eq(head.size, sizeof(bytes) - 5);
    expect_slice(head.method, "POST");
    expect_slice(head.target, "/a?b");
    expect_slice(head.host, "a:80");
    ck_assert_uint_eq(head.field_count, 4);
    expect_slice(head.fields[0].name, "hOsT");
    expect_slice(head_value(&head, HEAD_FIELD_forwarded_for), "1.2.3.4");
    ck_assert(head_is_repeated(&head, HEAD_FIELD_forwarded_for));
    ck_assert(!head_has(&head, HEAD_FIELD_expect));
    ck_assert_ptr_null(head_value(&head, HEAD_FIELD_expect).data);
    ck_assert_uint_eq(head.content_length, 7);
    ck_assert_int_eq(head.minor, 1);
    ck_assert(!head.is_chunked);
}
END_TEST

START_TEST(takes_absolute_targets)
{
    static const char *const behind[] = {"", "/", "?q", "#f"};
    struct fact_field fields[MAX_FIELDS];
    struct head head;

    for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
        char bytes[100];
        int size = snprintf(bytes, sizeof(bytes), "GET HTTP://b.example:8080%s HTTP/1.1\r\nHost: a\r\n\r\n", behind[i]);

        ck_assert_int_eq(head_parse(bytes, (size_t)size, &limits, fields, &head), HEAD_COMPLETE);
        expect_slice(head.host, "b.example:8080");
    }
}
END_TEST

START_TEST(ignores_an_old_expectation)
{
    static const char bytes[] = "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n";
    struct fact_field fields[MAX_FIELDS];
    struct head head;

    ck_assert_int_eq(head_parse(bytes, sizeof(bytes) - 1, &limits, fields, &head), HEAD_COMPLETE);
    ck_assert(!head.expects_continue && !head.is_expectation_unknown);
    ck_assert_uint_eq(head.host.size, 0);
}
END_TEST

START_TEST(knows_one_expectation_and_once)
{
    static const struct {
        const char *lines;
        bool expects_continue;
    } cases[] = {
        {"Expect: 100-Continue\r\n", true},
        {"Expect: 100-continue\r\nExpect: 100-continue\r\n", false},
        {"Expect: 100-continue, x\r\n", false},
        {"Expect:\r\n", false},
    };
    struct fact_field fields[MAX_FIELDS];
    struct head head;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bytes[200];
        int size = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].lines);

        ck_assert_int_eq(head_parse(bytes, (size_t)size, &limits, fields, &head), HEAD_COMPLETE);
        ck_assert_int_eq(head.expects_continue, cases[i].expects_continue);
        ck_assert_int_eq(head.is_expectation_unknown, !cases[i].expects_continue);
    }
}
END_TEST

/* A head as long as the limit is taken, one byte more is not. */
START_TEST(keeps_the_limit)
{
    char bytes[512];
    struct head head;
    size_t start = (size_t)snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\nX: ");

    memset(bytes + start, 'x', limits.bytes);
    memcpy(bytes + limits.bytes - 4, "\r\n\r\n", 4);
    ck_assert_int_eq(parse(bytes, limits.bytes, &head), HEAD_COMPLETE);
    ck_assert_uint_eq(head.size, limits.bytes);
    memset(bytes + limits.bytes - 4, 'x', 4);
    memcpy(bytes + limits.bytes - 3, "\r\n\r\n", 4);
    ck_assert_int_eq(parse(bytes, limits.bytes - 1, &head), HEAD_INCOMPLETE);
    ck_assert_int_eq(parse(bytes, limits.bytes + 1, &head), HEAD_REFUSED);
    ck_assert_int_eq(head.status, 431);
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "GET /", 5);
    ck_assert_int_eq(parse(bytes, sizeof(bytes), &head), HEAD_REFUSED);
    ck_assert_int_eq(head.status, 414);
}
END_TEST

/* ---- every byte in every place, as RFC 9110 and RFC 3986 word it --------------------------------------------------
 */

#define RUN 26 /* longer than what is scanned at once, three times */

static bool is_token_byte(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte));
}

static bool is_allowed(char place, int byte, size_t at)
{
    if (place == 'n') /* a colon ends the name, unless it is the first byte */
        return is_token_byte(byte) || (byte == ':' && at > 0);
    if (place == 't')
        return byte >= 0x21 && byte <= 0x7e;
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

/* Puts BYTE to offset AT of a name, a value or a target and says whether that is taken. */
static bool is_taken(char place, int byte, size_t at)
{
    char name[RUN + 1] = "", value[RUN + 1] = "", target[RUN + 1] = "", bytes[200];
    char *changed = place == 'n' ? name : place == 't' ? target : value;
    struct head head;
    size_t size;

    memset(name, 'n', RUN);
    memset(value, 'v', RUN);
    memset(target, 't', RUN);
    size = (size_t)snprintf(bytes, sizeof(bytes), "GET /%s HTTP/1.1\r\nHost: a\r\n%s:%s\r\n\r\n", target, name, value);
    *(strstr(bytes, changed) + at) = (char)byte;
    return parse(bytes, size, &head) == HEAD_COMPLETE;
}

START_TEST(takes_the_right_bytes)
{
    static const char places[] = "ntv";

    for (const char *place = places; *place; place++)
        for (size_t at = 0; at < RUN; at++)
            ck_assert_msg(is_taken(*place, _i, at) == is_allowed(*place, _i, at), "byte %02x at %zu of %c", _i, at,
                          *place);
}
END_TEST

/* ---- known fields ----------------------------------------------------------------------------------------------- */

static const char *const known[] = {
#define FIELD(symbol, name) name,
#include "worker/head_fields.def"
#undef FIELD
};

static bool is_found(const char *name, enum head_field field)
{
    static struct fact_field fields[MAX_FIELDS];
    char bytes[200];
    struct head head;
    int size = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.0\r\n%s: a\r\n\r\n", name);

    /* What some fields say together may be refused; it was found before. */
    head_parse(bytes, (size_t)size, &limits, fields, &head);
    return head.first[field] == 1;
}

START_TEST(finds_known_fields)
{
    char name[64];

    ck_assert(is_found(known[_i], (enum head_field)_i));
    for (size_t at = 0; at < strlen(known[_i]); at++) {
        snprintf(name, sizeof(name), "%s", known[_i]);
        if (name[at] != '-') {
            name[at] = (char)(name[at] ^ 0x20);
            ck_assert(is_found(name, (enum head_field)_i));
        }
        name[at] = name[at] == 'q' || name[at] == 'Q' ? 'k' : 'q';
        ck_assert(!is_found(name, (enum head_field)_i));
        memmove(name + at, name + at + 1, strlen(name + at));
        ck_assert(!is_found(name, (enum head_field)_i));
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("head");
    Suite *suite = suite_create("worker/head");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, refuses, 0, (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_loop_test(tcase, refuses_in_pieces, 0, (int)(sizeof(refusals) / sizeof(refusals[0])));
    tcase_add_test(tcase, takes_apart);
    tcase_add_test(tcase, takes_absolute_targets);
    tcase_add_test(tcase, ignores_an_old_expectation);
    tcase_add_test(tcase, knows_one_expectation_and_once);
    tcase_add_test(tcase, keeps_the_limit);
    tcase_add_loop_test(tcase, takes_the_right_bytes, 0, 256);
    tcase_add_loop_test(tcase, finds_known_fields, 0, HEAD_FIELD_COUNT);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
