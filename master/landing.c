/* SPDX-License-Identifier: MPL-2.0
 *
 * fork -> become the workers' user -> land -> say so.
 */
#include "master/landing.h"

#include <sys/resource.h>
#include <unistd.h>

#include "shm/flights.h"
#include "shm/log.h"

static void run_child(const struct arena *arena, const struct privileges *privileges, uint32_t slot, pid_t pid)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    struct flights_landing landing;

    loop_release_signals();
    alarm(LANDING_SECONDS);
    if (close_range(STDERR_FILENO + 1, ~0U, 0) != 0 || !privileges_drop(privileges) ||
        setrlimit(RLIMIT_CORE, &none) != 0)
        _exit(EXIT_CODE_OS);
    flights_land(arena, slot, pid, moment_now(), &landing);
    if (landing.landed + landing.late + landing.stuck == 0)
        _exit(0); /* the next worker was faster, and told it */
    log_line(LOG_LEVEL_NOTICE,
             "worker %u (process %d) had %u in flight when it ended, which were given back; %u more come back after their "
             "ttl_seconds",
             slot, (int)pid, landing.landed, landing.late + landing.stuck);
    _exit(0);
}

static void on_exit_of_child(void *context, pid_t pid, int status)
{
    (void)context;
    if (status != 0)
        log_line(LOG_LEVEL_ERROR,
                 "the process %d that gives back what a dead worker had in flight ended with status %d: what it left comes "
                 "back after ttl_seconds",
                 (int)pid, status);
}

void landing_start(struct loop *loop, const struct arena *arena, const struct privileges *privileges, uint32_t slot,
                   pid_t pid)
{
    pid_t child;

    if (flights_count(arena, slot, pid) == 0)
        return;
    child = loop_fork(loop, on_exit_of_child, NULL);
    if (child == 0)
        run_child(arena, privileges, slot, pid);
    if (child < 0)
        log_errno(LOG_LEVEL_ERROR, "what worker %u (process %d) had in flight cannot be given back before its ttl_seconds",
                  slot, (int)pid);
}
