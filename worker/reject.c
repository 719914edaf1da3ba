/* SPDX-License-Identifier: MPL-2.0
 *
 * Words refusals as JSON: problem details (RFC 9457) or the error objects of the LLM interfaces.
 */
#include "worker/reject.h"

#include "policy/endpoint.h"
#include "worker/headers.h"
#include "worker/reject_sentence.h"

#define PROBLEM_TYPES "https://iana.org/assignments/http-problem-types#"

/* How a kind of refusal is called in each dialect. */
struct wording {
    const char *problem_type, *title;
    const char *openai_type, *openai_code;
    const char *anthropic_type;
    const char *gemini_status;
};

static const struct wording limit_words = {PROBLEM_TYPES "quota-exceeded", "Too many requests", "rate_limit_error",
                                           "rate_limit_exceeded",          "rate_limit_error",  "RESOURCE_EXHAUSTED"};
static const struct wording budget_words = {PROBLEM_TYPES "quota-exceeded", "Budget exhausted", "insufficient_quota",
                                            "insufficient_quota",           "rate_limit_error", "RESOURCE_EXHAUSTED"};
static const struct wording abnormal_words = {PROBLEM_TYPES "abnormal-usage-detected",
                                              "Abnormal usage",
                                              "rate_limit_error",
                                              "rate_limit_exceeded",
                                              "rate_limit_error",
                                              "RESOURCE_EXHAUSTED"};
static const struct wording capacity_words = {PROBLEM_TYPES "temporary-reduced-capacity",
                                              "Temporarily reduced capacity",
                                              "server_error",
                                              "server_error",
                                              "overloaded_error",
                                              "UNAVAILABLE"};
static const struct wording blocked_words = {"about:blank",         "Too Many Requests", "rate_limit_error",
                                             "rate_limit_exceeded", "rate_limit_error",  "RESOURCE_EXHAUSTED"};
static const struct wording token_words = {"about:blank",   "Unauthorized",         "authentication_error",
                                           "invalid_token", "authentication_error", "UNAUTHENTICATED"};
static const struct wording encoded_words = {"about:blank",          "Unsupported Media Type", "invalid_request_error",
                                             "unsupported_encoding", "invalid_request_error",  "INVALID_ARGUMENT"};

static const struct wording *const wordings[REASON_COUNT] = {
    [REASON_rate_limit_exceeded] = &limit_words,
    [REASON_budget_exhausted] = &budget_words,
    [REASON_tpm_exceeded] = &limit_words,
    [REASON_tpd_exceeded] = &budget_words,
    [REASON_prompt_tokens_exceeded] = &limit_words,
    [REASON_max_tokens_per_request_exceeded] = &limit_words,
    [REASON_completion_tokens_exceeded] = &limit_words,
    [REASON_model_unpriced] = &blocked_words,
    [REASON_kill_switch_active] = &blocked_words,
    [REASON_loop_detected] = &abnormal_words,
    [REASON_circuit_breaker_open] = &abnormal_words,
    [REASON_concurrency_exceeded] = &limit_words,
    [REASON_identity_missing] = &blocked_words,
    [REASON_no_policy_matched] = &blocked_words,
    [REASON_jwt_invalid] = &token_words,
    [REASON_no_bundle_loaded] = &capacity_words,
    [REASON_state_full] = &capacity_words,
    [REASON_body_encoded] = &encoded_words,
};

static const struct wording *words_of(enum reason reason)
{
    return wordings[reason] ? wordings[reason] : &blocked_words;
}

static void add_text(struct outbox *out, const char *text)
{
    outbox_add(out, slice_of(text));
}

/* The phrase of the true status: what a problem without a type of its own is called (RFC 9457). */
static const char *phrase_of(unsigned status)
{
    switch (status) {
    case 401:
        return token_words.title;
    case 415:
        return encoded_words.title;
    case 503:
        return "Service Unavailable";
    default:
        return blocked_words.title;
    }
}

static void write_problem(const struct verdict *verdict, const struct wording *words, bool with_reason,
                          struct outbox *out)
{
    outbox_add(out, SLICE("{\"type\":\""));
    add_text(out, with_reason ? words->problem_type : "about:blank");
    outbox_add(out, SLICE("\",\"title\":\""));
    add_text(out, with_reason ? words->title : phrase_of(verdict_reasons[verdict->reason].status));
    outbox_add(out, SLICE("\",\"status\":"));
    outbox_number(out, verdict_reasons[verdict->reason].status);
    outbox_add(out, SLICE(",\"detail\":\""));
    reject_sentence_write(verdict, with_reason, out);
    outbox_add(out, SLICE("\""));
    if (with_reason) {
        outbox_add(out, SLICE(",\"violated-policies\":["));
        if (verdict->policy) {
            outbox_add(out, SLICE("\""));
            outbox_json(out, verdict->policy->id);
            outbox_add(out, SLICE("\""));
        }
        outbox_add(out, SLICE("],\"reason\":\""));
        add_text(out, verdict_reasons[verdict->reason].name);
        outbox_add(out, SLICE("\""));
    }
    outbox_add(out, SLICE("}\n"));
}

static void write_openai(const struct verdict *verdict, const struct wording *words, bool with_reason,
                         struct outbox *out)
{
    outbox_add(out, SLICE("{\"error\":{\"message\":\""));
    reject_sentence_write(verdict, with_reason, out);
    outbox_add(out, SLICE("\",\"type\":\""));
    add_text(out, words->openai_type);
    outbox_add(out, SLICE("\",\"code\":\""));
    add_text(out, words->openai_code);
    outbox_add(out, SLICE("\",\"param\":null}}\n"));
}

static void write_anthropic(const struct verdict *verdict, const struct wording *words, bool with_reason,
                            struct outbox *out)
{
    outbox_add(out, SLICE("{\"type\":\"error\",\"error\":{\"type\":\""));
    add_text(out, words->anthropic_type);
    outbox_add(out, SLICE("\",\"message\":\""));
    reject_sentence_write(verdict, with_reason, out);
    outbox_add(out, SLICE("\"}}\n"));
}

static void write_gemini(const struct verdict *verdict, const struct wording *words, bool with_reason,
                         struct outbox *out)
{
    outbox_add(out, SLICE("{\"error\":{\"code\":"));
    outbox_number(out, verdict_reasons[verdict->reason].status);
    outbox_add(out, SLICE(",\"message\":\""));
    reject_sentence_write(verdict, with_reason, out);
    outbox_add(out, SLICE("\",\"status\":\""));
    add_text(out, words->gemini_status);
    outbox_add(out, SLICE("\",\"details\":["));
    if (verdict->retry_cures) {
        outbox_add(out, SLICE("{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\""));
        outbox_number(out, headers_retry_seconds(verdict));
        outbox_add(out, SLICE("s\"}"));
    }
    outbox_add(out, SLICE("]}}\n"));
}

static void write_mistral(const struct verdict *verdict, const struct wording *words, bool with_reason,
                          struct outbox *out)
{
    outbox_add(out, SLICE("{\"object\":\"error\",\"message\":\""));
    reject_sentence_write(verdict, with_reason, out);
    outbox_add(out, SLICE("\",\"type\":\""));
    add_text(out, words->openai_type);
    outbox_add(out, SLICE("\",\"param\":null,\"code\":\""));
    add_text(out, words->openai_code);
    outbox_add(out, SLICE("\"}\n"));
}

typedef void dialect(const struct verdict *verdict, const struct wording *words, bool with_reason, struct outbox *out);

static dialect *const dialects[] = {
    [ERROR_FORMAT_OPENAI] = write_openai,   [ERROR_FORMAT_ANTHROPIC] = write_anthropic,
    [ERROR_FORMAT_GEMINI] = write_gemini,   [ERROR_FORMAT_MISTRAL] = write_mistral,
    [ERROR_FORMAT_PROBLEM] = write_problem,
};

static bool is_under(struct slice path, struct slice folder)
{
    return slice_has_prefix(path, folder) && (path.size == folder.size || path.data[folder.size] == '/');
}

/* A loop or an open breaker belongs to no rule: then all rules of the policy tell what its clients are. */
static bool is_about_tokens(const struct verdict *verdict)
{
    const struct policy *policy = verdict->policy;

    if (verdict->rule)
        return bundle_counts_usage(verdict->rule);
    return policy && bundle_policy_counts_usage(policy);
}

static enum error_format choose_format(const struct verdict *verdict, struct slice path)
{
    enum error_format format = verdict->policy ? verdict->policy->error_format : ERROR_FORMAT_AUTO;

    if (format != ERROR_FORMAT_AUTO)
        return format;
    if (is_under(path, SLICE("/v1/messages")))
        return ERROR_FORMAT_ANTHROPIC;
    if (is_about_tokens(verdict))
        return endpoint_is_anthropic(path) ? ERROR_FORMAT_ANTHROPIC : ERROR_FORMAT_OPENAI;
    return ERROR_FORMAT_PROBLEM;
}

struct slice reject_write(const struct verdict *verdict, struct slice path, bool with_reason, struct outbox *out)
{
    enum error_format format = choose_format(verdict, path);

    dialects[format](verdict, words_of(verdict->reason), with_reason, out);
    return format == ERROR_FORMAT_PROBLEM ? SLICE("application/problem+json") : SLICE("application/json");
}
