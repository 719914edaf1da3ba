/* SPDX-License-Identifier: MPL-2.0
 *
 * Tokens, honest and hostile; and agreement with libjwt on every token that libjwt takes.
 */
#include "policy/claims.h"

#include <check.h>
#include <jwt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define TOKEN_SIZE 16384

static const char plain_header[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";

static size_t encode(struct slice bytes, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned held = 0;
    size_t used = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        bits = (bits << 8 | (unsigned char)bytes.data[i]) & 0xFFFF;
        for (held += 8; held >= 6; held -= 6)
            out[used++] = digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        out[used++] = digits[bits << (6 - held) & 63];
    return used;
}

/* "Bearer <header>.<payload>.c2ln" */
static struct slice make_token(struct slice header, struct slice payload, char *out)
{
    size_t used = (size_t)snprintf(out, TOKEN_SIZE, "Bearer ");

    used += encode(header, out + used);
    out[used++] = '.';
    used += encode(payload, out + used);
    used += (size_t)snprintf(out + used, TOKEN_SIZE - used, ".c2ln");
    return (struct slice){out, used};
}

static const struct {
    const char *payload, *name;
    const char *value; /* NULL: the token is read, the claim is none */
} values[] = {
    {"{\"org_id\":\"acme\"}", "org_id", "acme"},
    {"{\"org_id\":\"acme\"}", "org", NULL},
    {"{\"org_id\":\"acme\"}", "org_id ", NULL},
    {"{\"org_id\":\"\"}", "org_id", NULL},
    {"{\"n\":12}", "n", "12"},
    {"{\"n\":-3}", "n", "-3"},
    {"{\"n\":12345678901234567890}", "n", "12345678901234567890"},
    {"{\"n\":1.5}", "n", NULL},
    {"{\"n\":1e2}", "n", NULL},
    {"{\"b\":true,\"c\":false}", "b", "true"},
    {"{\"b\":true,\"c\":false}", "c", "false"},
    {"{\"b\":null}", "b", NULL},
    {"{\"b\":[\"x\"]}", "b", NULL},
    {"{\"b\":{\"c\":\"x\"}}", "b", NULL},
    {"{\"b\":{\"c\":\"x\"}}", "c", NULL},
    {"{\"b\":[1,\"c\",2]}", "c", NULL},
    {"{\"a\\u0062\":\"\\u00e9\\n\"}", "ab", "\xC3\xA9\n"},
    {" {\"a\" : \"x\"} ", "a", "x"},
    {"{}", "a", NULL},
    {"{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}", "c", "3"},
};

START_TEST(claims_have_their_values)
{
    char token[TOKEN_SIZE];
    struct claims *claims = claims_read(make_token(SLICE(plain_header), slice_of(values[_i].payload), token));
    struct slice value;

    ck_assert_msg(claims != NULL, "%s", values[_i].payload);
    ck_assert_msg(claims_find(claims, slice_of(values[_i].name), &value) == (values[_i].value != NULL), "%s",
                  values[_i].payload);
    if (values[_i].value)
        ck_assert(slice_equal(value, slice_of(values[_i].value)));
    claims_free(claims);
}
END_TEST

static const struct {
    const char *header;
    bool is_read;
} headers[] = {
    {"{\"alg\":\"RS256\"}", true},
    {"{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", true},
    {"{\"alg\":\"PS256\"}", true},
    {"{\"alg\":\"EdDSA\",\"kid\":\"k\"}", true},
    {"{\"alg\":\"none\"}", true},
    {"{\"typ\":\"JWT\"}", false},
    {"{\"alg\":256}", false},
    {"{\"alg\":\"RS256\",\"alg\":\"none\"}", false},
    {"{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", false},
    {"{\"alg\":\"RS256\",\"cr\\u0069t\":[\"exp\"]}", false},
    {"[\"alg\"]", false},
    {"\"alg\"", false},
    {"{}", false},
    {"{\"alg\":\"RS256\"", false},
    {"{\"alg\":\"RS256\"}{}", false},
    {"x", false},
};

START_TEST(headers_are_looked_at)
{
    char token[TOKEN_SIZE];
    struct claims *claims = claims_read(make_token(slice_of(headers[_i].header), SLICE("{\"a\":\"x\"}"), token));

    ck_assert_msg((claims != NULL) == headers[_i].is_read, "%s", headers[_i].header);
    claims_free(claims);
}
END_TEST

static const char *const bad_payloads[] = {
    "",
    "[]",
    "\"sub\"",
    "12",
    "null",
    "{\"a\":\"x\"",
    "{\"a\":\"x\"} ,",
    "{\"a\":\"x\",\"a\":\"y\"}",
    "{\"a\":\"x\",\"\\u0061\":\"y\"}",
    "{\"a\":\"x\\u0000\"}",
    "{\"a\":\"\xFF\"}",
    "{\"a\":\"\\uD800\"}",
    "{\"a\":01}",
    "{a:1}",
};

START_TEST(bad_payloads_are_refused)
{
    char token[TOKEN_SIZE];

    ck_assert_msg(!claims_read(make_token(SLICE(plain_header), slice_of(bad_payloads[_i]), token)), "%s",
                  bad_payloads[_i]);
}
END_TEST

#define HEADER  "eyJhbGciOiJSUzI1NiJ9" /* {"alg":"RS256"} */
#define PAYLOAD "eyJhIjoieCJ9"         /* {"a":"x"} */

static const struct {
    const char *authorization;
    bool is_read;
} shapes[] = {
    {"Bearer " HEADER "." PAYLOAD ".c2ln", true},
    {"bearer " HEADER "." PAYLOAD ".c2ln", true},
    {"BEARER   " HEADER "." PAYLOAD ".c2ln \t", true},
    {"", false},
    {"Bearer", false},
    {"Bearer ", false},
    {"Bearer  \t ", false},
    {"Bearer\t" HEADER "." PAYLOAD ".c2ln", true}, /* to those upstreams that split at white space */
    {"Bearer \t" HEADER "." PAYLOAD ".c2ln", true},
    {"Bearer\xA0" HEADER "." PAYLOAD ".c2ln", true}, /* and read fields as ISO 8859-1 */
    {"Bearer \x85" HEADER "." PAYLOAD ".c2ln\xA0", true},
    {"Bearer" HEADER "." PAYLOAD ".c2ln", false},
    {"Basic dXNlcjpwYXNz", false},
    {"Token " HEADER "." PAYLOAD ".c2ln", false},
    {HEADER "." PAYLOAD ".c2ln", false},
    {"Bearer sk-live-0123456789abcdef", false},
    {"Bearer " HEADER "." PAYLOAD, false},
    {"Bearer " HEADER "." PAYLOAD ".", false},
    {"Bearer ." PAYLOAD ".c2ln", false},
    {"Bearer " HEADER "..c2ln", false},
    {"Bearer ..", false},
    {"Bearer ...", false},
    {"Bearer " HEADER "." PAYLOAD ".c2ln.", false},
    {"Bearer " HEADER "." PAYLOAD ".c2ln.x", false},
    {"Bearer " HEADER "." PAYLOAD ".c2ln.x.y", false},
    {"Bearer ." HEADER "." PAYLOAD ".c2ln", false},
    {"Bearer " HEADER "." PAYLOAD ".c2l=", false},
    {"Bearer " HEADER "." PAYLOAD "=.c2ln", false},
    {"Bearer " HEADER "." PAYLOAD ".c2+/", false},
    {"Bearer " HEADER "." PAYLOAD ".c2 ln", false},
    {"Bearer " HEADER " ." PAYLOAD ".c2ln", false},
    {"Bearer " HEADER "." PAYLOAD ".c2ln, Bearer x", false},
    {"Bearer " HEADER "." PAYLOAD "A.c2ln", false},
    {"Bearer " HEADER ".eyJhIjoieCJ.c2ln", false},
    {"Bearer A." PAYLOAD ".c2ln", false},
    {"Bearer AA.AA.AA", false},
    {"Bearer " HEADER ".e30.c2ln", true},
    {"Bearer " HEADER ".e31.c2ln", false}, /* left-over bits that no encoder writes */
};

START_TEST(shapes_are_checked)
{
    size_t size = strlen(shapes[_i].authorization);
    char *copy = malloc(size > 0 ? size : 1);
    struct claims *claims;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, shapes[_i].authorization, size);
    claims = claims_read((struct slice){copy, size});
    ck_assert_msg((claims != NULL) == shapes[_i].is_read, "%s", shapes[_i].authorization);
    claims_free(claims);
    free(copy);
}
END_TEST

START_TEST(size_is_capped)
{
    char payload[TOKEN_SIZE / 2], token[TOKEN_SIZE];
    size_t fits = 0;

    for (size_t size = 5000; size < 7000; size++) {
        struct claims *claims;
        struct slice made;

        memset(payload, 'x', size);
        memcpy(payload, "{\"a\":\"", 6);
        memcpy(payload + size - 2, "\"}", 2);
        made = make_token(SLICE("{\"alg\":\"RS256\"}"), (struct slice){payload, size}, token);
        claims = claims_read(made);
        ck_assert((claims != NULL) == (made.size - strlen("Bearer ") <= CLAIMS_MAX_TOKEN));
        fits += claims != NULL;
        claims_free(claims);
    }
    ck_assert_uint_gt(fits, 0);
    ck_assert_uint_lt(fits, 2000);
}
END_TEST

START_TEST(deep_payloads_are_refused)
{
    char payload[4096], token[TOKEN_SIZE];

    memset(payload, '[', sizeof(payload));
    memcpy(payload, "{\"a\":", 5);
    ck_assert_ptr_null(claims_read(make_token(SLICE(plain_header), (struct slice){payload, sizeof(payload)}, token)));
}
END_TEST

/* Any byte of a good token changed to any other: read or refused, never out of bounds (the sanitizers watch). */
START_TEST(damaged_tokens_do_no_harm)
{
    char good[TOKEN_SIZE];
    struct slice token = make_token(SLICE(plain_header), SLICE("{\"a\":\"\\u00e9\",\"b\":{\"c\":[1,2]}}"), good);

    for (size_t i = 0; i < token.size; i++) {
        for (int byte = 0; byte < 256; byte++) {
            char *copy = malloc(token.size);
            struct claims *claims;
            struct slice value;

            ck_assert_ptr_nonnull(copy);
            memcpy(copy, token.data, token.size);
            copy[i] = (char)byte;
            claims = claims_read((struct slice){copy, token.size});
            if (claims)
                claims_find(claims, SLICE("a"), &value);
            claims_free(claims);
            free(copy);
        }
    }
}
END_TEST

/* What libjwt says a claim is, in the same words, owned by the caller; NULL for none. */
static char *reference_value(jwt_t *jwt, const char *name)
{
    const char *text = jwt_get_grant(jwt, name);
    char *json;

    if (text)
        return text[0] != '\0' ? strdup(text) : NULL;
    json = jwt_get_grants_json(jwt, name);
    if (json && strcmp(json, "true") != 0 && strcmp(json, "false") != 0 &&
        strspn(json, "-0123456789") != strlen(json)) {
        free(json);
        return NULL;
    }
    return json;
}

START_TEST(libjwt_agrees)
{
    char token[TOKEN_SIZE], *expected;
    jwt_t *jwt = NULL;
    struct slice made = make_token(SLICE(plain_header), slice_of(values[_i].payload), token), value;
    struct claims *claims = claims_read(made);

    ck_assert_ptr_nonnull(claims);
    if (jwt_decode(&jwt, token + strlen("Bearer "), NULL, 0) == 0) {
        expected = reference_value(jwt, values[_i].name);
        ck_assert_msg(claims_find(claims, slice_of(values[_i].name), &value) == (expected != NULL), "%s",
                      values[_i].payload);
        if (expected)
            ck_assert(slice_equal(value, slice_of(expected)));
        free(expected);
        jwt_free(jwt);
    } else {
        ck_assert_msg(strstr(values[_i].payload, "12345678901234567890") != NULL, "libjwt refuses %s",
                      values[_i].payload);
    }
    claims_free(claims);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("claims");
    TCase *tcase = tcase_create("claims");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, claims_have_their_values, 0, sizeof(values) / sizeof(values[0]));
    tcase_add_loop_test(tcase, headers_are_looked_at, 0, sizeof(headers) / sizeof(headers[0]));
    tcase_add_loop_test(tcase, bad_payloads_are_refused, 0, sizeof(bad_payloads) / sizeof(bad_payloads[0]));
    tcase_add_loop_test(tcase, shapes_are_checked, 0, sizeof(shapes) / sizeof(shapes[0]));
    tcase_add_test(tcase, size_is_capped);
    tcase_add_test(tcase, deep_payloads_are_refused);
    tcase_add_test(tcase, damaged_tokens_do_no_harm);
    tcase_add_loop_test(tcase, libjwt_agrees, 0, sizeof(values) / sizeof(values[0]));
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
