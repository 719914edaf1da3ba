/* SPDX-License-Identifier: MPL-2.0
 *
 * Opens the key set that the settings name; the service works on the copy that it made when it loaded it.
 */
#include "cli/bearer.h"

#include "cli/lookup.h"

#define MICROSECONDS_PER_MILLISECOND 1000

/* A token whose signature cannot be verified is held against the rules all the same: what is bad then is bad with any key. */
static enum jwt_fault check(const struct settings *settings, struct slice token, const struct jwks *keys, int64_t now_us,
                            struct claims **claims)
{
    static const struct jwks none;
    const struct jwt_rules rules = {.issuer = slice_of(settings->jwt_issuer),
                                    .audience = slice_of(settings->jwt_audience),
                                    .leeway_us = (int64_t)settings->jwt_leeway_ms * MICROSECONDS_PER_MILLISECOND};
    struct jwt_span span;
    struct jwt jwt;
    enum jwt_fault fault = jwt_open(token, keys ? keys : &none, &jwt);

    if (fault == JWT_GOOD || (fault == JWT_key && !keys))
        fault = jwt_check(&jwt, &rules, now_us, claims, &span);
    jwt_close(&jwt);
    return fault;
}

static void verify(const struct settings *settings, struct slice token, int64_t now_us, struct bearer *bearer)
{
    struct references references;
    bool is_open =
        lookup_open_keys(settings->references[SETTINGS_REFERENCE_TOKEN_KEYS], &references, &bearer->failure);

    bearer->fault = check(settings, token, is_open ? references.token_keys : NULL, now_us, &bearer->claims);
    bearer->is_verified = is_open || bearer->fault != JWT_GOOD;
    references_close(&references);
}

void bearer_judge(const struct settings *settings, struct slice authorization, bool is_repeated, int64_t now_us,
                  struct bearer *bearer)
{
    bool has_keys = settings->references[SETTINGS_REFERENCE_TOKEN_KEYS][0] != '\0';
    struct slice token = jwt_shape_bearer(authorization);

    *bearer = (struct bearer){.failure.code = EXIT_CODE_OK};
    bearer->is_token = is_repeated || (token.size > 0 && jwt_shape_is_meant(token));
    if (has_keys && is_repeated) {
        bearer->fault = JWT_repeated;
        bearer->is_verified = true;
    } else if (has_keys && bearer->is_token) {
        verify(settings, token, now_us, bearer);
    } else if (!is_repeated) {
        bearer->claims = claims_read(authorization);
    }
}

void bearer_free(struct bearer *bearer)
{
    claims_free(bearer->claims);
    bearer->claims = NULL;
}
