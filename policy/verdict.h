/* SPDX-License-Identifier: MPL-2.0
 *
 * The answer of the policy engine for one request. No HTTP in it: numbers and indexes, to be worded elsewhere.
 */
#ifndef FAIRVISOR_POLICY_VERDICT_H
#define FAIRVISOR_POLICY_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "policy/estimate.h"

enum reason {
    REASON_NONE, /* allowed */
#define REASON(symbol, status, retry, help) REASON_##symbol,
#include "policy/reasons.def"
#undef REASON
    REASON_COUNT
};

struct reason_row {
    const char *name;
    uint16_t status;
    bool retry_cures;
    const char *help;
};
extern const struct reason_row verdict_reasons[REASON_COUNT];

struct verdict;

/* One sentence about why it refuses. */
const char *verdict_help(const struct verdict *verdict);

/* Where a limit stands after this request was judged. */
struct limit_state {
    const struct policy *policy;
    const struct rule *rule;
    int64_t limit;      /* millionths */
    int64_t remaining;  /* millionths; may be negative */
    int64_t window_ns;  /* time in which the whole limit comes back */
    int64_t reset_ns;   /* allowed: until the limit is whole again; refused: until this request would fit, or, when it never
                         * will, until the period ends */
    int64_t needed;     /* millionths: what a request costs that is larger than the whole limit; 0: it may fit some day */
};

enum verdict_warning { VERDICT_BUDGET_WARN = 1, VERDICT_BUDGET_THROTTLE = 2, VERDICT_LOOP_WARN = 4 };

/* What the rules that applied ask of whoever carries the request to a model and its answer back. */
struct verdict_metering {
    bool is_metered;                /* some limit counts tokens or money */
    int64_t prompt, completion;     /* tokens that were reserved, each for the rule that took most */
    int64_t clamp;                  /* a completion must be no longer; 0 = as it was asked for */
    bool requests_usage, counts_streams, cuts_streams, shows_partial_usage, drains;
    int64_t buffer_tokens, drain_ms;
    int64_t most_completion;        /* tokens of all completions together; 0 = no such limit */
    enum stream_end stream_end;
    bool has_provider_headers;      /* the policy of the limit that is told wants them */
};

/* Room for a reservation of RESERVATION_MAX_ENTRIES limits: see reservation.h. */
#define VERDICT_RESERVATION_SIZE 1952

struct verdict {
    bool is_allowed;
    enum reason reason;            /* REASON_NONE when allowed */
    const struct policy *policy;   /* whose limit refused or, allowed, is the tightest; NULL when none applied */
    const struct rule *rule;       /* the same for the rule */
    const struct kill_switch *kill_switch; /* for kill_switch_active */
    struct slice missing_key;      /* for identity_missing: the first key of the rule that the request lacks, as the bundle
                                    * writes it; empty otherwise */
    const char *token_fault;       /* for jwt_invalid: what the bearer is told; NULL otherwise */
    bool has_limit;                /* limit below is meant: some limit applied */
    struct limit_state limit;      /* the refusing one, or the tightest of those that applied */
    bool retry_cures;              /* false: x-should-retry: false */
    int64_t retry_after_ns;        /* refused: wait, with the spread of this identity added */
    bool would_reject;             /* a shadow policy would have refused */
    unsigned warnings;             /* bits of enum verdict_warning */
    int64_t delay_ms;              /* hold the answer back for so long */
    int64_t loop_count;            /* this request is the so many-th of its kind; 0 = nobody counts */
    uint32_t matched_policies;
    struct verdict_metering metering; /* allowed only */
    size_t reservation_size;       /* 0 = nothing to settle */
    size_t model_size;             /* for model_unpriced: 0 = no model was named */
    char reservation[VERDICT_RESERVATION_SIZE]; /* for POST /v1/settle; base64url, not terminated */
    char model[ESTIMATE_MODEL_MAX]; /* printable ASCII, what else was in the name is a question mark; not terminated */
};

#endif
