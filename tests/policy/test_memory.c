/* SPDX-License-Identifier: MPL-2.0
 *
 * Memory runs out at the first, second, third ... allocation: a load then fails and says so, a token has no claims, and
 * nothing leaks or crashes. The linker puts the functions of this file in front of the C library's.
 */
#include <check.h>
#include <stdlib.h>

#include "policy/claims.h"
#include "policy/jwt.h"
#include "policy/load.h"

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

/* RFC 7515 A.1, whose time is over: the key set alone, and then the token. */
static const char key_set[] =
    "{\"keys\":[{\"alg\":\"HS256\",\"kid\":\"\\u0061\",\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj"
    "1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"},{\"alg\":\"EdDSA\",\"kty\":"
    "\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
static const char token[] =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l"
    "eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

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

static enum jwt_fault verify(const struct jwks *jwks, struct claims **claims)
{
    static const struct jwt_rules rules = {.issuer = {"joe", 3}};
    struct jwt_span span;
    struct jwt jwt;
    enum jwt_fault fault = jwt_open(SLICE(token), jwks, &jwt);

    if (fault == JWT_GOOD)
        fault = jwt_check(&jwt, &rules, 0, claims, &span);
    jwt_close(&jwt);
    return fault;
}

START_TEST(a_token_without_memory_is_not_believed)
{
    struct failure failure;
    struct jwks *jwks = jwks_parse("keys.json", SLICE(key_set), &failure);
    long steps = 0;

    ck_assert_ptr_nonnull(jwks);
    for (bool was_reached = true; was_reached && steps < MOST_STEPS; steps++) {
        struct claims *claims = NULL;
        enum jwt_fault fault;

        steps_left = steps;
        fault = verify(jwks, &claims);
        was_reached = steps_left < 0;
        steps_left = -1;
        ck_assert((fault == JWT_GOOD) == !was_reached && (claims == NULL) == was_reached);
        claims_free(claims);
    }
    ck_assert_int_gt(steps, 5);
    ck_assert_int_lt(steps, MOST_STEPS);
    jwks_free(jwks);
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
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
