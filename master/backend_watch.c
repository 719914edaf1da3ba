/* SPDX-License-Identifier: MPL-2.0
 *
 * A look at the workers' counters of answers and failures every other second: see backend_watch.h.
 */
#include "master/backend_watch.h"

#include "shm/counters.h"
#include "shm/log.h"

#define LOOK_NS     (2 * NANOSECONDS_PER_SECOND)
#define TELL_NS     (60 * NANOSECONDS_PER_SECOND) /* from one line to the next */

/* Counters from FIRST to LAST, which counters.def has beside each other. What fails on our side (memory, leaving) is no
 * failure of the upstream. */
static int64_t sum(const struct arena *arena, enum counter first, enum counter last)
{
    int64_t total = 0;

    for (enum counter counter = first; counter <= last; counter++)
        total += counters_sum(arena, counter);
    return total;
}

static int64_t sum_answers(const struct arena *arena)
{
    return sum(arena, COUNTER_upstream_101, COUNTER_upstream_other);
}

static int64_t sum_failures(const struct arena *arena)
{
    return sum(arena, COUNTER_upstream_unresolved, COUNTER_upstream_invalid);
}

static void say_failing(const struct backend_watch *watch, int64_t failures, int64_t requests)
{
    log_line(LOG_LEVEL_ERROR,
             "the upstream %s fails: %lld of the last %lld requests had no complete answer; "
             "fairvisor_upstream_failures_total tells the causes. It is said again when it answers",
             watch->settings->backend_url, (long long)failures, (long long)requests);
}

static void say_recovered(const struct backend_watch *watch, struct moment now)
{
    log_line(LOG_LEVEL_NOTICE, "the upstream %s answers again: %lld requests failed in %lld s",
             watch->settings->backend_url, (long long)watch->failed,
             (long long)((now.wall_ns - watch->failing_since_ns) / NANOSECONDS_PER_SECOND));
}

static void begin(struct backend_watch *watch, int64_t failures, int64_t requests, struct moment now)
{
    if (watch->failing_since_ns == 0) {
        watch->failing_since_ns = now.wall_ns;
        watch->failed = failures;
        watch->has_changed = true;
    }
    if (watch->is_told || (watch->told_at_ns != 0 && now.boot_ns - watch->told_at_ns < TELL_NS))
        return;
    say_failing(watch, failures, requests);
    watch->is_told = true;
    watch->told_at_ns = now.boot_ns;
}

static void end(struct backend_watch *watch, struct moment now)
{
    if (watch->failing_since_ns == 0)
        return;
    if (watch->is_told)
        say_recovered(watch, now);
    watch->failing_since_ns = 0;
    watch->is_told = false;
    watch->has_changed = true;
}

void backend_watch_look(struct backend_watch *watch, struct moment now)
{
    int64_t answers = sum_answers(watch->arena), failures = sum_failures(watch->arena);
    int64_t more_answers = answers - watch->answers, more_failures = failures - watch->failures;

    watch->answers = answers;
    watch->failures = failures;
    watch->failed += more_failures;
    if (more_failures > 0 && more_failures >= more_answers)
        begin(watch, more_failures, more_failures + more_answers, now);
    else if (more_answers > 0)
        end(watch, now);
}

/* In the other mode nothing is passed on, and nobody is woken for it. */
static int64_t next_time(void *context)
{
    const struct backend_watch *watch = context;

    return watch->settings->mode == SETTINGS_MODE_REVERSE_PROXY ? watch->next_at_ns : LOOP_NEVER;
}

static void on_time(void *context, int64_t now_ns)
{
    struct backend_watch *watch = context;

    if (now_ns < watch->next_at_ns)
        return;
    watch->next_at_ns = now_ns + LOOK_NS;
    backend_watch_look(watch, moment_now());
}

void backend_watch_init(struct backend_watch *watch, struct loop *loop, const struct arena *arena,
                        const struct settings *settings)
{
    *watch = (struct backend_watch){.arena = arena,
                                    .settings = settings,
                                    .answers = sum_answers(arena),
                                    .failures = sum_failures(arena),
                                    .next_at_ns = moment_now().boot_ns + LOOK_NS};
    loop_add_clock(loop, next_time, on_time, watch);
}
