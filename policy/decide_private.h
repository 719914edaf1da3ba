/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to policy/decide*.c: what a decider holds, and one decision on its way.
 */
#ifndef FAIRVISOR_POLICY_DECIDE_PRIVATE_H
#define FAIRVISOR_POLICY_DECIDE_PRIVATE_H

#include "policy/decide.h"
#include "policy/descriptor.h"
#include "shm/admission.h"
#include "shm/series.h"
#include "shm/siphash.h"

/* Where a charge comes from, beside decider.charges. */
struct charge_source {
    const struct policy *policy;
    const struct rule *rule;
    uint32_t rule_index; /* over the whole bundle */
};

/* What is the same for every request of a rule: hash states that have absorbed all of its identity but the values of
 * its keys, and the time in which its whole limit comes back. */
struct prepared_rule {
    struct siphash enforced, shadow;
    int64_t window_ns;
};

struct decider {
    const struct bundle *bundle;
    const struct arena *arena; /* NULL: every cell is fresh */
    struct counter_slot *slot; /* NULL: nothing is counted */
    struct descriptor_cache descriptors;
    struct prepared_rule *rules;              /* one per rule of the bundle */
    uint32_t *first_rule;                     /* per policy: index of its first rule */
    const struct kill_switch **kill_switches; /* sorted by key and value */
    /* scratch of one decision */
    uint32_t *matched;
    struct charge *charges;
    struct charge_source *sources;
    uint32_t *order;
    /* series found so far; NULL until first used */
    struct series **policy_series;  /* [policy or 0 for none][reason] */
    struct series **rule_series;    /* would_reject */
    struct series **missing_series; /* per descriptor */
};

struct decision {
    struct decider *decider;
    struct moment now;
    bool charges_cells; /* false: look only */
    bool counts;
    bool is_refused; /* before any cell is looked at: a key is missing and the rule says reject */
    struct charge_source refused_by;
    bool would_reject;
    uint32_t charge_count;
    uint32_t shadow_groups;
    decide_observer *observer; /* or NULL */
    void *context;
};

/* ---- decide_rules.c -----------------------------------------------------------------------------------------------
 */

/* Rules of a policy and, last, its fallback. */
uint32_t decide_rules_count(const struct policy *policy);
const struct rule *decide_rules_at(const struct policy *policy, uint32_t index);

/* Turns the rules of POLICY that apply to this request into charges of the decision. */
void decide_rules_collect(struct decision *decision, const struct policy *policy, bool is_shadow);

/* ---- decide_counts.c ----------------------------------------------------------------------------------------------
 */

bool decide_counts_init(struct decider *decider);
void decide_counts_fini(struct decider *decider);
void decide_counts_one(const struct decision *decision, enum counter counter);
void decide_counts_missing(const struct decision *decision, uint32_t descriptor);
void decide_counts_admission(const struct decision *decision, const struct admission *admission);
void decide_counts_verdict(const struct decision *decision, const struct verdict *verdict);

/* A shadow rule would have refused: remembered in the decision and counted. */
void decide_counts_would_reject(struct decision *decision, const struct charge_source *source);

/* ---- decide_notes.c ---- */

/* Tells the observer, when there is one. */
void decide_notes_step(const struct decision *decision, enum decide_step step, const struct policy *policy,
                 const struct rule *rule, bool is_shadow);
void decide_notes_key(const struct decision *decision, enum decide_step step, const struct policy *policy,
                     const struct rule *rule, uint32_t descriptor, struct slice value);
void decide_notes_limit(const struct decision *decision, const struct charge *charge, const struct charge_source *source,
                       const struct limit_state *state);

#endif
