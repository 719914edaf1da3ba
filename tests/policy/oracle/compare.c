/* SPDX-License-Identifier: MPL-2.0
 *
 * Model against engine: see compare.h.
 */
#include "tests/policy/oracle/compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LONG_WAIT (60 * WORLD_SECOND)

#define DISAGREE(why, ...) (snprintf(why, COMPARE_WHY, __VA_ARGS__), false)

static bool is_named(struct slice name, const char *text)
{
    return slice_equal(name, slice_of(text));
}

static bool is_of(const struct verdict *verdict, const char *policy, const char *rule)
{
    return verdict->policy && is_named(verdict->policy->id, policy) &&
           (rule ? verdict->rule && is_named(verdict->rule->name, rule) : !verdict->rule);
}

static bool is_for(const struct verdict *verdict, const char *reason)
{
    return !strcmp(verdict_reasons[verdict->reason].name, reason);
}

static bool has_numbers(const struct verdict *verdict, const struct model_demand *demand, int64_t remaining)
{
    return verdict->has_limit && verdict->limit.limit == demand->limit.capacity &&
           verdict->limit.remaining == remaining;
}

/* ---- refused -------------------------------------------------------------------------------------------------------
 */

static int64_t wait_of(const struct model_demand *demand)
{
    return demand->wait_ns == MODEL_NEVER ? LONG_WAIT : demand->wait_ns;
}

static bool is_wait_of(const struct model_demand *demand, const struct verdict *verdict)
{
    int64_t wait = wait_of(demand), most = wait / 2 < LONG_WAIT ? wait / 2 : LONG_WAIT;

    return verdict->retry_after_ns >= wait && verdict->retry_after_ns <= wait + most;
}

/* Told is the first loop or open breaker, in order, or else one of the limits that refuse; with a wait that is of one of them, of
 * the limit where one is told, and that none of the others outlasts. */
static bool is_told(const struct model_verdict *model, const struct model_demand *demand, const struct verdict *verdict)
{
    bool has_wait = is_wait_of(demand, verdict);

    if (!is_of(verdict, demand->policy, demand->rule) || !is_for(verdict, demand->reason))
        return false;
    if (verdict->has_limit != demand->is_shown ||
        (demand->is_shown && !has_numbers(verdict, demand, demand->remaining)))
        return false;
    if (verdict->retry_cures && demand->wait_ns == MODEL_NEVER)
        return false;
    for (int i = 0; i < model->demand_count; i++) {
        const struct model_demand *other = &model->demands[i];

        if (other->shadow != 0 || !other->refuses)
            continue;
        if (wait_of(other) > verdict->retry_after_ns || (!other->is_shown && (demand->is_shown || other < demand)))
            return false;
        has_wait |= !demand->is_shown && is_wait_of(other, verdict);
    }
    return has_wait;
}

static bool compare_refusal(const struct model_verdict *model, const struct verdict *verdict, char *why)
{
    if (model->reason)
        return is_for(verdict, model->reason) || DISAGREE(why, "refused for another reason than %s", model->reason);
    for (int i = 0; i < model->refusal_count; i++)
        if (is_of(verdict, model->refusals[i].policy, model->refusals[i].rule) &&
            is_for(verdict, model->refusals[i].reason))
            return true;
    for (int i = 0; i < model->demand_count && model->refusal_count == 0; i++)
        if (model->demands[i].shadow == 0 && model->demands[i].refuses && is_told(model, &model->demands[i], verdict))
            return true;
    return DISAGREE(why, "no limit of the model refuses like this");
}

/* ---- allowed -------------------------------------------------------------------------------------------------------
 */

static int64_t left_of(const struct model_demand *demand)
{
    return demand->remaining - (demand->is_held_back ? 0 : demand->cost);
}

/* One of the limits of which the smallest part is left. */
static bool is_tightest(const struct model_verdict *model, const struct model_demand *demand)
{
    for (int i = 0; i < model->demand_count; i++) {
        const struct model_demand *other = &model->demands[i];

        if (other->shadow == 0 && other->is_shown &&
            (__int128)left_of(other) * demand->limit.capacity < (__int128)left_of(demand) * other->limit.capacity)
            return false;
    }
    return true;
}

static bool compare_allowance(const struct model_verdict *model, const struct verdict *verdict, char *why)
{
    bool has_any = false;

    for (int i = 0; i < model->demand_count; i++) {
        const struct model_demand *demand = &model->demands[i];

        if (demand->shadow != 0 || !demand->is_shown)
            continue;
        has_any = true;
        if (is_tightest(model, demand) && is_of(verdict, demand->policy, demand->rule) &&
            has_numbers(verdict, demand, left_of(demand)))
            return true;
    }
    if (!has_any && !verdict->has_limit)
        return true;
    return DISAGREE(why, "the limit that is shown is not the tightest of the model");
}

static bool compare_extras(const struct model_verdict *model, const struct verdict *verdict, char *why)
{
    unsigned warnings = (model->warns ? VERDICT_BUDGET_WARN : 0) | (model->throttles ? VERDICT_BUDGET_THROTTLE : 0) |
                        (model->loop_warns ? VERDICT_LOOP_WARN : 0);

    if (model->overfills)
        return DISAGREE(why, "more requests are in flight than may be");
    if (verdict->matched_policies != model->matched && !model->reason)
        return DISAGREE(why, "matched %u policies, not %u", verdict->matched_policies, model->matched);
    if (verdict->would_reject != model->would_reject)
        return DISAGREE(why, "would_reject is %d", verdict->would_reject);
    if (verdict->warnings != warnings)
        return DISAGREE(why, "warnings are %u, not %u", verdict->warnings, warnings);
    if (verdict->delay_ms != model->delay_ms)
        return DISAGREE(why, "the delay is %" PRId64 " ms, not %" PRId64, verdict->delay_ms, model->delay_ms);
    if (verdict->loop_count != model->loop_count)
        return DISAGREE(why, "the loop count is %" PRId64 ", not %" PRId64, verdict->loop_count, model->loop_count);
    if ((verdict->reservation_size > 0) != model->has_reservation)
        return DISAGREE(why, "the reservation has %zu bytes", verdict->reservation_size);
    return true;
}

bool compare_verdicts(const struct model_verdict *model, const struct verdict *verdict, char why[COMPARE_WHY])
{
    if (verdict->is_allowed != model->is_allowed)
        return DISAGREE(why, "the engine %s", verdict->is_allowed ? "allows" : "refuses");
    if (verdict->is_allowed ? !compare_allowance(model, verdict, why) : !compare_refusal(model, verdict, why))
        return false;
    return compare_extras(model, verdict, why);
}

/* ---- as text -------------------------------------------------------------------------------------------------------
 */

static void print_limit(FILE *out, const struct model_demand *demand, int64_t remaining)
{
    if (demand->rule)
        fprintf(out, " %s/%s", demand->policy, demand->rule);
    if (demand->is_shown)
        fprintf(out, " r=%" PRId64, remaining / WORLD_ONE);
}

/* A limit is named when it is the only one that may be. */
static void print_limits(FILE *out, const struct model_verdict *model)
{
    const struct model_demand *only = NULL;
    int count = 0;

    for (int i = 0; i < model->demand_count; i++) {
        const struct model_demand *demand = &model->demands[i];

        if (demand->shadow != 0 ||
            (model->is_allowed ? !demand->is_shown || !is_tightest(model, demand) : !demand->refuses))
            continue;
        only = demand;
        count++;
    }
    if (count != 1)
        return;
    if (!model->is_allowed)
        fprintf(out, " %s", only->reason);
    print_limit(out, only, model->is_allowed ? left_of(only) : only->remaining);
}

void compare_expectation(FILE *out, const struct model_verdict *model)
{
    fprintf(out, "%s", model->is_allowed ? "allow" : "reject");
    if (model->reason)
        fprintf(out, " %s", model->reason);
    else if (model->refusal_count == 1)
        fprintf(out, " %s %s/%s", model->refusals[0].reason, model->refusals[0].policy, model->refusals[0].rule);
    else if (model->refusal_count == 0)
        print_limits(out, model);
    fprintf(out, "%s%s%s%s", model->would_reject ? " would" : "", model->warns ? " warn" : "",
            model->throttles ? " throttle" : "", model->loop_warns ? " loopwarn" : "");
    if (model->delay_ms)
        fprintf(out, " delay=%" PRId64, model->delay_ms);
    if (model->loop_count)
        fprintf(out, " loop=%" PRId64, model->loop_count);
}
