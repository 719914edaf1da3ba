/* SPDX-License-Identifier: MPL-2.0
 *
 * What a decision leaves behind beside its charges: counters and labelled series.
 */
#include "policy/decide_private.h"

#include <stdlib.h>

bool decide_counts_init(struct decider *decider)
{
    const struct bundle *bundle = decider->bundle;

    if (!decider->slot)
        return true;
    decider->policy_series = calloc((size_t)(bundle->policy_count + 1) * REASON_COUNT, sizeof(struct series *));
    decider->rule_series = calloc((size_t)bundle->rule_count + 1, sizeof(struct series *));
    decider->missing_series = calloc((size_t)bundle->descriptor_count + 1, sizeof(struct series *));
    return decider->policy_series && decider->rule_series && decider->missing_series;
}

void decide_counts_fini(struct decider *decider)
{
    free(decider->policy_series);
    free(decider->rule_series);
    free(decider->missing_series);
}

void decide_counts_one(const struct decision *decision, enum counter counter)
{
    if (decision->counts)
        counters_add(decision->decider->slot, counter, 1);
}

/* Adds to the series in *PLACE, which is found in the arena the first time. */
static void add_to_series(const struct decision *decision, struct series **place, struct slice metric,
                          const struct slice *labels, size_t count)
{
    if (!*place)
        *place = series_take(decision->decider->arena, metric, labels, count);
    series_add(*place, 1);
}

void decide_counts_missing(const struct decision *decision, uint32_t descriptor)
{
    struct decider *decider = decision->decider;

    if (decision->counts)
        add_to_series(decision, &decider->missing_series[descriptor], SLICE("fairvisor_descriptor_missing_total"),
                      &decider->bundle->descriptors[descriptor].text, 1);
}

void decide_counts_admission(const struct decision *decision, const struct admission *admission)
{
    struct counter_slot *slot = decision->decider->slot;

    if (!decision->counts)
        return;
    if (admission->created)
        counters_add(slot, COUNTER_cells_created, admission->created);
    if (admission->reused)
        counters_add(slot, COUNTER_evictions_reused, admission->reused);
    if (admission->no_room)
        counters_add(slot, COUNTER_state_full, admission->no_room);
    if (admission->repaired)
        counters_add(slot, COUNTER_shm_repairs, (int64_t)admission->repaired);
    if (admission->is_stuck)
        counters_add(slot, COUNTER_stripe_stuck, 1);
}

void decide_counts_verdict(const struct decision *decision, const struct verdict *verdict)
{
    struct decider *decider = decision->decider;
    const struct policy *policy = verdict->policy;
    size_t row = policy ? (size_t)(policy - decider->bundle->policies) + 1 : 0;
    struct slice labels[] = {verdict->is_allowed ? SLICE("allow") : SLICE("reject"),
                             slice_of(verdict_reasons[verdict->reason].name), policy ? policy->id : SLICE("")};

    if (decision->counts)
        add_to_series(decision, &decider->policy_series[row * REASON_COUNT + verdict->reason],
                      SLICE("fairvisor_decisions_total"), labels, 3);
}

void decide_counts_would_reject(struct decision *decision, const struct charge_source *source)
{
    struct slice labels[] = {source->policy->id, source->rule->name};

    decision->would_reject = true;
    if (decision->counts)
        add_to_series(decision, &decision->decider->rule_series[source->rule_index],
                      SLICE("fairvisor_would_reject_total"), labels, 2);
}
