/* SPDX-License-Identifier: MPL-2.0
 *
 * Verdicts worded: header fields and bodies, at the edges of their numbers.
 */
#include <check.h>
#include <stdlib.h>

#include "policy/decimal.h"
#include "shm/moment.h"
#include "worker/headers.h"
#include "worker/outbox.h"
#include "worker/reject.h"

#define SECOND NANOSECONDS_PER_SECOND
#define UNITS  BUNDLE_MILLIONTHS

static const struct rule rules[2] = {{.name = {"per-\"key\"", 9}, .algorithm = ALGORITHM_TOKEN_BUCKET},
                                     {.name = {"llm", 3}, .algorithm = ALGORITHM_TOKEN_BUCKET_LLM}};
static const struct rule fallback = {.is_fallback = true};
static const struct policy policies[2] = {
    {.id = {"first", 5}, .rules = rules, .rule_count = 2, .fallback = &fallback},
    {.id = {"a\"b\\c\303\274", 7}, .rules = rules, .rule_count = 1, .error_format = ERROR_FORMAT_AUTO},
};
static const struct bundle bundle = {.policies = policies, .policy_count = 2, .rule_count = 4};

static struct headers headers;
static struct outbox out;

static void setup(void)
{
    ck_assert(headers_init(&headers, &bundle));
    ck_assert(outbox_init(&out, 16));
}

static void teardown(void)
{
    headers_fini(&headers);
    outbox_fini(&out);
}

static struct verdict refused(const struct policy *policy, const struct rule *rule)
{
    return (struct verdict){.reason = REASON_rate_limit_exceeded,
                            .policy = policy,
                            .rule = rule,
                            .has_limit = true,
                            .limit = {policy, rule, 10 * UNITS, UNITS / 2, 2 * SECOND, SECOND / 5},
                            .retry_cures = true,
                            .retry_after_ns = SECOND / 4};
}

static const char *write_headers(const struct verdict *verdict, unsigned status, bool with_reason)
{
    outbox_clear(&out);
    headers_write(&headers, verdict, status, with_reason, &out);
    outbox_add(&out, (struct slice){"", 1});
    ck_assert(!out.is_short);
    return out.data;
}

static const char *write_body(const struct verdict *verdict, const char *path, bool with_reason)
{
    outbox_clear(&out);
    reject_write(verdict, slice_of(path), with_reason, &out);
    outbox_add(&out, (struct slice){"", 1});
    return out.data;
}

START_TEST(words_an_allow)
{
    struct verdict verdict = refused(&policies[0], &fallback);

    verdict.is_allowed = true;
    verdict.reason = REASON_NONE;
    for (int i = 0; i < 2; i++) /* the second time from what was kept */
        ck_assert_str_eq(write_headers(&verdict, 200, true),
                         "X-Fairvisor-Status: 200\r\nRateLimit-Policy: \"first\";q=10;w=2\r\nRateLimit-Limit: 10\r\n"
                         "RateLimit: \"first\";r=0;t=1\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 1\r\n");
    verdict.limit.limit = 5 * UNITS;
    verdict.limit.remaining = -3 * UNITS;
    verdict.limit.reset_ns = 0;
    ck_assert_str_eq(write_headers(&verdict, 204, true),
                     "X-Fairvisor-Status: 204\r\nRateLimit-Policy: \"first\";q=5;w=2\r\nRateLimit-Limit: 5\r\n"
                     "RateLimit: \"first\";r=0;t=0\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 0\r\n");
    verdict.has_limit = false;
    ck_assert_str_eq(write_headers(&verdict, 200, true), "X-Fairvisor-Status: 200\r\n");
}
END_TEST

START_TEST(words_a_reject)
{
    struct verdict verdict = refused(&policies[1], &rules[0]);

    ck_assert_str_eq(write_headers(&verdict, 429, true),
                     "X-Fairvisor-Status: 429\r\nX-Fairvisor-Reason: rate_limit_exceeded\r\nRetry-After: 1\r\n"
                     "retry-after-ms: 250\r\nRateLimit-Policy: \"a\\\"b\\\\c??\";q=10;w=2\r\nRateLimit-Limit: 10\r\n"
                     "RateLimit: \"a\\\"b\\\\c??\";r=0;t=1\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 1\r\n");
    ck_assert_ptr_null(strstr(write_headers(&verdict, 429, false), "X-Fairvisor-Reason"));
}
END_TEST

/* {wait, reset, cures} -> fields */
START_TEST(tells_when_to_come_back)
{
    static const struct {
        int64_t wait_ns, reset_ns;
        bool cures;
        const char *fields;
    } cases[] = {
        {0, 0, true, "Retry-After: 1\r\nretry-after-ms: 1\r\n"},
        {1, 0, true, "Retry-After: 1\r\nretry-after-ms: 1\r\n"},
        {SECOND, SECOND, true, "Retry-After: 1\r\nretry-after-ms: 1000\r\n"},
        {SECOND + 1, SECOND, true, "Retry-After: 2\r\nretry-after-ms: 1001\r\n"},
        {SECOND, 3 * SECOND, true, "Retry-After: 3\r\nretry-after-ms: 1000\r\n"},
        {60 * SECOND, 0, true, "Retry-After: 60\r\nretry-after-ms: 60000\r\n"},
        {60 * SECOND + 1, 0, true, "Retry-After: 61\r\nx-should-retry: false\r\n"},
        {SECOND, 0, false, "Retry-After: 1\r\nx-should-retry: false\r\n"},
        {INT64_MAX, INT64_MAX, true, "Retry-After: 9223372037\r\nx-should-retry: false\r\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct verdict verdict = refused(&policies[0], &rules[0]);

        verdict.retry_after_ns = cases[i].wait_ns;
        verdict.limit.reset_ns = cases[i].reset_ns;
        verdict.retry_cures = cases[i].cures;
        ck_assert_ptr_nonnull(strstr(write_headers(&verdict, 429, true), cases[i].fields));
    }
}
END_TEST

START_TEST(words_a_problem)
{
    struct verdict verdict = refused(&policies[0], &rules[0]);

    ck_assert_str_eq(write_body(&verdict, "/a", true),
                     "{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\","
                     "\"title\":\"Too many requests\",\"status\":429,\"detail\":\"The limit \\\"per-\\\"key\\\"\\\" of "
                     "policy \\\"first\\\" allows 10 in 2 s; left: 0. Come back in 1 s.\","
                     "\"violated-policies\":[\"first\"],\"reason\":\"rate_limit_exceeded\"}\n");
    ck_assert_str_eq(write_body(&verdict, "/a", false),
                     "{\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,"
                     "\"detail\":\"The request was refused. Come back in 1 s.\"}\n");
}
END_TEST

START_TEST(words_a_kill_switch)
{
    static const struct kill_switch kill = {.reason = {"key \"leaked\"\n", 13}};
    struct verdict verdict = {.reason = REASON_kill_switch_active, .kill_switch = &kill, .retry_after_ns = 60 * SECOND};

    ck_assert_str_eq(write_body(&verdict, "/a", true),
                     "{\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,"
                     "\"detail\":\"A kill switch blocks this identity. Reason: key \\\"leaked\\\"\\u000a. "
                     "Retrying does not help.\",\"violated-policies\":[],\"reason\":\"kill_switch_active\"}\n");
}
END_TEST

START_TEST(names_the_model_without_a_price)
{
    static const struct rule money = {
        .name = {"m", 1}, .algorithm = ALGORITHM_COST_BASED, .config.cost_budget.cost.source = COST_SOURCE_USAGE};
    struct verdict verdict = {
        .reason = REASON_model_unpriced, .policy = &policies[0], .rule = &money, .model_size = 4, .model = "a\"\\b"};

    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/x", true),
                                 "The limit \\\"m\\\" of policy \\\"first\\\": The model \\\"a\\\"\\\\b\\\" has no price, "
                                 "and a budget counts what requests cost. Retrying does not help."));
    verdict.model_size = 0;
    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/x", true), "No model with a price is named"));
    verdict.model_size = 4;
    ck_assert_ptr_null(strstr(write_body(&verdict, "/x", false), "a\\\""));
}
END_TEST

START_TEST(chooses_the_dialect)
{
    static const struct rule money = {
        .name = {"m", 1}, .algorithm = ALGORITHM_COST_BASED, .config.cost_budget.cost.source = COST_SOURCE_USAGE};
    static const struct rule calls = {
        .name = {"m", 1}, .algorithm = ALGORITHM_COST_BASED, .config.cost_budget.cost.source = COST_SOURCE_FIXED};
    struct verdict verdict = refused(&policies[0], &rules[0]);
    struct verdict llm = refused(&policies[0], &rules[1]);
    struct verdict unpriced = refused(&policies[0], &money);
    struct verdict spent = refused(&policies[0], &calls);

    unpriced.reason = REASON_model_unpriced;
    ck_assert_ptr_nonnull(strstr(write_body(&unpriced, "/x", true), "{\"error\":{\"message\":\""));
    spent.reason = REASON_budget_exhausted;
    ck_assert_ptr_nonnull(strstr(write_body(&spent, "/x", true), "problem-types"));
    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/v1/messages", true), "{\"type\":\"error\""));
    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/v1/messages/x", true), "{\"type\":\"error\""));
    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/v1/messagesx", true), "problem-types"));
    ck_assert_ptr_nonnull(strstr(write_body(&llm, "/x", true), "\"code\":\"rate_limit_exceeded\""));
    ck_assert_ptr_nonnull(strstr(write_body(&llm, "/v1/threads/t/messages", true), "\"code\":\"rate_limit_exceeded\""));
    ck_assert_ptr_nonnull(strstr(write_body(&llm, "/x/v1/messagesx", true), "\"code\":\"rate_limit_exceeded\""));
    ck_assert_ptr_nonnull(strstr(write_body(&llm, "/anthropic/v1/messages", true), "{\"type\":\"error\""));
    ck_assert_ptr_nonnull(strstr(write_body(&llm, "/x/v1/messages/batches", true), "{\"type\":\"error\""));
    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/x/v1/messages", true), "problem-types"));
    llm.reason = REASON_budget_exhausted;
    ck_assert_ptr_nonnull(strstr(write_body(&llm, "/x", true), "\"type\":\"insufficient_quota\""));
    verdict.reason = REASON_state_full;
    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/x", true), "#temporary-reduced-capacity"));
    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/x", true), "\"status\":503"));
}
END_TEST

START_TEST(words_warnings_loops_and_reservations)
{
    struct verdict verdict = {.is_allowed = true, .warnings = VERDICT_BUDGET_WARN};

    ck_assert_str_eq(write_headers(&verdict, 200, true),
                     "X-Fairvisor-Status: 200\r\nX-Fairvisor-Warning: budget_warn\r\n");
    verdict.warnings = VERDICT_BUDGET_WARN | VERDICT_BUDGET_THROTTLE | VERDICT_LOOP_WARN;
    verdict.loop_count = 12;
    memcpy(verdict.reservation, "AQID_-", 6);
    verdict.reservation_size = 6;
    ck_assert_str_eq(write_headers(&verdict, 200, true),
                     "X-Fairvisor-Status: 200\r\nX-Fairvisor-Warning: budget_warn, budget_throttle, loop_warn\r\n"
                     "X-Fairvisor-Loop-Count: 12\r\nX-Fairvisor-Reservation: AQID_-\r\n");
    verdict.is_allowed = false; /* nothing was reserved */
    verdict.warnings = VERDICT_LOOP_WARN;
    verdict.reason = REASON_loop_detected;
    ck_assert_str_eq(write_headers(&verdict, 429, false),
                     "X-Fairvisor-Status: 429\r\nRetry-After: 1\r\nx-should-retry: false\r\n"
                     "X-Fairvisor-Warning: loop_warn\r\nX-Fairvisor-Loop-Count: 12\r\n");
}
END_TEST

/* Amounts are told to the last millionth, but what comes back all the time in whole units. */
START_TEST(words_amounts)
{
    static const struct rule budget = {.name = {"r", 1}, .algorithm = ALGORITHM_COST_BASED};
    static const struct policy watched = {
        .id = {"p", 1}, .rules = &budget, .rule_count = 1, .breaker = {.is_enabled = true, .threshold = UNITS / 4}};
    static const struct {
        const struct rule *rule;
        int64_t limit, remaining, needed;
        const char *part;
    } cases[] = {
        {&budget, UNITS / 2, UNITS / 4, 0, " allows 0.5 in 60 s; left: 0.25."},
        {&budget, UNITS / 2, UNITS / 2, UNITS * 3 / 5, " allows 0.5 in 60 s; this request needs 0.6 and never fits."},
        {&budget, 10 * UNITS, 1, 0, " allows 10 in 60 s; left: 0.000001."},
        {&budget, 10 * UNITS, 0, 0, " allows 10 in 60 s; left: 0."},
        {&budget, 10 * UNITS, -1, 0, " allows 10 in 60 s; left: 0."},
        {&rules[0], 5 * UNITS / 2, UNITS * 3 / 2, 0, " allows 2.5 in 60 s; left: 1."},
        {&rules[0], DECIMAL_MAX, 0, 0, " allows 9007199254.740992 in 60 s; left: 0."},
    };
    struct verdict verdict = {.reason = REASON_circuit_breaker_open, .policy = &watched, .retry_after_ns = SECOND};

    ck_assert_ptr_nonnull(strstr(write_body(&verdict, "/a", true), "spending grew beyond 0.25 a minute."));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        verdict = refused(&policies[0], cases[i].rule);
        verdict.limit = (struct limit_state){&policies[0],  cases[i].rule, cases[i].limit, cases[i].remaining,
                                             60 * SECOND, SECOND,        cases[i].needed};
        ck_assert_msg(strstr(write_body(&verdict, "/a", true), cases[i].part) != NULL, "%s is not in %s", cases[i].part,
                      out.data);
    }
}
END_TEST

/* The kinds of refusals in each dialect, and as a problem whose reason is hidden. */
START_TEST(words_each_kind_in_each_dialect)
{
    static const struct {
        enum reason reason;
        enum error_format format;
        bool with_reason;
        const char *body; /* from the message's end, or from the beginning */
    } cases[] = {
        {REASON_rate_limit_exceeded, ERROR_FORMAT_OPENAI, true,
         "\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\",\"param\":null}}\n"},
        {REASON_budget_exhausted, ERROR_FORMAT_OPENAI, true,
         "\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\",\"param\":null}}\n"},
        {REASON_tpd_exceeded, ERROR_FORMAT_OPENAI, true,
         "\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\",\"param\":null}}\n"},
        {REASON_identity_missing, ERROR_FORMAT_OPENAI, true,
         "\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\",\"param\":null}}\n"},
        {REASON_state_full, ERROR_FORMAT_OPENAI, true,
         "\",\"type\":\"server_error\",\"code\":\"server_error\",\"param\":null}}\n"},
        {REASON_jwt_invalid, ERROR_FORMAT_OPENAI, true,
         "\",\"type\":\"authentication_error\",\"code\":\"invalid_token\",\"param\":null}}\n"},
        {REASON_body_encoded, ERROR_FORMAT_OPENAI, true,
         "\",\"type\":\"invalid_request_error\",\"code\":\"unsupported_encoding\",\"param\":null}}\n"},
        {REASON_rate_limit_exceeded, ERROR_FORMAT_ANTHROPIC, true,
         "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\""},
        {REASON_state_full, ERROR_FORMAT_ANTHROPIC, true,
         "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\""},
        {REASON_jwt_invalid, ERROR_FORMAT_ANTHROPIC, true,
         "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\""},
        {REASON_body_encoded, ERROR_FORMAT_ANTHROPIC, true,
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\""},
        {REASON_rate_limit_exceeded, ERROR_FORMAT_GEMINI, true,
         "\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
         "\"retryDelay\":\"9s\"}]}}\n"},
        {REASON_budget_exhausted, ERROR_FORMAT_GEMINI, true, "\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[]}}\n"},
        {REASON_budget_exhausted, ERROR_FORMAT_GEMINI, true, "{\"error\":{\"code\":429,\"message\":\""},
        {REASON_state_full, ERROR_FORMAT_GEMINI, true, "{\"error\":{\"code\":503,\"message\":\""},
        {REASON_state_full, ERROR_FORMAT_GEMINI, true, "\",\"status\":\"UNAVAILABLE\",\"details\":[{"},
        {REASON_jwt_invalid, ERROR_FORMAT_GEMINI, true, "\",\"status\":\"UNAUTHENTICATED\",\"details\":[]}}\n"},
        {REASON_body_encoded, ERROR_FORMAT_GEMINI, true, "\",\"status\":\"INVALID_ARGUMENT\",\"details\":[]}}\n"},
        {REASON_rate_limit_exceeded, ERROR_FORMAT_MISTRAL, true, "{\"object\":\"error\",\"message\":\""},
        {REASON_rate_limit_exceeded, ERROR_FORMAT_MISTRAL, true,
         "\",\"type\":\"rate_limit_error\",\"param\":null,\"code\":\"rate_limit_exceeded\"}\n"},
        {REASON_budget_exhausted, ERROR_FORMAT_MISTRAL, true,
         "\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}\n"},
        {REASON_budget_exhausted, ERROR_FORMAT_PROBLEM, true,
         "#quota-exceeded\",\"title\":\"Budget exhausted\",\"status\":429,"},
        {REASON_loop_detected, ERROR_FORMAT_PROBLEM, true,
         "#abnormal-usage-detected\",\"title\":\"Abnormal usage\",\"status\":429,"},
        {REASON_no_bundle_loaded, ERROR_FORMAT_PROBLEM, true,
         "#temporary-reduced-capacity\",\"title\":\"Temporarily reduced capacity\",\"status\":503,"},
        {REASON_body_encoded, ERROR_FORMAT_PROBLEM, true,
         "{\"type\":\"about:blank\",\"title\":\"Unsupported Media Type\",\"status\":415,"},
        {REASON_jwt_invalid, ERROR_FORMAT_PROBLEM, true,
         "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,"},
        {REASON_rate_limit_exceeded, ERROR_FORMAT_PROBLEM, false,
         "{\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,"},
        {REASON_jwt_invalid, ERROR_FORMAT_PROBLEM, false,
         "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,"},
        {REASON_body_encoded, ERROR_FORMAT_PROBLEM, false,
         "{\"type\":\"about:blank\",\"title\":\"Unsupported Media Type\",\"status\":415,"},
        {REASON_state_full, ERROR_FORMAT_PROBLEM, false,
         "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct policy policy = {.id = {"p", 1}, .error_format = cases[i].format};
        struct verdict verdict = {.reason = cases[i].reason,
                                  .policy = &policy,
                                  .retry_cures = verdict_reasons[cases[i].reason].retry_cures,
                                  .retry_after_ns = 9 * SECOND};

        ck_assert_msg(strstr(write_body(&verdict, "/v1/messages", cases[i].with_reason), cases[i].body) != NULL,
                      "%s is not in %s", cases[i].body, out.data);
    }
}
END_TEST

/* What each refusal says: which limit, how much, when to come back. */
START_TEST(words_each_cause)
{
    static const struct rule caps = {
        .name = {"r", 1},
        .algorithm = ALGORITHM_TOKEN_BUCKET_LLM,
        .config.token_budget = {.max_prompt = 500, .max_completion = 800, .max_per_request = 900}};
    static const struct rule flight = {.name = {"r", 1}, .algorithm = ALGORITHM_CONCURRENCY};
    static const struct policy guarded = {.id = {"p", 1},
                                          .rules = &caps,
                                          .rule_count = 1,
                                          .loop = {true, 10 * SECOND, 3, LOOP_REJECT},
                                          .breaker = {.is_enabled = true, .threshold = 100 * UNITS, .open_ns = SECOND}};
    static const struct policy by_hand = {.id = {"p", 1}, .breaker = {.is_enabled = true, .threshold = 100 * UNITS}};
    const struct limit_state day = {&guarded, &caps, 2000 * UNITS, 400 * UNITS, 86400 * SECOND, 60 * SECOND, 0};
    const struct limit_state never = {&guarded,        &caps,          2000 * UNITS,    2000 * UNITS,
                                      86400 * SECOND,  86400 * SECOND, 3000 * UNITS + 1};
    const struct limit_state busy = {&guarded, &flight, 2 * UNITS, 0, 30 * SECOND, SECOND, 0};
    const struct {
        enum reason reason;
        const struct policy *policy;
        const struct rule *rule;
        const struct limit_state *limit;
        bool cures;
        const char *body;
    } cases[] = {
        {REASON_loop_detected, &guarded, NULL, NULL, false,
         "{\"error\":{\"message\":\"Policy \\\"p\\\" found a loop: no more than 2 identical requests may come within "
         "10 "
         "s. Retrying does not help before 90 s have passed.\",\"type\":\"rate_limit_error\","
         "\"code\":\"rate_limit_exceeded\",\"param\":null}}\n"},
        {REASON_circuit_breaker_open, &guarded, NULL, NULL, false,
         "{\"error\":{\"message\":\"The circuit breaker of policy \\\"p\\\" is open: spending grew beyond 100 a "
         "minute. "
         "Retrying does not help before 90 s have passed.\",\"type\":\"rate_limit_error\","
         "\"code\":\"rate_limit_exceeded\",\"param\":null}}\n"},
        {REASON_circuit_breaker_open, &by_hand, NULL, NULL, false,
         "{\"type\":\"https://iana.org/assignments/http-problem-types#abnormal-usage-detected\","
         "\"title\":\"Abnormal usage\",\"status\":429,\"detail\":\"The circuit breaker of policy \\\"p\\\" is open: "
         "spending grew beyond 100 a minute. It stays open until an operator resets it. Retrying does not help.\","
         "\"violated-policies\":[\"p\"],\"reason\":\"circuit_breaker_open\"}\n"},
        {REASON_tpd_exceeded, &guarded, &caps, &day, false,
         "{\"error\":{\"message\":\"The limit \\\"r\\\" of policy \\\"p\\\" allows 2000 tokens in 86400 s; left: 400. "
         "Retrying does not help before 90 s have passed.\",\"type\":\"insufficient_quota\","
         "\"code\":\"insufficient_quota\",\"param\":null}}\n"},
        {REASON_tpd_exceeded, &guarded, &caps, &never, false,
         "{\"error\":{\"message\":\"The limit \\\"r\\\" of policy \\\"p\\\" allows 2000 tokens in 86400 s; this "
         "request needs 3000.000001 and never fits. Retrying does not help.\",\"type\":\"insufficient_quota\","
         "\"code\":\"insufficient_quota\",\"param\":null}}\n"},
        {REASON_prompt_tokens_exceeded, &guarded, &caps, NULL, false,
         "{\"error\":{\"message\":\"The limit \\\"r\\\" of policy \\\"p\\\" allows 500 prompt tokens in one request. "
         "Retrying does not help.\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\",\"param\":null}}\n"},
        {REASON_completion_tokens_exceeded, &guarded, &caps, NULL, false,
         "{\"error\":{\"message\":\"The limit \\\"r\\\" of policy \\\"p\\\" allows 800 completion tokens in one "
         "request. "
         "Retrying does not help.\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\",\"param\":null}}\n"},
        {REASON_max_tokens_per_request_exceeded, &guarded, &caps, NULL, false,
         "{\"error\":{\"message\":\"The limit \\\"r\\\" of policy \\\"p\\\" allows 900 tokens in one request. "
         "Retrying does not help.\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\",\"param\":null}}\n"},
        {REASON_concurrency_exceeded, &guarded, &flight, &busy, true,
         "{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\",\"title\":\"Too many requests\","
         "\"status\":429,\"detail\":\"The limit \\\"r\\\" of policy \\\"p\\\" allows 2 at a time; left: 0. Come back "
         "in "
         "90 s.\",\"violated-policies\":[\"p\"],\"reason\":\"concurrency_exceeded\"}\n"},
        {REASON_identity_missing, &guarded, &flight, NULL, false,
         "{\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,\"detail\":\"The limit \\\"r\\\" of "
         "policy \\\"p\\\": The request lacks query:a\\\"b, which the rule needs. Retrying does not help.\","
         "\"violated-policies\":[\"p\"],\"reason\":\"identity_missing\"}\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct verdict verdict = {.reason = cases[i].reason,
                                  .policy = cases[i].policy,
                                  .rule = cases[i].rule,
                                  .has_limit = cases[i].limit != NULL,
                                  .retry_cures = cases[i].cures,
                                  .retry_after_ns = 90 * SECOND};

        if (cases[i].reason == REASON_identity_missing)
            verdict.missing_key = SLICE("query:a\"b");
        if (cases[i].limit)
            verdict.limit = *cases[i].limit;
        ck_assert_str_eq(write_body(&verdict, "/v1/chat", true), cases[i].body);
    }
}
END_TEST

START_TEST(writes_numbers)
{
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {{0, "0"},       {9, "9"},       {10, "10"},         {99, "99"},
                 {100, "100"},   {101, "101"},   {12345, "12345"},   {UINT64_MAX, "18446744073709551615"},
                 {1000, "1000"}, {9999, "9999"}, {100000, "100000"}, {1000000007, "1000000007"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        outbox_clear(&out);
        outbox_number(&out, cases[i].number);
        ck_assert(slice_equal((struct slice){out.data, out.used}, slice_of(cases[i].text)));
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("answer");
    Suite *suite = suite_create("worker/answer");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, words_an_allow);
    tcase_add_test(tcase, words_a_reject);
    tcase_add_test(tcase, tells_when_to_come_back);
    tcase_add_test(tcase, words_a_problem);
    tcase_add_test(tcase, words_a_kill_switch);
    tcase_add_test(tcase, names_the_model_without_a_price);
    tcase_add_test(tcase, chooses_the_dialect);
    tcase_add_test(tcase, words_warnings_loops_and_reservations);
    tcase_add_test(tcase, words_amounts);
    tcase_add_test(tcase, words_each_kind_in_each_dialect);
    tcase_add_test(tcase, words_each_cause);
    tcase_add_test(tcase, writes_numbers);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
