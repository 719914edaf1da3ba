/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor-load: asks an HTTP server many times and tells what became of each request, as JSON. Made for tests that
 * need exact counts (how many were allowed, how many would a client call failed) and latencies that a stalled server
 * cannot hide. Plain epoll and threads; shares no code with the servers it measures.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "e2e/load/options.h"
#include "e2e/load/runner.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* SIGINT and SIGTERM end the run early, with its result: a thread of its own waits for them. */
static void *wait_for_signal(void *argument)
{
    struct runner_plan *plan = argument;
    sigset_t signals;
    int number;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigwait(&signals, &number) == 0) {
        atomic_store(&plan->is_stopped, true);
    }
    return NULL;
}

static bool start_signal_thread(struct runner_plan *plan)
{
    sigset_t signals;
    pthread_t thread;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0 &&
           pthread_create(&thread, NULL, wait_for_signal, plan) == 0 && pthread_detach(thread) == 0;
}

/* Runs all threads; false when one could not. */
static bool run_threads(const struct options *options, struct runner_plan *plan, struct tally *sum)
{
    unsigned count = (unsigned)options->threads;
    struct runner *runners = calloc(count, sizeof *runners);
    bool is_fine = runners != NULL;
    unsigned started = 0;

    for (; is_fine && started < count; started++) {
        struct runner *runner = &runners[started];
        runner->plan = plan;
        runner->number = started;
        runner->thread_count = count;
        runner->connection_count = (unsigned)(options->connections / count + (started < options->connections % count));
        if (pthread_create(&runner->thread, NULL, runner_run, runner) != 0) {
            is_fine = false;
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(runners[i].thread, NULL);
        is_fine = is_fine && !runners[i].has_failed;
        tally_add(sum, &runners[i].tally);
    }
    free(runners);
    return is_fine;
}

int main(int count, char **arguments)
{
    struct options options;
    struct runner_plan *plan = calloc(1, sizeof *plan);
    struct tally *sum = calloc(1, sizeof *sum);
    int code = EXIT_USAGE;

    if (plan && sum && options_parse(&options, count, arguments) && options_plan(&options, plan) &&
        start_signal_thread(plan)) {
        if (run_threads(&options, plan, sum)) {
            tally_print(sum, runner_now() - plan->start_ns, stdout);
            code = tally_failed(sum) == 0 ? EXIT_FINE : EXIT_FAILED;
        } else {
            fputs("fairvisor-load: a thread could not start: memory or descriptors are out (ulimit -n)\n", stderr);
        }
        request_fini(&plan->request);
    }
    if (plan && sum) {
        options_fini(&options);
    }
    free(sum);
    free(plan);
    return code;
}
