/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to policy/decide*.c: what a decider holds, and one decision on its way.
 */
#ifndef FAIRVISOR_POLICY_DECIDE_PRIVATE_H
#define FAIRVISOR_POLICY_DECIDE_PRIVATE_H

#include "policy/decide.h"
#include "policy/descriptor.h"
#include "policy/estimate.h"
#include "shm/admission.h"
#include "shm/events.h"
#include "shm/kills.h"
#include "shm/series.h"
#include "shm/siphash.h"

/* What a charge is for. One row each in decide_limits_roles. The numbers are part of the keys of cells and of reservations. */
enum charge_role {
    CHARGE_RATE,
    CHARGE_BUDGET,
    CHARGE_MINUTE,
    CHARGE_DAY,
    CHARGE_FLIGHT,
    CHARGE_LOOP,
    CHARGE_LOOP_RETRY,
    CHARGE_BREAKER,
    CHARGE_ROLES
};

struct charge_role_row {
    enum reason reason;
    bool is_limit;   /* its numbers may be shown to the client */
    bool is_settled; /* belongs into a reservation, when that of its rule does */
    const char *name;
};
extern const struct charge_role_row decide_limits_roles[CHARGE_ROLES];

/* Where a charge comes from, beside decider.charges. */
struct charge_source {
    const struct policy *policy;
    const struct rule *rule; /* NULL: the policy's loop detection or breaker */
    uint32_t rule_index;     /* over the whole bundle */
    enum charge_role role;
    int64_t window_ns;       /* time in which the whole limit comes back */
    int64_t completion;      /* MINUTE, DAY: tokens of the cost that are completions */
};

/* What is the same for every request of a rule: hash states that have absorbed all of its identity but the values of its
 * keys; in what time its bucket fills, 0 until somebody asked; the calendar window that the last request lay in. */
struct prepared_rule {
    struct siphash enforced, shadow;
    uint64_t mark; /* finds the rule again at settlement, after whatever reload */
    bool is_settled; /* what it charges is corrected when it is known what the request used */
    int64_t refill_ns;
    struct calendar_window window;
};

/* The same for what a policy has beside its rules; with the names of its keys where their values follow. */
struct prepared_policy {
    struct siphash enforced, shadow;
    struct siphash enforced_keys, shadow_keys;
    uint32_t first_rule;
    const uint32_t *keys; /* every key of its rules, once: who a loop or a breaker is about */
    uint32_t key_count;
    bool uses_body; /* a rule or the loop detection looks into request bodies */
};

/* Recording of decisions. */
struct decide_events {
    bool is_open;
    struct decide_recording recording;
    struct events_writer writer;
    bool *hidden;       /* per descriptor: only a hash of its values is recorded */
    int64_t second;     /* boot clock: in which `seen` allows were counted */
    uint32_t seen;
    uint64_t chance;    /* state of a pseudo-random sequence (xorshift); never 0 */
    struct event event; /* scratch */
};

/* What decide_kills.c makes of the kill switches in the arena. */
struct live_kills {
    struct kills_table table; /* what the slices below point into */
    struct kills_table incoming;
    struct kill_switch switches[KILLS_MAX];
    struct descriptor descriptors[DESCRIPTOR_MAX_MORE]; /* of keys that the bundle does not have */
    uint32_t descriptor_count;
    bool uses_jwt;
};

struct decider {
    const struct bundle *bundle;
    const struct arena *arena; /* NULL: every cell is fresh */
    struct counter_slot *slot; /* NULL: nothing is counted */
    struct descriptor_cache descriptors;
    struct prepared_rule *rules;       /* one per rule of the bundle */
    struct prepared_policy *policies;  /* one per policy */
    uint32_t *policy_keys;             /* what policies[].keys point into */
    uint32_t *by_mark;                 /* indexes of rules, sorted by mark */
    const struct kill_switch **kill_switches; /* of the bundle and set by hand, sorted by key and value */
    uint32_t kill_switch_count;
    struct live_kills *live_kills;
    uint32_t live_sequence; /* of the table in the arena that they were made from */
    uint64_t reservation_key[2]; /* signs them */
    uint64_t nonce; /* of the last reservation; begins at random, so that no two deciders ever make the same */
    /* scratch of one decision */
    uint32_t *matched;
    struct charge *charges;
    struct charge_source *sources;
    uint64_t *order;
    /* series found so far; NULL until first used */
    struct series **policy_series;  /* [policy or 0 for none][reason] */
    struct series **rule_series;    /* would_reject */
    struct series **missing_series; /* per descriptor */
    struct decide_events events;
};

struct decision {
    struct decider *decider;
    const struct facts *facts;
    struct moment now;
    bool charges_cells; /* false: look only */
    bool counts;
    bool is_refused; /* before any cell is looked at: a key is missing, or a request larger than one may be */
    enum reason refused_for;
    struct charge_source refused_by;
    bool shadow_is_refused; /* the same for the shadow policy at hand */
    int64_t delay_ms; /* the longest that a stage or a loop asks for */
    unsigned warnings;
    int64_t loop_count;
    bool would_reject;
    uint32_t charge_count;
    uint32_t shadow_groups;
    bool has_settled; /* some rule that applied is settled later */
    struct estimate estimate; /* of the body; made when the first rule asks */
    bool has_estimate;
    const struct price *price; /* of the model asked for, when a budget counts usage; NULL = none */
    bool has_price;
    struct verdict_metering metering;
    uint32_t weight;    /* allowed: its events stand for so many requests; 0 = it is none of the sample */
    int64_t clamp_most; /* looking for how long a completion may be: the shortest that a rule allows; 0 = none was asked */
    uint64_t body_digest[2]; /* for loop detection; made when the first policy asks */
    bool has_body_digest;
    decide_observer *observer; /* or NULL */
    void *context;
};

/* ---- decide_kills.c ------------------------------------------------------------------------------------------------ */

bool decide_kills_init(struct decider *decider);
void decide_kills_fini(struct decider *decider);

/* Takes up the bundle's, once its descriptors can be asked for, and those in the arena. */
void decide_kills_begin(struct decider *decider);

/* Takes up those in the arena when they have changed. */
void decide_kills_refresh(struct decider *decider);

/* The switch that blocks this request, or NULL. Each key in use is looked up once, whatever the number of switches. */
const struct kill_switch *decide_kills_find(struct decision *decision);

/* ---- decide_prepare.c --------------------------------------------------------------------------------------------- */

/* Makes what is the same for every request of the decider's bundle, and room for one decision. false: memory is out;
 * decide_prepare_fini is called all the same. */
bool decide_prepare(struct decider *decider);
void decide_prepare_fini(struct decider *decider);

/* ---- decide_rules.c ----------------------------------------------------------------------------------------------- */

/* Rules of a policy and, last, its fallback. */
uint32_t decide_rules_count(const struct policy *policy);
const struct rule *decide_rules_at(const struct policy *policy, uint32_t index);

/* Fills policy, rule and rule_index of SOURCE with those of the rule with MARK. false, and SOURCE stays as it was, when a
 * reload took it away. */
bool decide_rules_find(const struct decider *decider, uint64_t mark, struct charge_source *source);

/* Hashes the values of the rule's keys behind its identity. false when a key is missing; every missing one is counted. */
bool decide_rules_hash(struct decision *decision, const struct policy *policy, const struct rule *rule,
                       struct siphash *hash);

/* The first key of RULE that the request lacks, as the bundle writes it; empty when it lacks none. */
struct slice decide_rules_missing(const struct decision *decision, const struct rule *rule);

/* In their place, for requests that lack a key of a rule with on_missing: share. */
void decide_rules_hash_shared(struct siphash *hash);

/* Turns what POLICY demands of this request into charges of the decision. */
void decide_rules_collect(struct decision *decision, const struct policy *policy, bool is_shadow);

/* The same for the first MATCHED policies that the decider found. */
void decide_rules_collect_all(struct decision *decision, uint32_t matched, bool shadows_all);

/* Refuses before any cell is looked at; in shadow it is only told. */
void decide_rules_refuse(struct decision *decision, const struct charge_source *source, enum reason reason, bool is_shadow);

/* Key of the cell that counts IDENTITY, which is what a hash said of it, in ROLE. */
void decide_rules_key(const uint64_t identity[2], enum charge_role role, uint64_t key[2]);

/* Appends a charge of LIMIT for IDENTITY and the role in SOURCE. */
struct charge *decide_rules_charge(struct decision *decision, const struct charge_source *source, uint32_t group,
                                   const uint64_t identity[2], const struct cell_limit *limit, int64_t cost);

/* ---- decide_limits.c ---------------------------------------------------------------------------------------------- */

/* Appends the charges of one rule for IDENTITY; refuses what no cell needs to be asked for. */
void decide_limits_add(struct decision *decision, struct charge_source *source, bool is_shadow, uint32_t group,
                       const uint64_t identity[2]);

/* Limit of one role of a rule at a moment, for charging and for settling. false when the rule has no such limit. */
bool decide_limits_of(struct decider *decider, uint32_t rule_index, const struct rule *rule, enum charge_role role,
                      struct moment now, struct cell_limit *limit, int64_t *window_ns);

/* Tokens that a request is expected to have at most: the prompt and all completions; ONE stands for a completion that the request
 * does not limit. */
struct decide_need {
    int64_t prompt, completion;
};
struct decide_need decide_limits_need(struct decision *decision, int64_t one, bool takes_hint);

/* ---- decide_metering.c -------------------------------------------------------------------------------------------- */

/* Notes what a rule that reserves NEED asks for; ENFORCED is NULL for one that only watches. */
void decide_metering_add(struct decision *decision, const struct metering *enforced, const struct decide_need *need,
                         int64_t most_completion);

/* A rule that clamps lets all completions together have MOST tokens; 0 = it does not say. */
void decide_metering_shorten(struct decision *decision, int64_t most);

/* Finds out, before DECISION collects anything, whether a completion that is asked for is longer than rules that clamp have left, and makes
 * it shorter then. MATCHED policies are in the decider. */
void decide_metering_clamp(struct decision *decision, uint32_t matched, bool shadows_all);

/* ---- decide_money.c ----------------------------------------------------------------------------------------------- */

/* What this request costs BUDGET at worst. false when its model has no price and may not pass without. */
bool decide_money_cost(struct decision *decision, const struct cost_budget *budget, const struct decide_need *need,
                       int64_t *cost);

/* What USAGE cost: by the price of MODEL or, when it has none, by RESERVED. false when there is none either. */
bool decide_money_used(const struct decider *decider, const struct usage *usage, struct slice model,
                       const struct price *reserved, int64_t *cost);

/* ---- decide_guards.c ---------------------------------------------------------------------------------------------- */

/* Appends the charges of loop detection and circuit breaker. SPENT is the largest cost among the rules that apply. */
void decide_guards_add(struct decision *decision, const struct policy *policy, bool is_shadow, uint32_t group,
                       int64_t spent);

struct cell_limit decide_guards_breaker_limit(const struct policy *policy);

/* Hash and limit of POLICY's breaker for who the request is from. */
void decide_guards_breaker(struct decision *decision, const struct policy *policy, bool is_shadow, struct siphash *hash,
                           struct cell_limit *limit);

/* ---- decide_reserve_write.c --------------------------------------------------------------------------------------- */

/* Writes the reservation of an admitted request's charges into VERDICT. */
void decide_reserve_write(const struct decision *decision, struct verdict *verdict);

/* ---- decide_owed.c ------------------------------------------------------------------------------------------------ */

/* What came of a request, in the units of its limits. */
struct decide_outcome {
    int64_t tokens; /* millionths */
    int64_t money;  /* millionths */
    bool has_money; /* a price is known */
};

struct decide_outcome decide_owed_outcome(const struct decider *decider, const struct reservation *reservation,
                                          const struct usage *usage, struct slice model);

/* Millionths that ENTRY should have been charged. Nobody knows what came of it (OUTCOME NULL): as it was. */
int64_t decide_owed_by(const struct reservation_entry *entry, const struct decide_outcome *outcome);

/* Turns ENTRY of RESERVATION into the charge that corrects it; a refund has a negative cost. false when there is nothing to
 * correct. */
bool decide_owed_correct(struct decision *decision, const struct reservation *reservation,
                         const struct reservation_entry *entry, const struct decide_outcome *outcome,
                         struct charge *charge);

/* ---- decide_counts.c ---------------------------------------------------------------------------------------------- */

bool decide_counts_init(struct decider *decider);
void decide_counts_fini(struct decider *decider);
void decide_counts_one(const struct decision *decision, enum counter counter);
void decide_counts_missing(const struct decision *decision, uint32_t descriptor);
void decide_counts_admission(const struct decision *decision, const struct admission *admission);
void decide_counts_verdict(const struct decision *decision, const struct verdict *verdict);

/* Counts what a settled request used of POLICY's tokens (NULL: of one that is not there any more) and, unless it is
 * negative, how that compares with what was RESERVED; once for each policy. */
void decide_counts_usage(const struct decision *decision, const struct policy *policy, const struct usage *usage,
                         int64_t reserved);

/* A breaker of POLICY opened in the cell with KEY: counted, and remembered for decide_guards_is_open. */
void decide_counts_opened(const struct decision *decision, const struct policy *policy, const uint64_t key[2]);

/* Key of the cell that opened last; zeros when none ever did. */
void decide_counts_last_opened(const struct decider *decider, const struct policy *policy, uint64_t key[2]);

/* A shadow rule would have refused: remembered in the decision and counted. */
void decide_counts_would_reject(struct decision *decision, const struct charge_source *source, enum reason reason);

/* ---- decide_redact.c ---------------------------------------------------------------------------------------------- */

/* Whether REDACT hides the values of the key DESCRIPTOR. */
bool decide_redact_hides(enum settings_redact redact, const struct descriptor *descriptor);

/* "#" and half of a keyed hash, in ROOM: the same for the same value, and nothing to be had from it. */
struct slice decide_redact_hash(const struct arena *arena, struct slice key, struct slice value,
                                char room[DECIDE_REDACT_SIZE]);

/* ---- decide_events.c ---------------------------------------------------------------------------------------------- */

void decide_events_close(struct decider *decider);

/* Whether an allowed request is one of the sample: DECISION->weight. */
void decide_events_sample(struct decision *decision);

/* Records a verdict, or passes it over. */
void decide_events_verdict(struct decision *decision, const struct verdict *verdict);

/* Records what a shadow rule would have refused. CHARGE is the one that does not fit, or NULL. */
void decide_events_would_reject(struct decision *decision, const struct charge_source *source, enum reason reason,
                                const struct charge *charge);

/* Records that what RESERVATION told of ENTRY, the first of the rule in SOURCE (without one: of a rule that is not there any more),
 * became COST. */
void decide_events_settled(struct decision *decision, const struct reservation *reservation,
                           const struct reservation_entry *entry, const struct charge_source *source, int64_t cost);

/* ---- decide_notes.c ----------------------------------------------------------------------------------------------- */

/* Tells the observer, when there is one. */
void decide_notes_step(const struct decision *decision, enum decide_step step, const struct policy *policy,
                 const struct rule *rule, bool is_shadow);
void decide_notes_key(const struct decision *decision, enum decide_step step, const struct policy *policy,
                     const struct rule *rule, uint32_t descriptor, struct slice value);
void decide_notes_kill(const struct decision *decision, enum decide_step step, uint32_t descriptor, struct slice value,
                       struct slice route, uint32_t count);
void decide_notes_refused(const struct decision *decision, const struct charge_source *source, enum reason reason);
void decide_notes_limit(const struct decision *decision, const struct charge *charge, const struct charge_source *source,
                       const struct limit_state *state);

#endif
