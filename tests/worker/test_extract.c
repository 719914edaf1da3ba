/* SPDX-License-Identifier: MPL-2.0
 *
 * From heads to facts: whose request it is, which endpoint it names, and what the original request was.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/path.h"
#include "worker/extract.h"

#define MAX_FIELDS 16

static char bytes[4096];
static struct fact_field fields[MAX_FIELDS];
static struct head head;
static struct settings settings;

static void setup(void)
{
    static const char *const trusted[] = {"127.0.0.0/8", "::1/128", "10.0.0.0/8"};

    settings = (struct settings){.trusted_unix = true, .trusted_count = 3};
    for (size_t i = 0; i < 3; i++)
        ck_assert(address_parse_network(slice_of(trusted[i]), &settings.trusted[i]));
}

/* Reads a request line and field lines, which are given with LF line ends. */
static void parse(const char *lines)
{
    static const struct head_limits limits = {.bytes = sizeof(bytes), .fields = MAX_FIELDS};
    size_t size = 0;

    for (; *lines; lines++) {
        if (*lines == '\n')
            bytes[size++] = '\r';
        bytes[size++] = *lines;
    }
    memcpy(bytes + size, "\r\n", 2);
    ck_assert_int_eq(head_parse(bytes, size + 2, &limits, fields, &head), HEAD_COMPLETE);
}

static void expect(struct slice slice, const char *text)
{
    ck_assert_msg(slice_equal(slice, slice_of(text)), "'%.*s' instead of '%s'", (int)slice.size, slice.data, text);
}

START_TEST(finds_the_client)
{
    static const struct {
        const char *peer, *forwarded, *client; /* peer "" is a unix socket; forwarded are whole lines */
    } cases[] = {
        {"127.0.0.1", "", "127.0.0.1"},
        {"127.0.0.1", "X-Forwarded-For: 10.0.0.1\n", "10.0.0.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\n", "192.0.2.1"},
        {"192.0.2.9", "X-Forwarded-For: 192.0.2.1\n", "192.0.2.9"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1, 192.0.2.2\n", "192.0.2.2"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1, 10.1.1.1\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1,10.1.1.1 ,\t10.1.1.2\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: 10.1.1.1, 10.1.1.2\n", "10.1.1.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\nX: y\nx-forwarded-for: 10.1.1.1\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-For: 192.0.2.2\n", "192.0.2.2"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Fox: 192.0.2.9\nX-Forwarded-For: 10.1.1.1\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: 10.1.1.1\nX-Forwarded-For: 10.1.1.2\n", "10.1.1.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\t , \t10.1.1.1\t\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: \t ,192.0.2.1, \t\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1, garbage\n", "127.0.0.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1, garbage, 10.1.1.1\n", "10.1.1.1"},
        {"127.0.0.1", "X-Forwarded-For: unknown, 192.0.2.1\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1, , 10.1.1.1,\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: ,\n", "127.0.0.1"},
        {"127.0.0.1", "X-Forwarded-For:\n", "127.0.0.1"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1:8080\n", "192.0.2.1"},
        {"127.0.0.1", "X-Forwarded-For: [2001:db8::1]:80\n", "2001:db8::1"},
        {"127.0.0.1", "X-Forwarded-For: 2001:DB8::1\n", "2001:db8::1"},
        {"127.0.0.1", "X-Forwarded-For: ::ffff:192.0.2.1\n", "192.0.2.1"},
        {"::1", "X-Forwarded-For: 192.0.2.1\n", "192.0.2.1"},
        {"", "X-Forwarded-For: 192.0.2.1\n", "192.0.2.1"},
        {"", "", ""},
        {"", "X-Forwarded-For: garbage\n", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client_peer peer = {.is_unix = cases[i].peer[0] == '\0'};
        struct address client;
        bool is_told;
        char lines[512], text[ADDRESS_TEXT_SIZE] = "";

        ck_assert(peer.is_unix || address_parse(slice_of(cases[i].peer), &peer.address));
        snprintf(lines, sizeof(lines), "GET / HTTP/1.1\nHost: a\n%s", cases[i].forwarded);
        parse(lines);
        client = client_find(&settings, &peer, &head, &is_told);
        address_print(&client, text);
        ck_assert_msg(strcmp(text, cases[i].client) == 0, "%s: '%s'", cases[i].forwarded, text);
    }
}
END_TEST

START_TEST(knows_whether_a_client_was_told)
{
    static const struct {
        const char *peer, *forwarded;
        bool is_told;
    } cases[] = {
        {"192.0.2.9", "", true},
        {"192.0.2.9", "X-Forwarded-For: garbage\n", true},
        {"127.0.0.1", "", false},
        {"", "", false},
        {"127.0.0.1", "X-Forwarded-For: ,\n", false},
        {"127.0.0.1", "X-Forwarded-For: garbage\n", false},
        {"127.0.0.1", "X-Forwarded-For: garbage, 10.1.1.1\n", false},
        {"127.0.0.1", "X-Forwarded-For: garbage\nX-Forwarded-For: 10.1.1.1\n", false},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\n", true},
        {"127.0.0.1", "X-Forwarded-For: garbage, 192.0.2.1\n", true},
        {"127.0.0.1", "X-Forwarded-For: 10.1.1.1\n", true},
        {"", "X-Forwarded-For: 192.0.2.1\n", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client_peer peer = {.is_unix = cases[i].peer[0] == '\0'};
        char lines[512];
        bool is_told = !cases[i].is_told;

        ck_assert(peer.is_unix || address_parse(slice_of(cases[i].peer), &peer.address));
        snprintf(lines, sizeof(lines), "GET / HTTP/1.1\nHost: a\n%s", cases[i].forwarded);
        parse(lines);
        client_find(&settings, &peer, &head, &is_told);
        ck_assert_msg(is_told == cases[i].is_told, "%s from '%s'", cases[i].forwarded, cases[i].peer);
    }
}
END_TEST

START_TEST(distrusts_a_unix_peer_when_told_so)
{
    struct client_peer peer = {.is_unix = true};
    bool is_told;

    settings.trusted_unix = false;
    parse("GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 192.0.2.1\n");
    ck_assert_int_eq(client_find(&settings, &peer, &head, &is_told).family, ADDRESS_NONE);
}
END_TEST

START_TEST(finds_routes)
{
    static const struct {
        const char *target;
        int source; /* -1: no route; ROUTE_SOURCE_NONE: no decision */
        const char *suffix;
    } cases[] = {
        {"/v1/decision", ROUTE_SOURCE_EITHER, ""},
        {"/v1/decision?a", ROUTE_SOURCE_EITHER, ""},
        {"/v1/decision/", ROUTE_SOURCE_SUFFIX, "/"},
        {"/v1/decision/a/b?c=d/e", ROUTE_SOURCE_SUFFIX, "/a/b?c=d/e"},
        {"/v1/decision//a/../b", ROUTE_SOURCE_SUFFIX, "//a/../b"},
        {"http://h/v1/decision/a?b", ROUTE_SOURCE_SUFFIX, "/a?b"},
        {"/v1/decisions", -1, ""},
        {"/v1/forward-auth", ROUTE_SOURCE_FORWARDED, ""},
        {"/v1/forward-auth/", -1, ""},
        {"/v1/accel", ROUTE_SOURCE_ORIGINAL, ""},
        {"/v1/accel/x?y", ROUTE_SOURCE_ORIGINAL, "/x?y"},
        {"/livez", ROUTE_SOURCE_NONE, ""},
        {"/readyz?verbose", ROUTE_SOURCE_NONE, ""},
        {"/metrics", ROUTE_SOURCE_NONE, ""},
        {"/metrics/", -1, ""},
        {"/Livez", -1, ""},
        {"/", -1, ""},
        {"*", -1, ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice suffix = {0};
        const struct route *route = route_find(slice_of(cases[i].target), false, false, &suffix);

        ck_assert_msg((route ? (int)route->source : -1) == cases[i].source, "%s", cases[i].target);
        expect(suffix, cases[i].suffix);
    }
}
END_TEST

START_TEST(keeps_metrics_to_operators)
{
    struct slice suffix;

    ck_assert_ptr_null(route_find(SLICE("/metrics"), false, true, &suffix));
    ck_assert_ptr_nonnull(route_find(SLICE("/metrics"), true, true, &suffix));
    ck_assert_ptr_nonnull(route_find(SLICE("/v1/decision"), true, true, &suffix));
    ck_assert_ptr_nonnull(route_find(SLICE("/livez"), false, true, &suffix));
}
END_TEST

START_TEST(reads_the_original_request)
{
    static const struct {
        const char *lines;
        const char *method, *host, *path, *query; /* method NULL: 400, and host is part of the cause */
    } cases[] = {
        {"PUT /v1/decision/a/%2e%2E/b//c?x=%41 HTTP/1.1\nHost: B.example.:80\n", "PUT", "b.example", "/b/c", "x=%41"},
        {"PUT /v1/decision/v1/ch%61t HTTP/1.1\nHost: b\nX-Original-URI: /free\n", "PUT", "b", "/v1/chat", ""},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Original-Method: POST\nX-Original-URI: /a?b\n", "POST", "edge", "/a",
         "b"},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Original-Method: POST\nX-Original-URI: /a\nX-Original-Host: C:1\n",
         "POST", "c", "/a", ""},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Forwarded-Method: POST\nX-Forwarded-Uri: /a\nX-Forwarded-Host: d\n"
         "X-Original-Host: c\n",
         "POST", "d", "/a", ""},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Original-Method: GET\nX-Original-URI: /a\nX-Forwarded-Method: POST\n"
         "X-Forwarded-Uri: /b\nX-Forwarded-Host: d\n",
         "GET", "edge", "/a", ""},
        {"GET /v1/forward-auth HTTP/1.1\nHost: edge\nX-Original-Method: GET\nX-Original-URI: /a\n"
         "X-Forwarded-Method: POST\nX-Forwarded-Uri: /b\n",
         "POST", "edge", "/b", ""},
        {"GET /v1/accel/z HTTP/1.1\nHost: edge\nX-Original-Method: GET\nX-Original-URI: http://q/a?b\n", "GET", "edge",
         "/a", "b"},
        {"GET /v1/decision HTTP/1.1\nHost: edge\n", NULL, "not told", NULL, NULL},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Original-Method: GET\nX-Original-URI: /caf\303\251 x?\303\251\n", "GET", "edge",
         "/caf%C3%A9%20x", "\303\251"},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Original-Method: GET\n", NULL, "X-Original-URI is missing", NULL,
         NULL},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Forwarded-Uri: /\n", NULL, "X-Forwarded-Method is missing", NULL,
         NULL},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Original-Method: GET\nX-Original-URI: /a\nX-Original-Method: GET\n",
         NULL, "once only", NULL, NULL},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Original-Method: GET, POST\nX-Original-URI: /a\n", NULL,
         "is not a method", NULL, NULL},
        {"GET /v1/decision HTTP/1.1\nHost: edge\nX-Original-Method: GET\nX-Original-URI: a\n", NULL, "must begin", NULL,
         NULL},
    };
    static char path[PATH_NORMAL_SIZE(sizeof(bytes))], host[sizeof(bytes)];
    struct extract_room room = {path, host};
    struct client_peer peer = {.is_unix = true};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice suffix = {0};
        struct facts facts;
        const struct route *route;
        const char *cause;
        bool is_told;

        parse(cases[i].lines);
        route = route_find(head.target, false, false, &suffix);
        ck_assert_ptr_nonnull(route);
        is_told = extract_facts(&settings, &head, &peer, route, suffix, &room, &facts, &cause);
        ck_assert_msg(is_told == (cases[i].method != NULL), "%s", cases[i].lines);
        if (is_told) {
            expect(facts.method, cases[i].method);
            expect(facts.host, cases[i].host);
            expect(facts.path, cases[i].path);
            expect(facts.query, cases[i].query);
            ck_assert_uint_eq(facts.field_count, head.field_count);
        } else {
            ck_assert_msg(strstr(cause, cases[i].host) != NULL, "%s", cause);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("extract");
    Suite *suite = suite_create("worker/extract");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, finds_the_client);
    tcase_add_test(tcase, knows_whether_a_client_was_told);
    tcase_add_test(tcase, distrusts_a_unix_peer_when_told_so);
    tcase_add_test(tcase, finds_routes);
    tcase_add_test(tcase, keeps_metrics_to_operators);
    tcase_add_test(tcase, reads_the_original_request);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
