/* SPDX-License-Identifier: MPL-2.0
 *
 * What the rules that apply ask of whoever carries the request on; and how long a completion may be where they would rather have it
 * shorter than refuse it.
 */
#include "policy/decide_private.h"

static void least_of(int64_t *least, int64_t figure)
{
    if (figure > 0 && (*least == 0 || figure < *least))
        *least = figure;
}

static void most_of(int64_t *most, int64_t figure)
{
    if (figure > *most)
        *most = figure;
}

void decide_metering_add(struct decision *decision, const struct metering *enforced, const struct decide_need *need,
                         int64_t most_completion)
{
    struct verdict_metering *metering = &decision->metering;

    metering->is_metered = true;
    most_of(&metering->prompt, need->prompt);
    most_of(&metering->completion, need->completion);
    if (!enforced) {
        metering->counts_streams = true;
        return;
    }
    if (enforced->cuts_streams) {
        if (!metering->cuts_streams || enforced->stream_end == STREAM_END_ERROR)
            metering->stream_end = enforced->stream_end;
        least_of(&metering->buffer_tokens, enforced->buffer_tokens);
        least_of(&metering->most_completion, most_completion);
    }
    metering->requests_usage |= enforced->requests_usage;
    metering->counts_streams |= enforced->counts_streams;
    metering->cuts_streams |= enforced->cuts_streams;
    metering->shows_partial_usage |= enforced->shows_partial_usage;
    metering->drains |= enforced->drains;
    if (enforced->drains)
        most_of(&metering->drain_ms, enforced->drain_ms);
}

void decide_metering_shorten(struct decision *decision, int64_t most)
{
    least_of(&decision->clamp_most, most > 0 ? most : ESTIMATE_MOST);
}

/* Whole tokens in AMOUNT millionths, rounded down, of a debt too: a bucket has parts of a token. */
static int64_t whole_tokens(int64_t amount)
{
    return amount / BUNDLE_MILLIONTHS - (amount % BUNDLE_MILLIONTHS < 0);
}

/* What the charges of rules that clamp have left for completions. 0 = not even one token. */
static int64_t left_for_completions(struct decision *decision)
{
    struct decider *decider = decision->decider;
    int64_t left = decision->clamp_most;
    struct admission admission;

    admission_look(decider->arena, decider->charges, decision->charge_count, decision->now, &admission);
    for (uint32_t i = 0; i < decision->charge_count; i++) {
        const struct charge_source *source = &decider->sources[i];
        const struct charge *charge = &decider->charges[i];
        bool is_tokens = source->role == CHARGE_MINUTE || source->role == CHARGE_DAY;
        int64_t room;

        if (!is_tokens || charge->group != 0 || !source->rule->config.token_budget.clamps)
            continue;
        room = whole_tokens(charge->view.remaining - charge->cost) + source->completion;
        if (room < left)
            left = room;
    }
    return left > 0 ? left : 0;
}

/* How long a completion may be when ONE is left for each choice; 0 = as long as the request says. A figure that says nothing
 * here may say much to whoever reads it behind us: what was reserved for it takes its place. Nobody tells what an answer that is made
 * in the background costs: it may be as long as what was reserved. */
static int64_t clamp_of(const struct decision *trial, int64_t one)
{
    if (one <= 0 || one * trial->estimate.choices < trial->metering.completion)
        return one;
    return trial->estimate.has_bad_figure || trial->estimate.is_background ? trial->metering.completion / trial->estimate.choices : 0;
}

void decide_metering_clamp(struct decision *decision, uint32_t matched, bool shadows_all)
{
    struct decision trial = *decision;

    trial.counts = trial.charges_cells = false;
    trial.observer = NULL;
    decide_rules_collect_all(&trial, matched, shadows_all);
    decision->estimate = trial.estimate;
    decision->has_estimate = trial.has_estimate;
    if (trial.has_estimate && trial.estimate.has_bad_figure)
        decide_counts_one(decision, COUNTER_cost_invalid);
    if (trial.clamp_most == 0 || trial.metering.completion == 0)
        return;
    decision->metering.clamp = clamp_of(&trial, left_for_completions(&trial) / trial.estimate.choices);
}
