/* SPDX-License-Identifier: MPL-2.0
 *
 * Model and engine side by side: see replay.h.
 */
#include "tests/policy/oracle/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/policy/oracle/compare.h"
#include "tests/policy/oracle/engine.h"
#include "tests/policy/oracle/render.h"

/* ---- playing -------------------------------------------------------------------------------------------------------
 */

struct play {
    struct engine engine;
    struct model *model;
    const struct world_bundle *bundle;
    int reloads;
    int64_t latest_wall_ns;
    struct model_verdict expected;
    struct verdict explained, verdict;
};

static bool is_settlement(enum model_settlement expected, enum decide_settlement result, char *why)
{
    static const enum decide_settlement results[] = {
        [MODEL_SETTLED] = DECIDE_SETTLED,
        [MODEL_UNSERVED] = DECIDE_SETTLED_UNSERVED,
        [MODEL_IN_PART] = DECIDE_SETTLED_IN_PART,
        [MODEL_BEFORE] = DECIDE_SETTLED_BEFORE,
        [MODEL_EXPIRED] = DECIDE_SETTLEMENT_EXPIRED,
        [MODEL_UNKNOWN] = DECIDE_SETTLEMENT_UNKNOWN,
    };

    if (results[expected] == result)
        return true;
    snprintf(why, COMPARE_WHY, "the settlement ends with %d, not with %d", (int)result, (int)results[expected]);
    return false;
}

static bool ask(struct play *play, const struct world_step *step, char *why)
{
    model_ask(play->model, play->bundle, step, &play->expected);
    engine_ask(&play->engine, step, &play->explained, &play->verdict);
    if (play->explained.is_allowed != play->verdict.is_allowed || play->explained.reason != play->verdict.reason ||
        play->explained.would_reject != play->verdict.would_reject) {
        snprintf(why, COMPARE_WHY, "the explanation differs from the verdict");
        return false;
    }
    return compare_verdicts(&play->expected, &play->verdict, why);
}

static bool agrees(struct play *play, const struct replay *replay, const struct world_step *step, char *why)
{
    switch (step->kind) {
    case WORLD_RELOAD:
        play->bundle = &replay->bundles[step->bundle];
        play->reloads++;
        engine_load(&play->engine, play->bundle);
        return true;
    case WORLD_SETTLE:
        return is_settlement(model_settle(play->model, play->bundle, step), engine_settle(&play->engine, step), why);
    case WORLD_ASK:
        break;
    }
    return ask(play, step, why);
}

/* True when the model knows more than the engine may: a cell was given to another identity because it said nothing by
 * the limits it was made under and by the wall clock, and a reload changed the limits or the clock went back. */
static bool is_beyond(struct play *play, const struct world_step *step)
{
    bool is_back = step->wall_ns < play->latest_wall_ns;

    if (!is_back)
        play->latest_wall_ns = step->wall_ns;
    return engine_has_reused(&play->engine) && (play->reloads > 1 || is_back);
}

int replay_play(const struct replay *replay, char *why, long *played)
{
    struct play *play = calloc(1, sizeof(*play));
    int failed = -1;

    ck_assert_ptr_nonnull(play);
    play->model = model_new(REPLAY_STEPS);
    engine_open(&play->engine, replay->seed, REPLAY_STEPS);
    for (int i = 0; i < replay->count && failed < 0 && replay->steps[0].kind == WORLD_RELOAD; i++) {
        bool fine = agrees(play, replay, &replay->steps[i], why);

        if (is_beyond(play, &replay->steps[i]))
            break;
        failed = fine ? -1 : i;
        ++*played;
    }
    engine_close(&play->engine);
    model_free(play->model);
    free(play);
    return failed;
}

/* ---- shrinking -----------------------------------------------------------------------------------------------------
 */

/* True when CANDIDATE still shows a disagreement; REPLAY becomes it, cut behind the place. */
static bool adopt(struct replay *replay, struct replay *candidate)
{
    char why[COMPARE_WHY];
    long played = 0;
    int failed = replay_play(candidate, why, &played);

    if (failed < 0)
        return false;
    candidate->count = failed + 1;
    *replay = *candidate;
    return true;
}

static void shrink_steps(struct replay *replay, struct replay *candidate)
{
    for (int size = replay->count / 2; size > 0; size /= 2)
        for (int at = 1; at + size < replay->count;) {
            *candidate = *replay;
            memmove(&candidate->steps[at], &candidate->steps[at + size],
                    (size_t)(candidate->count - at - size) * sizeof(candidate->steps[0]));
            candidate->count -= size;
            if (!adopt(replay, candidate))
                at += size;
        }
}

/* One way of making a bundle simpler. */
static void simplify(struct world_bundle *bundle, int policy, int way)
{
    struct world_policy *one = &bundle->policies[policy];

    switch (way) {
    case 0:
        one->is_present = false;
        break;
    case 1:
        one->rule_count -= one->rule_count > 0;
        break;
    case 2:
        one->has_fallback = false;
        break;
    case 3:
        one->has_loop = false;
        break;
    case 4:
        one->has_breaker = false;
        break;
    case 5:
        bundle->switch_count = 0;
        break;
    case 6:
        bundle->shadow.is_enabled = bundle->no_switches.is_enabled = bundle->rejects_unmatched = false;
        break;
    case 7:
        one->methods = 0;
        one->host = one->prefix = 0;
        one->exact = -1;
        break;
    default:
        for (int i = 0; i <= WORLD_RULES; i++) {
            one->rules[i].has_match = one->rules[i].has_match && way != 8;
            one->rules[i].stage_count = way == 9 ? 0 : one->rules[i].stage_count;
            one->rules[i].key_count = way == 10 ? 0 : one->rules[i].key_count;
        }
    }
}

static void shrink_bundles(struct replay *replay, struct replay *candidate)
{
    for (int way = 0; way <= 10; way++)
        for (int policy = 0; policy < WORLD_POLICIES; policy++) {
            *candidate = *replay;
            for (int i = 0; i < WORLD_BUNDLES; i++)
                simplify(&candidate->bundles[i], policy, way);
            adopt(replay, candidate);
        }
}

static void shrink_asks(struct replay *replay, struct replay *candidate)
{
    static const size_t fields[] = {
        offsetof(struct world_ask, method),  offsetof(struct world_ask, path),
        offsetof(struct world_ask, host),    offsetof(struct world_ask, client),
        offsetof(struct world_ask, a),       offsetof(struct world_ask, b),
        offsetof(struct world_ask, cost),    offsetof(struct world_ask, token),
        offsetof(struct world_ask, hint),    offsetof(struct world_ask, retry),
        offsetof(struct world_ask, choices), offsetof(struct world_ask, parameter_count),
        offsetof(struct world_ask, most),    offsetof(struct world_ask, prompt_bytes),
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        *candidate = *replay;
        for (int j = 0; j < candidate->count; j++)
            *(int *)((char *)&candidate->steps[j].ask + fields[i]) = 0;
        adopt(replay, candidate);
    }
    *candidate = *replay;
    for (int j = 0; j < candidate->count; j++)
        candidate->steps[j].ask.has_body = false;
    adopt(replay, candidate);
}

void replay_shrink(struct replay *replay)
{
    struct replay *candidate = malloc(sizeof(*candidate));
    int before;

    ck_assert_ptr_nonnull(candidate);
    *candidate = *replay;
    adopt(replay, candidate);
    do {
        before = replay->count;
        shrink_steps(replay, candidate);
        shrink_bundles(replay, candidate);
        shrink_asks(replay, candidate);
    } while (replay->count < before);
    free(candidate);
}

/* ---- printing ------------------------------------------------------------------------------------------------------
 */

static bool is_settled_later(const struct replay *replay, int at)
{
    for (int i = at + 1; i < replay->count; i++)
        if (replay->steps[i].kind == WORLD_SETTLE && !replay->steps[i].is_forged &&
            replay->steps[i].settles == replay->steps[at].number)
            return true;
    return false;
}

static void print_settlement(FILE *out, const struct world_step *step, enum model_settlement expected)
{
    static const char *const results[] = {"settled", "before", "expired", "unknown"};

    render_seconds(out, step->boot_ns - WORLD_BOOT * WORLD_SECOND);
    fprintf(out, " settle %s%d %" PRId64 " %" PRId64, step->is_forged ? "forged" : "s", step->settles, step->prompt,
            step->completion);
    if (step->cached)
        fprintf(out, " cached=%" PRId64, step->cached);
    if (world_models[step->model])
        fprintf(out, " model=%s", world_models[step->model]);
    fprintf(out, " => %s\n", results[expected]);
}

static void print_wall(FILE *out, int64_t ahead_ns)
{
    fputs(ahead_ns < 0 ? "wall -" : "wall ", out);
    render_seconds(out, ahead_ns < 0 ? -ahead_ns : ahead_ns);
    fputs("\n", out);
}

void replay_print(FILE *out, const struct replay *replay)
{
    static struct model_verdict expected;
    struct model *model = model_new(REPLAY_STEPS);
    const struct world_bundle *bundle = NULL;
    int64_t ahead_ns = 0;

    for (int i = 0; i < replay->count; i++) {
        const struct world_step *step = &replay->steps[i];
        int64_t ahead = step->wall_ns - step->boot_ns - (WORLD_EPOCH - WORLD_BOOT) * WORLD_SECOND;

        if (ahead != ahead_ns && step->kind != WORLD_RELOAD)
            print_wall(out, ahead_ns = ahead);
        if (step->kind == WORLD_RELOAD) {
            bundle = &replay->bundles[step->bundle];
            fputs("bundle\n", out);
            render_bundle(out, bundle);
            fputs("end\n", out);
        } else if (step->kind == WORLD_SETTLE) {
            print_settlement(out, step, model_settle(model, bundle, step));
        } else {
            model_ask(model, bundle, step, &expected);
            render_ask(out, step);
            fputs(" => ", out);
            compare_expectation(out, &expected);
            if (expected.has_reservation && is_settled_later(replay, i))
                fprintf(out, " as=s%d", step->number);
            fputs("\n", out);
        }
    }
    model_free(model);
}
