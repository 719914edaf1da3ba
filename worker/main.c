/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor-worker: started by the master with the descriptors of shm/handoff.h and nothing else; answers requests
 * until it is told to leave. Takes no arguments and no environment.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/handoff.h"
#include "shm/log.h"
#include "worker/confine.h"
#include "worker/worker.h"

static bool read_handoff(struct worker *worker, struct failure *failure)
{
    if (!handoff_read(HANDOFF_FD_SELF, &worker->handoff))
        return failure_set_errno(failure, EXIT_CODE_OUR_BUG,
                                 "descriptor %d holds no word from the master (this program is started by fairvisord)",
                                 HANDOFF_FD_SELF);
    if (worker->handoff.listener_count > HANDOFF_MAX_LISTENERS)
        return failure_set(failure, EXIT_CODE_OUR_BUG, "the master handed over too many sockets");
    return true;
}

/* Only SIGQUIT and SIGTERM mean something to a worker. */
static void ignore_other_signals(void)
{
    static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGWINCH};

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
}

static bool start(struct worker *worker, struct failure *failure)
{
    const struct settings *settings = &worker->handoff.settings;
    char name[32];

    if (!read_handoff(worker, failure))
        return false;
    snprintf(name, sizeof(name), "worker %u", worker->handoff.slot);
    log_init(name, settings->log_level, settings->log_json);
    return confine_descriptors(HANDOFF_FD_LISTENERS + (int)worker->handoff.listener_count, failure) &&
           worker_make(worker, failure) && confine_process(settings, failure) &&
           worker_open(worker, failure);
}

int main(void)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    struct failure failure = {.code = EXIT_CODE_OS, .sentence = "memory is out"};

    ignore_other_signals();
    if (!worker || !start(worker, &failure)) {
        log_line(LOG_LEVEL_ERROR, "%s", failure.sentence);
        free(worker);
        return failure.code;
    }
    worker_run(worker);
    worker_fini(worker);
    free(worker);
    confine_leave();
    return EXIT_CODE_OK;
}
