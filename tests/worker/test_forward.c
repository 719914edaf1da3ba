/* SPDX-License-Identifier: MPL-2.0
 *
 * Heads as the reverse proxy sends them on: each row is what came, who sent it, and every line that goes out.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/path.h"
#include "worker/forward.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MAX_FIELDS    32
#define GET           "GET / HTTP/1.1\r\nHost: shop.example:81\r\n"
#define SENT          "GET / HTTP/1.1\r\nHost: upstream:80\r\n"
#define FROM          "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: shop.example:81\r\n"
#define VIA           "Via: 1.1 fairvisor\r\n"

static char written[4096];

static void take_written(struct outbox *box)
{
    ck_assert(!box->is_short && box->used < sizeof(written));
    memcpy(written, box->data, box->used);
    written[box->used] = '\0';
    outbox_fini(box);
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

enum { TRUSTED = 1, SECURE = 2, IDENTITY = 4, CLOSE = 8, COUNTED = 16, CHUNKED = 32, EMPTY = 64, UNIX = 128 };

static const struct {
    const char *head;
    unsigned how;
    const char *expected; /* without the empty line */
} requests[] = {
    {GET "\r\n", 0, SENT FROM VIA},
    {"GET / HTTP/1.0\r\n\r\n", 0,
     SENT "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nVia: 1.0 fairvisor\r\n"},
    {GET "\r\n", SECURE,
     SENT "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example:81\r\n" VIA},
    {GET "\r\n", CLOSE, SENT FROM VIA "Connection: close\r\n"},
    /* the target as it was judged, the query as it came */
    {"GET /a//b/../c/%7eu?q=%2F&a=../b HTTP/1.1\r\nHost: shop.example:81\r\n\r\n", 0,
     "GET /a/c/~u?q=%2F&a=../b HTTP/1.1\r\nHost: upstream:80\r\n" FROM VIA},
    {"GET /? HTTP/1.1\r\nHost: shop.example:81\r\n\r\n", 0,
     "GET /? HTTP/1.1\r\nHost: upstream:80\r\n" FROM VIA},
    {"GET http://other.example/x HTTP/1.1\r\nHost: shop.example:81\r\n\r\n", 0,
     "GET /x HTTP/1.1\r\nHost: upstream:80\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
     "X-Forwarded-Host: other.example\r\n" VIA},
    /* end to end: kept, in their order, as they were spelled */
    {GET "aCCept: */*\r\nX-A: 1\r\nVia: 1.0 before\r\nx-a: 2\r\nAuthorization: Bearer x\r\nCookie: a=b\r\n\r\n", 0,
     SENT "aCCept: */*\r\nX-A: 1\r\nVia: 1.0 before\r\nx-a: 2\r\nAuthorization: Bearer x\r\nCookie: a=b\r\n" FROM VIA},
    /* white space around a value is not theirs to choose */
    {GET "A:1\r\nB:  2 \r\nC:\t3\t\r\nD: \r\nE:\r\nF: 4\t\r\nG: 5\r\n\r\n", 0,
     SENT "A: 1\r\nB: 2\r\nC: 3\r\nD: \r\nE: \r\nF: 4\r\nG: 5\r\n" FROM VIA},
    /* of one connection only */
    {GET "Connection: Keep-Alive\r\nKeep-Alive: 1\r\nA: 1\r\n\r\n", 0, SENT "A: 1\r\n" FROM VIA},
    {GET "Connection: keep-alive\r\nA: 1\r\nConnection: a\r\nB: 1\r\n\r\n", 0, SENT "B: 1\r\n" FROM VIA},
    {GET "Keep_Alive: 1\r\nHTTP2_SETTINGS: x\r\nx_forwarded-for: 9.9.9.9\r\nTE_: 2\r\nT: 3\r\nTf: 4\r\n\r\n", 0,
     SENT "TE_: 2\r\nT: 3\r\nTf: 4\r\n" FROM VIA},
    {GET "Connection: close\r\nKeep-Alive: 1\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\n"
         "HTTP2-Settings: AAMAAABk\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nExpect: 100-continue\r\n\r\n",
     0, SENT FROM VIA},
    {GET "X-Hop: 1\r\nConnection: keep-alive, x-hop\r\nX-Hop: 2\r\nX-Hop-2: 3\r\n\r\n", 0, SENT "X-Hop-2: 3\r\n" FROM VIA},
    {GET "Connection: a\r\nA: 1\r\nB: 2\r\nConnection: ,, B ,\r\nC: 3\r\n\r\n", 0, SENT "C: 3\r\n" FROM VIA},
    {GET "Connection: host, via, x-forwarded-for\r\nVia: 1.1 before\r\n\r\n", 0, SENT FROM VIA},
    /* ours */
    {GET "X-Fairvisor-Reason: x\r\nx-fairvisor-reject-status: 403\r\nX-Fairvisory: y\r\n\r\n", 0,
     SENT "X-Fairvisory: y\r\n" FROM VIA},
    /* what a key reads, spelled as it is not read */
    {GET "X_Api_Key: 1\r\nx-api_key: 2\r\nX-Api-Key: 3\r\nX_Other: 4\r\nX-Org: 5\r\nX_ORG: 6\r\n\r\n", 0,
     SENT "X-Api-Key: 3\r\nX_Other: 4\r\nX_ORG: 6\r\n" FROM VIA},
    {GET "x_tenant: 1\r\nX-Tenant: 2\r\nX_Any: 3\r\nX_Tenants: 4\r\n\r\n", 0,
     SENT "X-Tenant: 2\r\nX_Any: 3\r\nX_Tenants: 4\r\n" FROM VIA},
    /* what a stranger says about himself, and what a trusted proxy does */
    {GET "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=9.9.9.9\r\n\r\n",
     0, SENT FROM VIA},
    {GET "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: good\r\nForwarded: for=9.9.9.9\r\n\r\n",
     TRUSTED,
     SENT "Forwarded: for=9.9.9.9\r\nX-Forwarded-For: 9.9.9.9, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
          "X-Forwarded-Host: good\r\n" VIA},
    {GET "X-Forwarded-For: 9.9.9.9\r\nA: 1\r\nx-forwarded-for: 8.8.8.8,7.7.7.7\r\n\r\n", TRUSTED,
     SENT "A: 1\r\nX-Forwarded-For: 9.9.9.9, 8.8.8.8,7.7.7.7, 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
          "X-Forwarded-Host: shop.example:81\r\n" VIA},
    {GET "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nX-Forwarded-Host: b\r\n\r\n",
     TRUSTED, SENT FROM VIA}, /* of two, one may be the client's own */
    {GET "\r\n", TRUSTED, SENT FROM VIA},
    {GET "\r\n", UNIX, SENT "X-Forwarded-Proto: http\r\nX-Forwarded-Host: shop.example:81\r\n" VIA},
    {GET "X-Forwarded-For: 9.9.9.9\r\n\r\n", UNIX | TRUSTED,
     SENT "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: shop.example:81\r\n" VIA},
    /* one framing, never theirs */
    {"POST / HTTP/1.1\r\nHost: shop.example:81\r\nContent-Length: 007\r\n\r\n", COUNTED,
     "POST / HTTP/1.1\r\nHost: upstream:80\r\n" FROM VIA "Content-Length: 7\r\n"},
    {"POST / HTTP/1.1\r\nHost: shop.example:81\r\nTransfer-Encoding: Chunked\r\n\r\n", CHUNKED,
     "POST / HTTP/1.1\r\nHost: upstream:80\r\n" FROM VIA "Transfer-Encoding: chunked\r\n"},
    {"POST / HTTP/1.1\r\nHost: shop.example:81\r\nContent-Length: 0\r\n\r\n", EMPTY,
     "POST / HTTP/1.1\r\nHost: upstream:80\r\n" FROM VIA "Content-Length: 0\r\n"},
    /* a hop less, where hops are counted */
    {"OPTIONS / HTTP/1.1\r\nHost: shop.example:81\r\nMax-Forwards: 10\r\nA: 1\r\n\r\n", 0,
     "OPTIONS / HTTP/1.1\r\nHost: upstream:80\r\nA: 1\r\nMax-Forwards: 9\r\n" FROM VIA},
    {"TRACE / HTTP/1.1\r\nHost: shop.example:81\r\nmax-forwards: 1\r\n\r\n", 0,
     "TRACE / HTTP/1.1\r\nHost: upstream:80\r\nMax-Forwards: 0\r\n" FROM VIA},
    {"OPTIONS / HTTP/1.1\r\nHost: shop.example:81\r\nMax-Forwards: 1x\r\n\r\n", 0,
     "OPTIONS / HTTP/1.1\r\nHost: upstream:80\r\nMax-Forwards: 1x\r\n" FROM VIA},
    {GET "Max-Forwards: 10\r\n\r\n", 0, SENT "Max-Forwards: 10\r\n" FROM VIA},
    /* an answer that is looked into */
    {GET "Accept-Encoding: gzip\r\n\r\n", 0, SENT "Accept-Encoding: gzip\r\n" FROM VIA},
    {GET "Accept-Encoding: gzip\r\n\r\n", IDENTITY, SENT FROM VIA "Accept-Encoding: identity\r\n"},
    /* the one upgrade */
    {GET "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n", 0,
     SENT "Sec-WebSocket-Key: k\r\n" FROM VIA "Connection: upgrade\r\nUpgrade: websocket\r\n"},
    {GET "Upgrade: websocket\r\n\r\n", 0, SENT FROM VIA}, /* not listed: not asked for */
    {GET "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n", 0, SENT FROM VIA},
    {GET "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n", COUNTED,
     SENT FROM VIA "Content-Length: 3\r\n"},
};

/* The facts that are looked at here: the path normalized, the query as it came. TEXT is room for the path. */
static struct facts facts_of(struct slice target, char *text)
{
    struct facts facts = {0};
    const char *scheme = memmem(target.data, target.size, "://", 3);
    const char *path = scheme ? memchr(scheme + 3, '/', target.size - (size_t)(scheme + 3 - target.data)) : target.data;
    size_t size = target.size - (size_t)(path - target.data);
    const char *query = memchr(path, '?', size);

    facts.path = path_normalize((struct slice){path, query ? (size_t)(query - path) : size}, text);
    if (query)
        facts.query = (struct slice){query + 1, size - (size_t)(query + 1 - path)};
    return facts;
}

static const struct descriptor descriptors[] = {
    {DESCRIPTOR_HEADER, SLICE("x-api-key"), SLICE("header:x-api-key")},
    {DESCRIPTOR_QUERY, SLICE("x-other"), SLICE("query:x-other")},
    {DESCRIPTOR_HEADER, SLICE("x_org"), SLICE("header:x_org")},
};
/* of kill switches that were set by hand */
static const struct descriptor hand_keys[] = {
    {DESCRIPTOR_HEADER, SLICE("x-tenant"), SLICE("header:x-tenant")},
    {DESCRIPTOR_QUERY, SLICE("x-any"), SLICE("query:x-any")},
};
static const struct bundle keys = {
    .descriptors = descriptors, .descriptor_count = LENGTH(descriptors), .uses_underscores = true};

static void write_request(const char *text, unsigned how)
{
    static const struct head_limits limits = {.bytes = 4096, .fields = MAX_FIELDS};
    struct fact_field fields[MAX_FIELDS];
    struct client_peer peer = {.is_unix = how & UNIX};
    struct outbox box;
    char path[1024];
    struct head head;
    struct facts facts;
    struct forward_request request = {.head = &head, .facts = &facts, .peer = &peer, .bundle = &keys,
                                      .hand_keys = hand_keys, .hand_key_count = LENGTH(hand_keys),
                                      .authority = SLICE("upstream:80")};

    ck_assert(outbox_init(&box, 16)); /* small: it must grow */
    ck_assert(peer.is_unix || address_parse(SLICE("192.0.2.1"), &peer.address));
    ck_assert_int_eq(head_parse(text, strlen(text), &limits, fields, &head), HEAD_COMPLETE);
    facts = facts_of(head.target, path);
    request.peer_is_trusted = how & TRUSTED;
    request.is_secure = how & SECURE;
    request.wants_identity = how & IDENTITY;
    request.keeps_alive = !(how & CLOSE);
    request.says_empty = how & EMPTY;
    request.is_upgrade = forward_request_is_upgrade(&head);
    request.framing = how & COUNTED ? FORWARD_COUNTED : how & CHUNKED ? FORWARD_CHUNKED : FORWARD_BODYLESS;
    request.content_length = head.content_length;
    forward_request_write(&request, &box);
    take_written(&box);
}

static void expect_written(const char *expected)
{
    char text[4096];

    snprintf(text, sizeof(text), "%s\r\n", expected);
    ck_assert_str_eq(written, text);
}

START_TEST(writes_a_request)
{
    write_request(requests[_i].head, requests[_i].how);
    expect_written(requests[_i].expected);
}
END_TEST

/* ---- paths ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *path;
    bool is_plain;
} paths[] = {
    {"/", true},      {"/a/b", true},      {"/a%20b", true},   {"/%2", true},        {"/%252F", true}, {"/2F", true},
    {"/a%2Fb", false}, {"/a%2fb", false}, {"/a%5Cb", false}, {"/a%5cb", false}, {"/a\\b", false},  {"/a%00", false},
};

START_TEST(knows_a_plain_path)
{
    ck_assert_int_eq(forward_request_is_plain(slice_of(paths[_i].path)), paths[_i].is_plain);
}
END_TEST

/* ---- responses -------------------------------------------------------------------------------------------------- */

#define OK   "HTTP/1.1 200 OK\r\n"
#define OURS "X-Fairvisor-Reason: allowed\r\nRateLimit: \"r\";r=5;t=1\r\nRateLimit-Remaining: 5\r\n"
#define LEFT "X-Fairvisor-Reason: allowed\r\n"

enum { OLD = 256, CLOSED = 512, DATED = 1024 };

static const struct {
    const char *head;
    unsigned how;
    const char *verdict, *expected;
} responses[] = {
    {OK "\r\n", 0, "", OK VIA},
    {OK "\r\n", CLOSE, "", OK VIA "Connection: close\r\n"},
    {OK "\r\n", OLD, "", OK VIA "Connection: keep-alive\r\n"},
    {OK "\r\n", OLD | CLOSE | CLOSED, "", OK VIA "Connection: close\r\n"},
    {"HTTP/1.0 404 Not Here\r\nA: b\r\n\r\n", 0, "", "HTTP/1.1 404 Not Here\r\nA: b\r\nVia: 1.0 fairvisor\r\n"},
    {"HTTP/1.1 200 \r\n\r\n", 0, "", "HTTP/1.1 200 \r\n" VIA},
    {"HTTP/1.1 200\r\n\r\n", 0, "", "HTTP/1.1 200 \r\n" VIA}, /* a reason may be left out */
    {OK "Content-Length: 5\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n", COUNTED, "",
     OK "Server: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n" VIA "Content-Length: 5\r\n"},
    {OK "Transfer-Encoding: chunked\r\n\r\n", CHUNKED, "", OK VIA "Transfer-Encoding: chunked\r\n"},
    {OK "Connection: X-Hop, close\r\nKeep-Alive: 1\r\nX-Hop: 1\r\nX: 2\r\nUpgrade: h2c\r\n\r\n", 0, "", OK "X: 2\r\n" VIA},
    {OK "Connection: Keep-Alive\r\nKeep-Alive: 1\r\nX: 2\r\n\r\n", 0, "", OK "X: 2\r\n" VIA},
    {OK "Connection: keep-alive\r\nX: 2\r\nConnection: x\r\nY: 3\r\n\r\n", 0, "", OK "Y: 3\r\n" VIA},
    {OK "A:1\r\nB:  2 \r\nC:\t3\t\r\nD: \r\nE:\r\nF: 4\t\r\nG: 5\r\n\r\n", 0, "",
     OK "A: 1\r\nB: 2\r\nC: 3\r\nD: \r\nE: \r\nF: 4\r\nG: 5\r\n" VIA},
    /* what has no Date gets one (RFC 9110 6.6.1) */
    {OK "\r\n", DATED, "", OK "Date: now\r\n" VIA},
    {OK "Date: then\r\n\r\n", 0, "", OK "Date: then\r\n" VIA},
    {OK "X-Fairvisor-Decision: reject\r\nX: 2\r\n\r\n", 0, LEFT, OK "X: 2\r\n" VIA LEFT},
    /* theirs and ours: the one that leaves less */
    {OK "RateLimit-Remaining: 9\r\nRateLimit-Limit: 10\r\n\r\n", 0, OURS, OK VIA OURS},
    {OK "RateLimit-Remaining: 4\r\nRateLimit-Limit: 10\r\n\r\n", 0, OURS,
     OK "RateLimit-Remaining: 4\r\nRateLimit-Limit: 10\r\n" VIA LEFT},
    {OK "RateLimit: \"x\";r=0;t=9\r\n\r\n", 0, OURS, OK "RateLimit: \"x\";r=0;t=9\r\n" VIA LEFT},
    {OK "RateLimit-Remaining: 0\r\n\r\n", 0, LEFT, OK "RateLimit-Remaining: 0\r\n" VIA LEFT},
    {OK "RateLimit-Remaining: none\r\n\r\n", 0, OURS, OK VIA OURS},
    /* interim ones get nothing of ours; a switch does */
    {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0, OURS, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"},
    {"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s\r\n\r\n", 0, "",
     "HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: s\r\n" VIA "Connection: upgrade\r\nUpgrade: websocket\r\n"},
};

START_TEST(writes_a_response)
{
    static struct response_room room;
    unsigned how = responses[_i].how;
    struct response response;
    struct forward_response forward = {.response = &response, .verdict = slice_of(responses[_i].verdict)};
    struct outbox box;

    ck_assert(outbox_init(&box, 16));
    ck_assert_int_eq(response_parse(slice_of(responses[_i].head), false, &room, &response), RESPONSE_COMPLETE);
    forward.framing = how & COUNTED   ? FORWARD_COUNTED
                      : how & CHUNKED ? FORWARD_CHUNKED
                      : how & CLOSED  ? FORWARD_CLOSED
                                      : FORWARD_BODYLESS;
    forward.content_length = response.content_length;
    forward.keeps_alive = !(how & CLOSE);
    forward.date = how & DATED ? SLICE("Date: now\r\n") : SLICE("");
    forward.is_old = how & OLD;
    forward_response_write(&forward, &box);
    take_written(&box);
    expect_written(responses[_i].expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forward");
    TCase *cases = tcase_create("forward");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(cases, writes_a_request, 0, LENGTH(requests));
    tcase_add_loop_test(cases, knows_a_plain_path, 0, LENGTH(paths));
    tcase_add_loop_test(cases, writes_a_response, 0, LENGTH(responses));
    suite_add_tcase(suite, cases);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
