/* SPDX-License-Identifier: MPL-2.0
 *
 * The value of an Authorization field. Nobody makes a token that verifies without a key: what is called good was, and what is bad has
 * no claims. Claims of an unverified token are read by the same rules. What begins with a brace is the payload of a token whose signature
 * was good.
 */
#include "policy/jwt.h"
#include "tests/fuzz/entry.h"

#define NOW_US INT64_C(1780000000000000)

static const char key_set[] =
    "{\"keys\":[{\"kid\":\"example-1\",\"kty\":\"oct\",\"alg\":\"HS256\","
    "\"k\":\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8w\"},"
    "{\"kty\":\"OKP\",\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static void check_claims(const struct claims *claims)
{
    struct slice value = {0};

    MUST(claims_size(claims) > 0);
    if (claims_find(claims, SLICE("sub"), &value))
        MUST(value.size > 0 && value.data);
}

static void check_payload(const struct jwt *jwt)
{
    static const struct jwt_rules rules = {.issuer = SLICE("https://id.example"), .audience = SLICE("api"), .leeway_us = 1000000};
    struct claims *claims = NULL;
    struct jwt_span span = {0};
    enum jwt_fault fault = jwt_check(jwt, &rules, NOW_US, &claims, &span);

    MUST(fault < JWT_FAULTS && (fault == JWT_GOOD) == (claims != NULL));
    if (claims) {
        MUST(span.from_us <= NOW_US && NOW_US < span.until_us);
        check_claims(claims);
    }
    claims_free(claims);
}

static void verify(struct slice token, const struct jwks *keys)
{
    struct jwt jwt = {0};
    enum jwt_fault fault = jwt_open(token, keys, &jwt);

    MUST(fault < JWT_FAULTS && (fault != JWT_GOOD || jwt.key));
    if (fault == JWT_GOOD)
        check_payload(&jwt);
    jwt_close(&jwt);
}

static void check_signed(struct slice payload)
{
    struct jwt jwt = {.region = region_new(), .payload = payload};

    MUST(jwt.region);
    check_payload(&jwt);
    jwt_close(&jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwks *keys;
    struct failure failure = {0};
    struct slice text = entry_copy(data, size);
    struct slice bearer = jwt_shape_bearer(text);
    struct claims *claims = claims_read(text);

    if (!keys)
        keys = jwks_parse("keys", SLICE(key_set), &failure);
    MUST(keys);
    MUST(!claims || jwt_shape_is_meant(bearer));
    if (claims)
        check_claims(claims);
    claims_free(claims);
    if (size > 0 && data[0] == '{')
        check_signed(text);
    else
        verify(bearer.size > 0 ? bearer : text, keys);
    entry_free(text);
    return 0;
}
