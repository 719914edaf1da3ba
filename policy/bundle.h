/* SPDX-License-Identifier: MPL-2.0
 *
 * The compiled policy: what load.c makes of a bundle's bytes. Immutable once made; master, worker and command line
 * build the same one from the same bytes. Everything hangs off the struct bundle and is freed with it.
 *
 * Amounts are integer millionths (a cost of 1 is 1000000); times are seconds since 1970 UTC unless they say otherwise.
 */
#ifndef FAIRVISOR_POLICY_BUNDLE_H
#define FAIRVISOR_POLICY_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/calendar.h"
#include "policy/complaint.h"
#include "policy/prices.h"
#include "shm/slice.h"

#define BUNDLE_MILLIONTHS INT64_C(1000000)
#define BUNDLE_NEVER      INT64_MAX /* an expires_at that is not given */
#define BUNDLE_NO_INDEX   UINT32_MAX

/* A key of limit_keys, scope_key or match: where in the facts an identity comes from. */
enum descriptor_source {
    DESCRIPTOR_JWT,
    DESCRIPTOR_HEADER,
    DESCRIPTOR_QUERY,
    DESCRIPTOR_IP_ADDRESS,
    DESCRIPTOR_IP_PREFIX,
    DESCRIPTOR_PATH,
    DESCRIPTOR_METHOD,
    DESCRIPTOR_HOST,
    DESCRIPTOR_IP_COUNTRY,
    DESCRIPTOR_IP_ASN,
    DESCRIPTOR_IP_TYPE,
    DESCRIPTOR_IP_TOR,
    DESCRIPTOR_UA_BOT,
    DESCRIPTOR_UA_BOT_CATEGORY,
};

struct descriptor {
    enum descriptor_source source;
    struct slice name; /* after the colon: claim, field or parameter name; empty for the rest */
    struct slice text; /* canonical spelling of the whole key: "header:x-api-key", "ip:address" */
};

enum algorithm { ALGORITHM_TOKEN_BUCKET, ALGORITHM_COST_BASED, ALGORITHM_TOKEN_BUCKET_LLM, ALGORITHM_CONCURRENCY };
enum on_missing { ON_MISSING_SKIP, ON_MISSING_REJECT, ON_MISSING_SHARE };
enum cost_source { COST_SOURCE_FIXED, COST_SOURCE_HEADER, COST_SOURCE_QUERY, COST_SOURCE_USAGE };

/* What becomes of a request whose model has no price; COST_SOURCE_USAGE only. */
enum unpriced { UNPRICED_REJECT, UNPRICED_CHARGE_DEFAULT, UNPRICED_ALLOW };

/* How the tokens of a request are found out, before and after. */
struct metering {
    bool takes_hint;     /* X-Token-Estimate counts */
    bool requests_usage; /* of streams that do not tell it unasked */
    bool counts_streams;
    bool cuts_streams; /* when they outgrow the limit */
    int64_t buffer_tokens;
    enum stream_end { STREAM_END_GRACEFUL, STREAM_END_ERROR } stream_end;
    bool shows_partial_usage;
    bool drains; /* reads on when the client has left */
    int64_t drain_ms;
};

/* What a request costs, in millionths. */
struct cost {
    enum cost_source source;
    uint32_t descriptor;   /* index; header and query only */
    int64_t fixed;         /* > 0 */
    int64_t standard;      /* > 0: when the header or parameter is absent or unusable */
};

struct token_bucket {
    int64_t rate;  /* millionths per second, > 0 */
    int64_t burst; /* millionths, >= rate */
    struct cost cost;
};

enum budget_action { BUDGET_WARN, BUDGET_THROTTLE, BUDGET_REJECT };

struct budget_stage {
    int64_t from; /* millionths spent, this request included, at which the stage begins */
    enum budget_action action;
    int64_t delay_ms; /* throttle only */
};

struct cost_budget {
    int64_t budget; /* millionths, > 0 */
    enum calendar_period period;
    const char *zone; /* IANA name, terminated; "" = UTC */
    struct cost cost;
    enum unpriced unpriced;
    struct metering metering;
    const struct budget_stage *stages; /* ascending; the reject at 100 percent is the budget itself and not among them */
    uint32_t stage_count;
};

/* token_bucket_llm; whole tokens, 0 = no such limit */
struct token_budget {
    int64_t per_minute, burst; /* burst >= per_minute */
    int64_t per_day;
    int64_t max_per_request, max_prompt, max_completion;
    int64_t default_completion; /* reserved when the request does not say */
    bool clamps; /* a completion that is longer than what is left is made shorter */
    struct metering metering;
};

struct concurrency {
    int64_t max_in_flight;
    int64_t ttl_ns;
};

enum loop_action { LOOP_REJECT, LOOP_THROTTLE, LOOP_WARN };

struct loop_detection {
    bool is_enabled;
    int64_t window_ns;
    int64_t threshold; /* the so many-th identical request of a window is a loop */
    enum loop_action action;
};

struct circuit_breaker {
    bool is_enabled;
    int64_t threshold; /* millionths per minute */
    int64_t open_ns;   /* 0 = until it is reset by hand */
    bool is_per_identity;
    bool alerts;
};

struct match_condition {
    uint32_t descriptor;
    struct slice value;
};

struct rule {
    struct slice name;
    enum algorithm algorithm;
    bool is_fallback;     /* the policy's fallback_limit */
    const uint32_t *keys; /* descriptor indexes, in the order of limit_keys */
    uint32_t key_count;   /* 0 = one shared bucket */
    enum on_missing on_missing;
    bool admits_when_full;                    /* on_full: allow; when shared memory has no cell for a new identity */
    const struct match_condition *conditions; /* all must hold; none = always applies */
    uint32_t condition_count;
    struct slice identity; /* serialized policy id, role, rule name, algorithm and key names: hashed into cell keys */
    union {
        struct token_bucket token_bucket;
        struct cost_budget cost_budget;
        struct token_budget token_budget;
        struct concurrency concurrency;
    } config;
};

struct policy {
    struct slice id;
    bool is_shadow;
    struct slice path; /* of the selector */
    bool path_is_exact;
    struct slice also_prefix; /* a prefix beside an exact path, either of which matches; empty = none */
    uint64_t method_bits;     /* bit i = bundle_methods[i]; 0 with no other_methods = any */
    const struct slice *other_methods;
    uint32_t other_method_count;
    const struct slice *hosts; /* lower case; none = any */
    uint32_t host_count;
    const struct rule *rules;
    uint32_t rule_count;
    const struct rule *fallback; /* or NULL */
    struct loop_detection loop;
    struct circuit_breaker breaker;
    bool has_provider_headers; /* its limits are told as OpenAI and Anthropic tell theirs */
    enum error_format {
        ERROR_FORMAT_AUTO,
        ERROR_FORMAT_OPENAI,
        ERROR_FORMAT_ANTHROPIC,
        ERROR_FORMAT_GEMINI,
        ERROR_FORMAT_MISTRAL,
        ERROR_FORMAT_PROBLEM,
    } error_format;
};

struct kill_switch {
    uint32_t descriptor;
    struct slice value;
    struct slice route; /* exact normalized path; empty = every route */
    struct slice reason;
    int64_t expires_at; /* BUNDLE_NEVER */
};

/* global_shadow or kill_switch_override: see bundle_override_holds. */
struct override {
    bool is_enabled;
    struct slice reason;
    int64_t expires_at;
};

struct match_index; /* match.c's own */
struct region;      /* region.c: the memory all of this lives in */

struct bundle {
    struct slice version_text; /* bundle_version as written in canonical form */
    int64_t issued_at;         /* 0 when not given */
    int64_t expires_at;        /* BUNDLE_NEVER */
    struct override global_shadow;
    struct override kill_switch_override;
    bool rejects_unmatched;
    struct prices prices;
    const struct policy *policies; /* sorted by id, bytewise */
    uint32_t policy_count;
    const struct kill_switch *kill_switches;
    uint32_t kill_switch_count;
    const struct descriptor *descriptors; /* every key in use, once */
    uint32_t descriptor_count;
    bool uses_jwt;
    bool uses_underscores;    /* some key is a header with "_" in its name */
    bool uses_client;         /* some key looks at the client's address */
    unsigned references;      /* what its keys look answers up in: bits 1 << enum settings_reference */
    bool uses_body;           /* some limit looks into request bodies */
    bool clamps;              /* some rule shortens completions */
    uint32_t rule_count;      /* of all policies, fallbacks included */
    struct match_index *index;
    struct region *region;
};

/* Methods with a bit of their own in policy.method_bits. */
#define BUNDLE_METHOD_COUNT 9
extern const struct slice bundle_methods[BUNDLE_METHOD_COUNT];

/* Index of METHOD in bundle_methods, or BUNDLE_NO_INDEX. */
uint32_t bundle_method_index(struct slice method);

/* Name of an algorithm or enum value as the bundle spells it. */
const char *bundle_algorithm_name(enum algorithm algorithm);
const char *bundle_error_format_name(enum error_format format);

/* Whether RULE counts what models use: tokens, or money by real usage. */
bool bundle_counts_usage(const struct rule *rule);

/* Whether a rule of POLICY does. */
bool bundle_policy_counts_usage(const struct policy *policy);

/* NOW: wall clock, seconds since 1970. */
bool bundle_override_holds(const struct override *override, int64_t now);

/* Frees the bundle and all that hangs off it. NULL is fine. */
void bundle_free(struct bundle *bundle);

#endif
