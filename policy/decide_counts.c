/* SPDX-License-Identifier: MPL-2.0
 *
 * What a decision leaves behind beside its charges: counters and labelled series.
 */
#include "policy/decide_private.h"

#include <stdlib.h>

#include "shm/families.h"

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
static void add_to_series(const struct decision *decision, struct series **place, enum family family,
                          const struct slice *labels, size_t count)
{
    if (!*place)
        *place = series_take(decision->decider->arena, families_name(family), labels, count);
    series_add(*place, 1);
}

void decide_counts_missing(const struct decision *decision, uint32_t descriptor)
{
    struct decider *decider = decision->decider;

    if (decision->counts)
        add_to_series(decision, &decider->missing_series[descriptor], FAMILY_descriptor_missing,
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

/* Finds the series of verdicts like this one in the arena. */
static struct series *take_verdicts(const struct decision *decision, const struct verdict *verdict)
{
    struct slice labels[] = {verdict->is_allowed ? SLICE("allow") : SLICE("reject"),
                             slice_of(verdict_reasons[verdict->reason].name),
                             verdict->policy ? verdict->policy->id : SLICE("")};

    return series_take(decision->decider->arena, families_name(FAMILY_decisions), labels, 3);
}

void decide_counts_verdict(const struct decision *decision, const struct verdict *verdict)
{
    struct decider *decider = decision->decider;
    const struct policy *policy = verdict->policy;
    size_t row = policy ? (size_t)(policy - decider->bundle->policies) + 1 : 0;
    struct series **place;

    if (!decision->counts)
        return;
    place = &decider->policy_series[row * REASON_COUNT + verdict->reason];
    if (!*place)
        *place = take_verdicts(decision, verdict);
    series_add(*place, 1);
}

void decide_counts_would_reject(struct decision *decision, const struct charge_source *source, enum reason reason)
{
    struct slice guard = source->role == CHARGE_BREAKER ? SLICE("circuit_breaker") : SLICE("loop_detection");
    struct slice labels[] = {source->policy->id, source->rule ? source->rule->name : guard};
    struct series *uncached = NULL;

    decision->would_reject = true;
    decide_notes_refused(decision, source, reason);
    if (decision->counts)
        add_to_series(decision, source->rule ? &decision->decider->rule_series[source->rule_index] : &uncached,
                      FAMILY_would_reject, labels, 2);
}

/* Names the two series that hold the key of the cell whose breaker opened last in POLICY. */
static void name_opened(const struct policy *policy, size_t half, struct slice labels[2])
{
    labels[0] = policy->id;
    labels[1] = half ? SLICE("high") : SLICE("low");
}

void decide_counts_opened(const struct decision *decision, const struct policy *policy, const uint64_t key[2])
{
    const struct arena *arena = decision->decider->arena;

    if (!decision->counts)
        return;
    counters_add(decision->decider->slot, COUNTER_breakers_opened, 1);
    for (size_t half = 0; half < 2; half++) {
        struct slice labels[2];
        struct series *series;

        name_opened(policy, half, labels);
        series = series_take(arena, SLICE("opened"), labels, 2);
        if (series != arena->series) /* full: the series of overflow is a count */
            atomic_store_explicit(&series->value, key[half], memory_order_relaxed);
    }
}

void decide_counts_last_opened(const struct decider *decider, const struct policy *policy, uint64_t key[2])
{
    for (size_t half = 0; half < 2; half++) {
        struct slice labels[2];

        name_opened(policy, half, labels);
        key[half] = series_read(decider->arena, SLICE("opened"), labels, 2);
    }
}

/* Which of the counters from ratio_25 on a settled request belongs to: used in percent of what was reserved. */
static int ratio_bucket(int64_t used, int64_t reserved)
{
    static const int bounds[] = {25, 50, 75, 100, 150, 200};
    int bucket = 0;

    while (bucket < (int)(sizeof(bounds) / sizeof(bounds[0])) && used * 100 > reserved * bounds[bucket])
        bucket++;
    return bucket;
}

void decide_counts_usage(const struct decision *decision, const struct policy *policy, const struct usage *usage,
                         int64_t reserved)
{
    const struct slice metric = families_name(FAMILY_tokens_consumed);
    const struct arena *arena = decision->decider->arena;
    struct slice id = policy ? policy->id : SLICE("");
    struct slice prompt[] = {SLICE("prompt"), id}, completion[] = {SLICE("completion"), id};
    int64_t used = usage->in_total + usage->out_total;

    if (!decision->counts)
        return;
    series_add(series_take(arena, metric, prompt, 2), (uint64_t)usage->in_total);
    series_add(series_take(arena, metric, completion, 2), (uint64_t)usage->out_total);
    if (reserved < 0)
        return;
    if (used < reserved)
        counters_add(decision->decider->slot, COUNTER_tokens_unused, reserved - used);
    counters_add(decision->decider->slot, (enum counter)(COUNTER_ratio_25 + ratio_bucket(used, reserved)), 1);
    counters_add(decision->decider->slot, COUNTER_ratio_sum_percent, reserved > 0 ? used * 100 / reserved : 0);
}
