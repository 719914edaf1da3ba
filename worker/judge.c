/* SPDX-License-Identifier: MPL-2.0
 *
 * Asks the policy engine and takes the time. A worker does not listen before it has a policy and an arena, so a request
 * that cannot be judged does not exist here; what the engine could not count it has refused itself (fail closed).
 */
#include "worker/judge.h"

#include <time.h>

static int64_t boot_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec * NANOSECONDS_PER_SECOND + time.tv_nsec;
}

struct moment judge_request(struct worker *worker, const struct facts *facts, const struct claims *claims,
                            struct verdict *verdict)
{
    struct moment now = moment_now();

    decide_request(worker->decider, facts, claims, now, verdict);
    counters_duration(worker->slot, boot_ns() - now.boot_ns);
    return now;
}

enum decide_settlement judge_settlement(struct worker *worker, struct slice text, const struct decide_usage *usage)
{
    return decide_reserve_settle(worker->decider, text, usage, moment_now());
}

bool judge_breaker_is_open(const struct worker *worker, const struct policy *policy)
{
    return decide_guards_is_open(worker->decider, policy, moment_now());
}
