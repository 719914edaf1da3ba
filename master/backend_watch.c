/* SPDX-License-Identifier: MPL-2.0
 *
 * A look at the workers' counters of answers and failures twice a second: see backend_watch.h.
 */
#include "master/backend_watch.h"

#include "shm/counters.h"
#include "shm/log.h"

/* Who has just been answered 502 asks status next: the look comes before that. */
#define LOOK_NS (NANOSECONDS_PER_SECOND / 2)
#define TELL_NS (60 * NANOSECONDS_PER_SECOND) /* from one line to the next */

static int64_t sum_answers(const struct arena *arena)
{
    int64_t total = 0;

    for (enum counter counter = COUNTER_upstream_101; counter <= COUNTER_upstream_other; counter++)
        total += counters_sum(arena, counter);
    return total;
}

/* How many failures came since the last look; *CAUSE is the most frequent one, and left alone when none came. */
static int64_t take_failures(struct backend_watch *watch, const char **cause)
{
    static const char *const causes[BACKEND_WATCH_CAUSES] = {
        "its name is not found",        "no connection can be made",
        "it is not reached in time",    "no secure connection can be made",
        "it does not answer in time",   "it closes connections before its answers are complete",
        "connections to it break",      "its answers are not valid HTTP"};
    int64_t total = 0, most = 0;

    for (size_t i = 0; i < BACKEND_WATCH_CAUSES; i++) {
        int64_t count = counters_sum(watch->arena, (enum counter)(COUNTER_upstream_unresolved + i));
        int64_t more = count - watch->failures[i];

        watch->failures[i] = count;
        total += more;
        if (more > most) {
            most = more;
            *cause = causes[i];
        }
    }
    return total;
}

static void say_failing(const struct backend_watch *watch, int64_t failures, int64_t requests, const char *cause)
{
    log_line(LOG_LEVEL_ERROR,
             "the upstream %s fails: %lld of the last %lld requests had no complete answer, for %s (backend_url names it); "
             "fairvisor_upstream_failures_total tells all causes. It is said again when it answers",
             watch->settings->backend_url, (long long)failures, (long long)requests, cause);
}

static void say_recovered(const struct backend_watch *watch, struct moment now)
{
    log_line(LOG_LEVEL_NOTICE, "the upstream %s answers again: %lld requests failed in %lld s",
             watch->settings->backend_url, (long long)watch->failed,
             (long long)((now.wall_ns - watch->failing_since_ns) / NANOSECONDS_PER_SECOND));
}

static void begin(struct backend_watch *watch, int64_t failures, int64_t requests, const char *cause, struct moment now)
{
    if (watch->failing_since_ns == 0) {
        watch->failing_since_ns = now.wall_ns;
        watch->failed = failures;
        watch->has_changed = true;
    }
    if (watch->is_told || !log_is_due(&watch->told_at_ns, now.boot_ns, TELL_NS))
        return;
    say_failing(watch, failures, requests, cause);
    watch->is_told = true;
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
    const char *cause = "";
    int64_t answers = sum_answers(watch->arena), more_answers = answers - watch->answers;
    int64_t more_failures = take_failures(watch, &cause);

    watch->answers = answers;
    watch->failed += more_failures;
    if (more_failures > 0 && more_failures >= more_answers)
        begin(watch, more_failures, more_failures + more_answers, cause, now);
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
    const char *cause;

    *watch = (struct backend_watch){.arena = arena,
                                    .settings = settings,
                                    .answers = sum_answers(arena),
                                    .next_at_ns = moment_now().boot_ns + LOOK_NS};
    take_failures(watch, &cause); /* those from before our time */
    loop_add_clock(loop, next_time, on_time, watch);
}
