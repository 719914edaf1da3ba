/* SPDX-License-Identifier: MPL-2.0
 *
 * Memory runs out at the first, second, third ... allocation: a load then fails and says so, a token has no claims, and
 * nothing leaks or crashes. The linker puts the functions of this file in front of the C library's.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/claims.h"
#include "policy/jwt.h"
#include "policy/load.h"
#include "policy/networks.h"
#include "tests/policy/jwt_maker.h"

#define MOST_STEPS 1000

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *piece, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *piece, size_t size);

static long steps_left = -1; /* allocations until the one that fails; -1: none fails */

static bool fails(void)
{
    return steps_left >= 0 && steps_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *piece, size_t size)
{
    return fails() ? NULL : __real_realloc(piece, size);
}

static const char good[] =
    "{\"bundle_version\": 1, \"kill_switches\": [{\"scope_key\": \"jwt:\\u0061\", \"scope_value\": \"\\u0062\"}],"
    "\"policies\": [{\"id\": \"p\", \"spec\": {\"selector\": {\"pathPrefix\": \"/x\", \"hosts\": [\"h\"],"
    "\"methods\": [\"GET\", \"PURGE\"]}, \"rules\": [{\"name\": \"r\", \"limit_keys\": [\"ip:address\"],"
    "\"match\": {\"host\": \"H\"}, \"algorithm\": \"token_bucket\","
    "\"algorithm_config\": {\"tokens_per_second\": 1, \"burst\": 2, \"cost_source\": \"header:c\"}}]}}]}";
static const char bad[] =
    "{\"bundle_version\": 1, \"policies\": [{\"id\": \"p\", \"spec\": {\"selector\": {\"pathPrefix\":"
    "\"/a/../b\"}, \"rules\": [], \"x\\u0079\": 1}}], \"bundle_version\": 2}";

static struct complaint_list complaints;

/* Loads TEXT with the allocation after STEPS others failing. false when that one was never asked for. */
static bool load_fails_at(struct slice text, long steps)
{
    struct bundle *bundle;
    bool was_reached;

    steps_left = steps;
    bundle = load_bundle(text, 0, &complaints);
    was_reached = steps_left < 0;
    steps_left = -1;
    if (was_reached) {
        ck_assert_msg(bundle == NULL && complaints.errors > 0, "the failure of allocation %ld is not told", steps);
    }
    bundle_free(bundle);
    return was_reached;
}

START_TEST(every_failed_allocation_of_a_load_is_told)
{
    static const struct slice texts[] = {{good, sizeof(good) - 1}, {bad, sizeof(bad) - 1}};
    long steps = 0;

    while (steps < MOST_STEPS && load_fails_at(texts[_i], steps))
        steps++;
    ck_assert_int_gt(steps, 5);
    ck_assert_int_lt(steps, MOST_STEPS);
}
END_TEST

START_TEST(a_token_without_memory_has_no_claims)
{
    long steps = 0;

    for (bool was_reached = true; was_reached && steps < MOST_STEPS; steps++) {
        struct claims *claims;

        steps_left = steps;
        claims = claims_read(SLICE("Bearer eyJhbGciOiJSUzI1NiJ9.eyJhIjoieCJ9.c2ln"));
        was_reached = steps_left < 0;
        steps_left = -1;
        ck_assert((claims == NULL) == was_reached);
        claims_free(claims);
    }
    ck_assert_int_gt(steps, 5);
    ck_assert_int_lt(steps, MOST_STEPS);
}
END_TEST

/* That of RFC 7515 A.1, and one of RFC 8037. */
static const char key_set[] =
    "{\"keys\":[{\"alg\":\"HS256\",\"kid\":\"\\u0061\",\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj"
    "1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"},{\"alg\":\"EdDSA\",\"kty\":"
    "\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
START_TEST(keys_without_memory_are_refused)
{
    long steps = 0;

    for (bool was_reached = true; was_reached && steps < MOST_STEPS; steps++) {
        struct failure failure = {.code = EXIT_CODE_OK};
        struct jwks *jwks;

        steps_left = steps;
        jwks = jwks_parse("keys.json", SLICE(key_set), &failure);
        was_reached = steps_left < 0;
        steps_left = -1;
        ck_assert((jwks == NULL) == was_reached);
        ck_assert((failure.sentence[0] != '\0') == was_reached);
        jwks_free(jwks);
    }
    ck_assert_int_gt(steps, 5);
    ck_assert_int_lt(steps, MOST_STEPS);
}
END_TEST

static enum jwt_fault verify(const struct jwks *jwks, struct slice text, struct claims **claims)
{
    static const struct jwt_rules rules = {.issuer = {"joe", 3}, .audience = {"edge", 4}};
    struct jwt_span span;
    struct jwt jwt;
    enum jwt_fault fault = jwt_open(text, jwks, &jwt);

    if (fault == JWT_GOOD)
        fault = jwt_check(&jwt, &rules, 0, claims, &span);
    jwt_close(&jwt);
    return fault;
}

/* How many allocations the verification of TEXT makes; each of them fails once. */
static long verify_without_memory(const struct jwks *jwks, struct slice text)
{
    long steps = 0;

    for (bool was_reached = true; was_reached && steps < MOST_STEPS; steps++) {
        struct claims *claims = NULL;
        enum jwt_fault fault;

        steps_left = steps;
        fault = verify(jwks, text, &claims);
        was_reached = steps_left < 0;
        steps_left = -1;
        ck_assert_msg((fault == JWT_GOOD) == !was_reached && (claims == NULL) == was_reached,
                      "allocation %ld of a token of %zu bytes: fault %d", steps, text.size, (int)fault);
        claims_free(claims);
    }
    return steps;
}

/* All that is read of it is escaped, and has to be written out; with more and more beside it, so that each of these texts is once
 * the first that does not fit what memory there is. */
START_TEST(a_token_without_memory_is_not_believed)
{
    const struct maker_key key = maker_key(&maker_kinds[0]);
    char set[MAKER_SET_SIZE], text[MAKER_TOKEN_SIZE], payload[8000], filling[4200] = "";
    struct failure failure;
    struct jwks *jwks = jwks_parse("keys.json", slice_of(maker_set(&key, "k", set)), &failure);

    ck_assert_ptr_nonnull(jwks);
    for (size_t size = 0; size < sizeof(filling) - 1; size += size < 3000 ? 1000 : 16) {
        long steps;

        memset(filling, 'x', size);
        snprintf(payload, sizeof(payload), "{\"\\u0070\":\"%s\",\"\\u0065xp\":1300819380,\"\\u0069ss\":\"\\u006aoe\","
                 "\"\\u0061ud\":[\"\\u0065dge\",\"a\"]}", filling);
        steps = verify_without_memory(jwks, maker_token(&key, "{\"\\u0061lg\":\"\\u0048S256\",\"\\u006bid\":\"\\u006b\"}",
                                                        payload, text));
        ck_assert_int_gt(steps, 5);
        ck_assert_int_lt(steps, MOST_STEPS);
    }
    jwks_free(jwks);
}
END_TEST

/* More networks than there is room for at first, so that the list has to grow. */
START_TEST(networks_without_memory_are_refused)
{
    char text[700 * 12];
    size_t size = 0;
    long steps = 0;

    for (int i = 0; i < 700; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "10.0.%d.%d\n", i / 256, i % 256);
    for (bool was_reached = true; was_reached && steps < MOST_STEPS; steps++) {
        struct failure failure = {.code = EXIT_CODE_OK};
        struct networks *networks;

        steps_left = steps;
        networks = networks_parse("list", (struct slice){text, size}, &failure);
        was_reached = steps_left < 0;
        steps_left = -1;
        ck_assert((networks == NULL) == was_reached);
        ck_assert((strstr(failure.sentence, "no memory") != NULL) == was_reached);
        networks_free(networks);
    }
    ck_assert_int_gt(steps, 4);
    ck_assert_int_lt(steps, MOST_STEPS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, every_failed_allocation_of_a_load_is_told, 0, 2);
    tcase_add_test(tcase, a_token_without_memory_has_no_claims);
    tcase_add_test(tcase, keys_without_memory_are_refused);
    tcase_add_test(tcase, a_token_without_memory_is_not_believed);
    tcase_add_test(tcase, networks_without_memory_are_refused);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
