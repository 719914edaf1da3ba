/* SPDX-License-Identifier: MPL-2.0
 *
 * Telling an observer what a decision looked at. Without an observer nothing happens, not even a note is made.
 */
#include "policy/decide_private.h"

void decide_notes_step(const struct decision *decision, enum decide_step step, const struct policy *policy,
                 const struct rule *rule, bool is_shadow)
{
    if (decision->observer)
        decision->observer(decision->context, &(struct decide_note){
            .step = step, .policy = policy, .rule = rule, .is_shadow = is_shadow});
}

void decide_notes_key(const struct decision *decision, enum decide_step step, const struct policy *policy,
                     const struct rule *rule, uint32_t descriptor, struct slice value)
{
    if (decision->observer)
        decision->observer(decision->context, &(struct decide_note){
            .step = step,
            .policy = policy,
            .rule = rule,
            .value = value,
            .detail = descriptor_cache_at(&decision->decider->descriptors, descriptor)->text});
}

void decide_notes_kill(const struct decision *decision, enum decide_step step, uint32_t descriptor, struct slice value,
                       struct slice route, uint32_t count)
{
    if (decision->observer)
        decision->observer(decision->context, &(struct decide_note){
            .step = step,
            .value = value,
            .route = route,
            .count = count,
            .detail = descriptor_cache_at(&decision->decider->descriptors, descriptor)->text});
}

void decide_notes_refused(const struct decision *decision, const struct charge_source *source, enum reason reason)
{
    if (decision->observer)
        decision->observer(decision->context, &(struct decide_note){
            .step = DECIDE_WOULD_REJECT,
            .policy = source->policy,
            .rule = source->rule,
            .is_shadow = true,
            .reason = reason,
            .role = decide_limits_roles[source->role].name});
}

void decide_notes_limit(const struct decision *decision, const struct charge *charge, const struct charge_source *source,
                       const struct limit_state *state)
{
    if (decision->observer)
        decision->observer(decision->context, &(struct decide_note){
            .step = DECIDE_LIMIT,
            .policy = source->policy,
            .rule = source->rule,
            .fits = charge->view.fits,
            .has_no_room = charge->has_no_room,
            .is_shadow = charge->group != 0,
            .limit = state,
            .cost = charge->cost,
            .role = decide_limits_roles[source->role].name});
}
