/* SPDX-License-Identifier: MPL-2.0
 *
 * One request, one verdict. The steps, in order:
 *
 *   kill switches -> matching policies -> their rules become charges -> admission over all cells at once -> verdict
 *
 * Rules become charges in decide_rules.c; what happened is counted in decide_counts.c, recorded in decide_events.c and told
 * in decide_notes.c; what has to be corrected later is written down in decide_reserve_write.c. Nothing but making a decider
 * allocates, and whether something is charged is decided by one flag, so that an explanation takes the very path that a
 * request takes.
 */
#include "policy/decide.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "policy/decide_private.h"
#include "policy/match.h"
#include "policy/model.h"

#define LONG_WAIT_NS  (60 * NANOSECONDS_PER_SECOND) /* of refusals that waiting does not cure */
#define LOOP_DELAY_MS 1000
#define SPREAD_MAX_NS (60 * NANOSECONDS_PER_SECOND)

/* ---- making a decider -------------------------------------------------------------------------------------------- */

struct decider *decide_new(const struct bundle *bundle, const struct arena *arena, struct counter_slot *slot,
                           size_t scratch_size)
{
    struct decider *decider = calloc(1, sizeof(*decider));

    if (!decider)
        return NULL;
    decider->bundle = bundle;
    decider->arena = arena;
    decider->slot = slot;
    if (getrandom(&decider->nonce, sizeof(decider->nonce), 0) != (ssize_t)sizeof(decider->nonce)) {
        free(decider);
        return NULL;
    }
    if (!decide_prepare(decider) || !decide_kills_init(decider) || !decide_counts_init(decider) ||
        !descriptor_cache_init(&decider->descriptors, bundle, scratch_size)) {
        decide_free(decider);
        return NULL;
    }
    decider->descriptors.origin.slot = slot;
    decide_kills_begin(decider);
    return decider;
}

void decide_use_references(struct decider *decider, const struct references *references)
{
    decider->descriptors.origin.references = references;
}

void decide_free(struct decider *decider)
{
    if (!decider)
        return;
    descriptor_cache_fini(&decider->descriptors);
    decide_counts_fini(decider);
    decide_events_close(decider);
    decide_kills_fini(decider);
    decide_prepare_fini(decider);
    free(decider);
}

/* ---- the verdict ------------------------------------------------------------------------------------------------- */

/* Adds up to half of WAIT again, at most a minute: the same identity always the same share, so that clients who were
 * refused together do not come back together. */
static int64_t spread(int64_t wait_ns, uint64_t identity)
{
    int64_t most = wait_ns / 2 < SPREAD_MAX_NS ? wait_ns / 2 : SPREAD_MAX_NS;

    return wait_ns + (int64_t)(((unsigned __int128)(uint64_t)most * (identity >> 32)) >> 32);
}

static void reject(struct verdict *verdict, enum reason reason, const struct policy *policy, const struct rule *rule)
{
    verdict->is_allowed = false;
    verdict->reason = reason;
    verdict->policy = policy;
    verdict->rule = rule;
    verdict->retry_cures = verdict_reasons[reason].retry_cures;
    verdict->retry_after_ns = LONG_WAIT_NS;
}

static void reject_by_kill_switch(const struct decision *decision, struct verdict *verdict,
                                  const struct kill_switch *kill)
{
    int64_t left = kill->expires_at == BUNDLE_NEVER ? INT64_MAX
                                                    : kill->expires_at - decision->now.wall_ns / NANOSECONDS_PER_SECOND;

    reject(verdict, REASON_kill_switch_active, NULL, NULL);
    verdict->kill_switch = kill;
    if (left < LONG_WAIT_NS / NANOSECONDS_PER_SECOND)
        verdict->retry_after_ns = left * NANOSECONDS_PER_SECOND;
}

/* What never fits has no wait of its own to tell: a window says when it ends all the same. */
static int64_t reset_of(const struct charge *charge, const struct charge_source *source)
{
    if (charge->view.fits)
        return charge->view.reset_ns;
    if (charge->view.wait_ns != INT64_MAX)
        return charge->view.wait_ns;
    return charge->limit.kind == CELL_WINDOW ? charge->view.reset_ns : source->window_ns;
}

static void fill_state(struct limit_state *state, const struct charge *charge, const struct charge_source *source,
                       bool is_charged)
{
    state->policy = source->policy;
    state->rule = source->rule;
    state->limit = charge->limit.capacity;
    state->remaining = charge->view.remaining - (is_charged && !charge->has_no_room ? charge->cost : 0);
    state->window_ns = source->window_ns;
    state->needed = !charge->view.fits && charge->cost > charge->limit.capacity ? charge->cost : 0;
    state->reset_ns = reset_of(charge, source);
}

/* remaining/limit of A below that of B, without division. */
static bool is_tighter(const struct limit_state *a, const struct limit_state *b)
{
    return (__int128)a->remaining * b->limit < (__int128)b->remaining * a->limit;
}

static enum reason reason_of(const struct charge *charge, const struct charge_source *source)
{
    return charge->view.fits ? REASON_state_full : decide_limits_roles[source->role].reason;
}

/* Is a refusal of this kind told in place of the one before it? Loops and open breakers come before limits, in their order: a wait
 * cures them badly. Of limits the one with the longest wait is told. */
static bool is_told_instead(const struct verdict *before, bool is_limit, int64_t wait_ns)
{
    if (before->is_allowed)
        return true;
    return before->has_limit && (!is_limit || wait_ns > before->retry_after_ns);
}

/* Whatever is told, the wait is the longest: who obeys it is not refused by the others. */
static void reject_by_charge(struct verdict *verdict, const struct charge *charge, const struct charge_source *source)
{
    int64_t wait = charge->view.fits ? NANOSECONDS_PER_SECOND : charge->view.wait_ns;
    int64_t spread_wait = spread(wait == INT64_MAX ? LONG_WAIT_NS : wait, charge->key[0]);
    int64_t longest = verdict->is_allowed || spread_wait > verdict->retry_after_ns ? spread_wait : verdict->retry_after_ns;

    if (!is_told_instead(verdict, decide_limits_roles[source->role].is_limit, spread_wait)) {
        verdict->retry_after_ns = longest;
        return;
    }
    reject(verdict, reason_of(charge, source), source->policy, source->rule);
    verdict->retry_after_ns = longest;
    verdict->retry_cures = verdict->retry_cures && wait != INT64_MAX;
    verdict->has_limit = decide_limits_roles[source->role].is_limit;
    if (verdict->has_limit)
        fill_state(&verdict->limit, charge, source, false);
}

static void allow_by_charge(struct verdict *verdict, const struct charge *charge, const struct charge_source *source,
                            const struct limit_state *state)
{
    if (!verdict->is_allowed || charge->has_no_room || !decide_limits_roles[source->role].is_limit)
        return;
    if (verdict->has_limit && !is_tighter(state, &verdict->limit))
        return;
    verdict->limit = *state;
    verdict->has_limit = true;
    verdict->policy = source->policy;
    verdict->rule = source->rule;
}

/* Warnings and delays of one charge of an enforced policy, and what loop detection counts. */
static void stage(struct decision *decision, const struct charge *charge, const struct charge_source *source)
{
    const struct cost_budget *budget = source->role == CHARGE_BUDGET ? &source->rule->config.cost_budget : NULL;
    int64_t spent = charge->limit.capacity - charge->view.remaining + charge->cost;

    for (uint32_t i = 0; budget && i < budget->stage_count && spent >= budget->stages[i].from; i++) {
        decision->warnings |= budget->stages[i].action == BUDGET_WARN ? VERDICT_BUDGET_WARN : VERDICT_BUDGET_THROTTLE;
        if (budget->stages[i].delay_ms > decision->delay_ms)
            decision->delay_ms = budget->stages[i].delay_ms;
    }
    if (source->role != CHARGE_LOOP || charge->is_idle)
        return;
    if (spent / BUNDLE_MILLIONTHS > decision->loop_count)
        decision->loop_count = spent / BUNDLE_MILLIONTHS;
    if (charge->view.fits)
        return;
    decide_counts_one(decision, COUNTER_loops);
    if (source->policy->loop.action == LOOP_REJECT)
        return;
    decision->warnings |= VERDICT_LOOP_WARN;
    if (source->policy->loop.action == LOOP_THROTTLE && decision->delay_ms < LOOP_DELAY_MS)
        decision->delay_ms = LOOP_DELAY_MS;
}

static void would_reject(struct decision *decision, const struct charge *charge, const struct charge_source *source)
{
    enum reason reason = reason_of(charge, source);

    decide_counts_would_reject(decision, source, reason);
    decide_events_would_reject(decision, source, reason, charge);
}

static void judge_charges(struct decision *decision, struct verdict *verdict, const struct admission *admission)
{
    struct decider *decider = decision->decider;

    for (uint32_t i = 0; i < decision->charge_count; i++) {
        const struct charge *charge = &decider->charges[i];
        const struct charge_source *source = &decider->sources[i];
        bool is_charged = admission->is_admitted && !charge->is_held_back && decision->charges_cells;
        struct limit_state state;

        if (charge->view.trips && !charge->has_no_room && decision->charges_cells && !decision->is_refused)
            decide_counts_opened(decision, source->policy, charge->key);
        fill_state(&state, charge, source, is_charged && !decision->is_refused);
        decide_notes_limit(decision, charge, source, &state);
        if (!decision->charges_cells && admission->is_admitted && !charge->is_held_back && !decision->is_refused)
            state.remaining -= charge->cost; /* an explanation's verdict is the one that a request would get */
        if (charge->group != 0) {
            if (charge->refuses)
                would_reject(decision, charge, source);
            continue;
        }
        stage(decision, charge, source);
        if (charge->refuses && !decision->is_refused)
            reject_by_charge(verdict, charge, source);
        else
            allow_by_charge(verdict, charge, source, &state);
    }
}

/* ---- the steps, in order ----------------------------------------------------------------------------------------- */

static void admit(struct decision *decision, struct verdict *verdict)
{
    struct decider *decider = decision->decider;
    struct admission admission;

    if (decision->charges_cells && !decision->is_refused)
        admission_take(decider->arena, decider->charges, decider->order, decision->charge_count, decision->now,
                       &admission);
    else
        admission_look(decider->arena, decider->charges, decision->charge_count, decision->now, &admission);
    decide_counts_admission(decision, &admission);
    if (admission.is_stuck) {
        /* Fail closed: what cannot be counted is not let through. */
        reject(verdict, REASON_state_full, decider->sources[0].policy, decider->sources[0].rule);
        verdict->retry_after_ns = NANOSECONDS_PER_SECOND;
        return;
    }
    judge_charges(decision, verdict, &admission);
    /* A limit that could not be counted is told by its name alone: it is not used up, and when it ends cures nothing. */
    verdict->has_limit = verdict->has_limit && verdict->reason != REASON_state_full;
}

static void run(struct decision *decision, const struct facts *facts, struct verdict *verdict)
{
    struct decider *decider = decision->decider;
    const struct bundle *bundle = decider->bundle;
    const struct kill_switch *kill = decide_kills_find(decision);
    int64_t now = decision->now.wall_ns / NANOSECONDS_PER_SECOND;
    bool shadows_all = bundle_override_holds(&bundle->global_shadow, now);

    if (kill && bundle_override_holds(&bundle->kill_switch_override, now)) {
        decide_counts_one(decision, COUNTER_kill_switch_overridden);
    } else if (kill) {
        decide_counts_one(decision, COUNTER_kill_switch_rejects);
        reject_by_kill_switch(decision, verdict, kill);
        return;
    }
    verdict->matched_policies = (uint32_t)match_find(bundle, facts, decider->matched);
    if (verdict->matched_policies == 0) {
        decide_counts_one(decision, COUNTER_unmatched);
        if (bundle->rejects_unmatched && !shadows_all)
            reject(verdict, REASON_no_policy_matched, NULL, NULL);
        return;
    }
    if (bundle->clamps && facts->body_can_be_clamped)
        decide_metering_clamp(decision, verdict->matched_policies, shadows_all);
    decide_rules_collect_all(decision, verdict->matched_policies, shadows_all);
    if (decision->is_refused)
        reject(verdict, decision->refused_for, decision->refused_by.policy, decision->refused_by.rule);
    if (verdict->reason == REASON_identity_missing)
        verdict->missing_key = decide_rules_missing(decision, verdict->rule);
    if (decision->charge_count > 0)
        admit(decision, verdict);
}

static void clear(struct verdict *verdict)
{
    /* Not the bytes of reservation and model: they are more than all the rest, and their sizes say whether there are any. */
    memset(verdict, 0, offsetof(struct verdict, reservation));
    verdict->is_allowed = true;
}

static void begin(struct decision *decision, const struct facts *facts, const struct claims *claims,
                  struct verdict *verdict)
{
    decide_kills_refresh(decision->decider);
    descriptor_cache_begin(&decision->decider->descriptors, facts, claims);
    decision->facts = facts;
    clear(verdict);
}

/* A client's word, for answers in which any other byte would have to be looked at again. */
static void name_model(const struct decision *decision, struct verdict *verdict)
{
    struct slice model = model_of(decision->facts->path, &decision->estimate);

    verdict->model_size = model.size < sizeof(verdict->model) ? model.size : sizeof(verdict->model);
    for (size_t i = 0; i < verdict->model_size; i++)
        verdict->model[i] = model.data[i] >= ' ' && model.data[i] <= '~' ? model.data[i] : '?';
}

/* What was gathered on the way. A refused request is neither held back nor warned: it is told why. */
static void finish(const struct decision *decision, struct verdict *verdict)
{
    verdict->would_reject = decision->would_reject;
    verdict->loop_count = decision->loop_count;
    if (verdict->reason == REASON_model_unpriced)
        name_model(decision, verdict);
    if (verdict->is_allowed) {
        verdict->warnings = decision->warnings;
        verdict->delay_ms = decision->delay_ms;
        verdict->metering = decision->metering;
        verdict->metering.has_provider_headers = verdict->has_limit && verdict->policy->has_provider_headers;
    }
}

void decide_request(struct decider *decider, const struct facts *facts, const struct claims *claims, struct moment now,
                    struct verdict *verdict)
{
    decide_trace(decider, facts, claims, now, verdict, NULL, NULL);
}

void decide_trace(struct decider *decider, const struct facts *facts, const struct claims *claims, struct moment now,
                  struct verdict *verdict, decide_observer *observer, void *context)
{
    struct decision decision = {.decider = decider,
                                .now = now,
                                .charges_cells = true,
                                .counts = decider->slot != NULL,
                                .observer = observer,
                                .context = context};

    begin(&decision, facts, claims, verdict);
    run(&decision, facts, verdict);
    finish(&decision, verdict);
    if (verdict->is_allowed)
        decide_events_sample(&decision);
    if (verdict->is_allowed && decision.charge_count > 0)
        decide_reserve_write(&decision, verdict);
    decide_counts_verdict(&decision, verdict);
    decide_events_verdict(&decision, verdict);
}

bool decide_wants_body(struct decider *decider, const struct facts *facts)
{
    size_t count = decider->bundle->uses_body ? match_find(decider->bundle, facts, decider->matched) : 0;

    for (size_t i = 0; i < count; i++)
        if (decider->policies[decider->matched[i]].uses_body)
            return true;
    return false;
}

bool decide_key(struct decider *decider, uint32_t descriptor, struct slice *value)
{
    return descriptor_value(&decider->descriptors, descriptor, value);
}

void decide_refuse(struct decider *decider, const struct facts *facts, enum reason reason, struct moment now,
                   struct verdict *verdict)
{
    struct decision decision = {.decider = decider, .now = now, .counts = decider->slot != NULL};

    begin(&decision, facts, NULL, verdict);
    reject(verdict, reason, NULL, NULL);
    verdict->retry_after_ns = NANOSECONDS_PER_SECOND;
    decide_counts_verdict(&decision, verdict);
    decide_events_verdict(&decision, verdict);
}

void decide_explain(struct decider *decider, const struct facts *facts, const struct claims *claims, struct moment now,
                    struct verdict *verdict, decide_observer *observer, void *context)
{
    struct decision decision = {.decider = decider, .now = now, .observer = observer, .context = context};

    begin(&decision, facts, claims, verdict);
    run(&decision, facts, verdict);
    finish(&decision, verdict);
}
