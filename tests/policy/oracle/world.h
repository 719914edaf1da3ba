/* SPDX-License-Identifier: MPL-2.0
 *
 * The small world the oracle plays in: bundles, requests and steps of time as plain numbers. A generator makes them, a
 * renderer writes them as JSON and as lines of a .case file, the model judges them. None of it is shared with the
 * engine.
 */
#ifndef FAIRVISOR_TESTS_POLICY_ORACLE_WORLD_H
#define FAIRVISOR_TESTS_POLICY_ORACLE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_SECOND     INT64_C(1000000000)
#define WORLD_ONE        INT64_C(1000000)
#define WORLD_EPOCH      INT64_C(1767225600) /* 2026-01-01T00:00:00Z, as in test_decide.c */
#define WORLD_BOOT       INT64_C(1000)
#define WORLD_POLICIES   8
#define WORLD_RULES      2
#define WORLD_KEYS_MOST  3
#define WORLD_STAGES     3
#define WORLD_SWITCHES   3
#define WORLD_PARAMETERS 3
#define WORLD_BUNDLES    6
#define WORLD_PRICES     5

enum world_key {
    WORLD_KEY_A,
    WORLD_KEY_B,
    WORLD_KEY_USER,
    WORLD_KEY_ADDRESS,
    WORLD_KEY_PREFIX,
    WORLD_KEY_SUBJECT,
    WORLD_KEY_METHOD,
    WORLD_KEY_HOST,
    WORLD_KEY_PATH,
    WORLD_KEYS
};

enum world_algorithm { WORLD_RATE, WORLD_BUDGET, WORLD_TOKENS, WORLD_FLIGHT, WORLD_ALGORITHMS };
enum world_missing { WORLD_SKIP, WORLD_REJECT, WORLD_SHARE };
enum world_source { WORLD_FIXED, WORLD_HEADER, WORLD_QUERY };
enum world_unpriced { WORLD_UNPRICED_REJECT, WORLD_UNPRICED_DEFAULT, WORLD_UNPRICED_ALLOW };
enum world_period { WORLD_1M, WORLD_5M, WORLD_1H, WORLD_1D, WORLD_7D, WORLD_30D, WORLD_MONTH, WORLD_PERIODS };
enum world_zone { WORLD_UTC, WORLD_BERLIN, WORLD_NEW_YORK, WORLD_KOLKATA, WORLD_ZONES };
enum world_stage_action { WORLD_WARN, WORLD_THROTTLE };
enum world_loop_action { WORLD_LOOP_REJECT, WORLD_LOOP_THROTTLE, WORLD_LOOP_WARN };

struct world_stage {
    int64_t percent; /* millionths of a percent */
    enum world_stage_action action;
    int64_t delay_ms;
};

struct world_rule {
    char name[16]; /* room for any number after its letter */
    enum world_algorithm algorithm;
    int key_count;
    enum world_key keys[WORLD_KEYS_MOST];
    enum world_missing missing;
    bool has_match;
    enum world_key match_key;
    int match_value; /* index in world_match_values */
    /* rate and budget; millionths */
    enum world_source source;
    int64_t fixed, standard, rate, burst, budget;
    enum world_period period;
    enum world_zone zone;
    int stage_count;
    struct world_stage stages[WORLD_STAGES];
    bool by_usage; /* a budget of money: what requests cost by the price table, whatever source says */
    enum world_unpriced unpriced;
    /* tokens; 0 = not given */
    int64_t per_minute, minute_burst, per_day, most_request, most_prompt, most_completion, default_completion;
    bool takes_hint;
    int64_t in_flight, ttl_s;
};

struct world_policy {
    char id[8];
    bool is_present, is_shadow;
    int exact, prefix; /* indexes in world_paths and world_prefixes, -1 = not given */
    unsigned methods;  /* bit i = world_methods[i]; 0 = any */
    int host;          /* index in world_hosts, 0 = any */
    int rule_count;
    struct world_rule rules[WORLD_RULES + 1]; /* the last place is the fallback's */
    bool has_fallback;
    bool has_loop;
    int64_t loop_window_s, loop_threshold;
    enum world_loop_action loop_action;
    bool has_breaker, breaker_per_identity;
    int64_t breaker_threshold, breaker_minutes;
};

struct world_switch {
    enum world_key key;
    int value;         /* index in world_match_values */
    int route;         /* index in world_paths, -1 = all */
    int64_t expires_s; /* 0 = never */
};

struct world_override {
    bool is_enabled;
    int64_t expires_s;
};

/* Of a pattern in world_patterns; millionths for a million tokens. */
struct world_price {
    bool is_present, has_cached;
    int64_t input, cached, output;
};

struct world_bundle {
    int policy_count;
    struct world_policy policies[WORLD_POLICIES];
    int switch_count;
    struct world_switch switches[WORLD_SWITCHES];
    struct world_override shadow, no_switches;
    bool rejects_unmatched;
    struct world_price prices[WORLD_PRICES];
};

/* Indexes in the tables below. */
struct world_ask {
    int method, path, host, client, a, b, cost, token, hint, retry;
    int parameter_count;
    int parameters[WORLD_PARAMETERS];
    bool has_body;
    int prompt_bytes;
    int most;    /* index in world_most */
    int choices; /* 0 = not given */
    int model;   /* index in world_models */
};

enum world_kind { WORLD_ASK, WORLD_SETTLE, WORLD_RELOAD };

struct world_step {
    enum world_kind kind;
    int64_t boot_ns, wall_ns;
    struct world_ask ask;
    int bundle;  /* reload */
    int settles; /* number of the step whose reservation is settled */
    bool is_forged;
    int64_t prompt, completion, cached;
    int model; /* that answered; index in world_models */
    int number;
};

/* A text, and what it means to the reader it is for. */
struct world_amount {
    const char *text; /* NULL: the field is not sent */
    int64_t amount;   /* -1: unusable */
    bool is_unclear;  /* some read the amount, others nothing */
};

struct world_parameter {
    const char *raw, *name, *value;
};

struct world_header {
    const char *first, *second; /* NULL: not sent; a second one is a second field of the same name */
    const char *joined;         /* NULL: absent */
};

struct world_client {
    const char *text, *address, *prefix; /* the latter two as identities; NULL = unknown */
};

struct world_token {
    const char *authorization, *subject;
};

extern const char *const world_methods[3], *const world_paths[7], *const world_prefixes[6], *const world_hosts[3];
extern const char *const world_key_names[WORLD_KEYS], *const world_match_values[WORLD_KEYS][2];
extern const struct world_header world_headers[7];
extern const struct world_client world_clients[7];
extern const struct world_amount world_costs[10], world_hints[5], world_most[8];
extern const struct world_parameter world_parameters[8];
extern const struct world_token world_tokens[4];
extern const char *const world_models[6]; /* NULL: none is named */
extern const char *const world_patterns[WORLD_PRICES];
extern const char *const world_retries[4];
extern const char *const world_zones[WORLD_ZONES], *const world_periods[WORLD_PERIODS];
extern const char *const world_algorithms[WORLD_ALGORITHMS];

/* Random numbers that depend on nothing but the seed. */
struct world_dice {
    uint64_t state;
};
uint64_t world_roll(struct world_dice *dice);
int world_below(struct world_dice *dice, int count);
bool world_chance(struct world_dice *dice, int percent);

/* The query string of ASK into OUT. */
void world_query(const struct world_ask *ask, char *out, size_t size);

/* The body of ASK into OUT; empty when it has none. */
void world_body(const struct world_ask *ask, char *out, size_t size);

#endif
