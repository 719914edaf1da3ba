/* SPDX-License-Identifier: MPL-2.0
 *
 * Looks at the token, asks the policy engine and takes the time. A worker does not listen before it has a policy and an
 * arena, so a request that cannot be judged does not exist here; what the engine could not count it has refused itself
 * (fail closed).
 */
#include "worker/judge.h"

#define NANOSECONDS_PER_MICROSECOND 1000

static void count_token(struct worker *worker, const struct tokens_answer *answer)
{
    static const enum counter counters[JWT_FAULTS] = {
        [JWT_GOOD] = COUNTER_jwt_verified,
#define FAULT(symbol, cause, sentence) [JWT_##symbol] = COUNTER_jwt_##symbol,
#include "policy/jwt_faults.def"
#undef FAULT
    };

    counters_add(worker->slot, answer->was_kept ? COUNTER_jwt_cached : counters[answer->fault], 1);
}

static struct tokens_answer ask(struct worker *worker, const struct judge_bearer *bearer, struct moment now)
{
    struct tokens_answer answer = {.claims = NULL};

    if (!decide_kills_use_claims(worker->decider))
        return answer;
    if (bearer->is_repeated)
        answer = (struct tokens_answer){.is_token = true, .fault = worker->tokens.keys ? JWT_repeated : JWT_GOOD};
    else
        answer = tokens_ask(&worker->tokens, bearer->authorization, now.wall_ns / NANOSECONDS_PER_MICROSECOND);
    if (worker->tokens.keys && answer.is_token)
        count_token(worker, &answer);
    return answer;
}

struct moment judge_request(struct worker *worker, const struct facts *facts, const struct judge_bearer *bearer,
                            struct verdict *verdict)
{
    struct moment now = moment_now();
    struct tokens_answer answer = ask(worker, bearer, now);

    /* A kill switch that looks at tokens does not make a bundle strict that has no business with them. */
    if (answer.fault != JWT_GOOD && worker->bundle->uses_jwt &&
        worker->handoff.settings.jwt_on_invalid == SETTINGS_JWT_REJECT) {
        decide_refuse(worker->decider, facts, REASON_jwt_invalid, now, verdict);
        verdict->token_fault = jwt_faults[answer.fault].cause;
    } else {
        decide_request(worker->decider, facts, answer.claims, now, verdict);
    }
    counters_duration(worker->slot, moment_boot_ns() - now.boot_ns);
    return now;
}

uint32_t judge_hand_keys(const struct worker *worker, const struct descriptor **keys)
{
    return decide_kills_keys(worker->decider, keys);
}

enum decide_settlement judge_settle(struct worker *worker, struct slice text, const struct usage *usage,
                                    struct slice model)
{
    return decide_reserve_settle(worker->decider, text, usage, model, moment_now());
}

bool judge_finish(struct worker *worker, struct slice text, const struct usage *usage, struct slice model)
{
    struct moment now = moment_now();

    return (usage ? decide_reserve_finish(worker->decider, text, usage, model, now)
                  : decide_reserve_release(worker->decider, text, now)) != DECIDE_SETTLEMENT_BUSY;
}

bool judge_grow(struct worker *worker, char *text, size_t size, const struct usage *usage, struct slice model)
{
    return decide_reserve_grow(worker->decider, text, size, usage, model, moment_now());
}

uint32_t judge_flights(struct worker *worker, struct slice text, struct flight flights[RESERVATION_MAX_ENTRIES])
{
    return decide_reserve_flights(worker->decider, text, flights);
}

bool judge_wants_body(struct worker *worker, const struct facts *facts)
{
    return decide_wants_body(worker->decider, facts);
}

bool judge_breaker_is_open(const struct worker *worker, const struct policy *policy)
{
    return decide_guards_is_open(worker->decider, policy, moment_now());
}
