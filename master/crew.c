/* SPDX-License-Identifier: MPL-2.0
 *
 * The life of workers: see the drawing in crew.h. Never waits; deadlines are handled by a clock of the loop.
 */
#include "master/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/landing.h"
#include "master/orphans.h"
#include "master/spawn.h"
#include "shm/counters.h"
#include "shm/handoff.h"
#include "shm/log.h"
#include "shm/moment.h"

#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)

static int64_t now_ns(void)
{
    return moment_now().boot_ns;
}

static uint32_t slot_of(const struct crew *crew, const struct crew_worker *worker)
{
    return (uint32_t)(worker - crew->workers);
}

static pid_t pid_in(const struct crew *crew, uint32_t slot)
{
    return atomic_load_explicit(&crew->arena->slots[slot].pid, memory_order_relaxed);
}

static bool is_alive(const struct crew_worker *worker)
{
    return worker->state >= CREW_STARTING;
}

static struct crew_worker *find(struct crew *crew, pid_t pid)
{
    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++)
        if (is_alive(&crew->workers[i]) && crew->workers[i].pid == pid)
            return &crew->workers[i];
    return NULL;
}

static void close_status(struct crew *crew, struct crew_worker *worker)
{
    if (worker->status_fd < 0)
        return;
    loop_unwatch(crew->loop, worker->status_fd);
    close(worker->status_fd);
    worker->status_fd = -1;
}

/* ---- death ------------------------------------------------------------------------------------------------------- */

static void print_end(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exited with code %d", WEXITSTATUS(status));
}

static void plan_replacement(struct crew *crew, struct crew_worker *worker, const char *end)
{
    int64_t now = now_ns();
    int64_t delay = respawn_delay(&worker->respawn, now - worker->started_at_ns, worker->state == CREW_READY);

    log_line(LOG_LEVEL_ERROR, "worker %u (process %d) %s; the next one starts in %lld ms", slot_of(crew, worker),
             (int)worker->pid, end, (long long)(delay / 1000000));
    worker->state = CREW_WAITING;
    worker->deadline_ns = now + delay;
    crew->restarts++;
    crew->has_changed = true;
}

/* Told to leave, it left: by itself, or by the default action of a signal that came before it could handle any. */
static bool is_obedient(const struct crew_worker *worker, int status)
{
    return status == 0 ||
           (WIFSIGNALED(status) && (WTERMSIG(status) == worker->last_signal || WTERMSIG(status) == SIGQUIT) &&
            WTERMSIG(status) != SIGKILL);
}

static void on_worker_exit(void *context, pid_t pid, int status)
{
    struct crew *crew = context;
    struct crew_worker *worker = find(crew, pid);
    char end[96];

    if (worker == NULL)
        return;
    print_end(status, end, sizeof(end));
    close_status(crew, worker);
    if (pid_in(crew, slot_of(crew, worker)) == pid) /* and not already that of the new master's in an upgrade */
        counters_forget_worker(&crew->arena->slots[slot_of(crew, worker)]);
    landing_start(crew->loop, crew->arena, crew->privileges, slot_of(crew, worker), pid);
    if (worker->state == CREW_LEAVING) {
        log_line(is_obedient(worker, status) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                 "worker %u (process %d) of generation %u left: it %s", slot_of(crew, worker), (int)pid,
                 worker->generation, end);
        worker->state = CREW_FREE;
    } else if (worker->generation == crew->serving->number) {
        plan_replacement(crew, worker, end);
    } else {
        failure_set(&crew->start_failure, EXIT_CODE_OS, "worker %u (process %d) %s before it was ready",
                    slot_of(crew, worker), (int)pid, end);
        crew->start_failed = true;
        worker->state = CREW_FREE;
    }
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static uint32_t beats_of(const struct crew *crew, const struct crew_worker *worker)
{
    return atomic_load_explicit(&crew->arena->slots[slot_of(crew, worker)].beats, memory_order_relaxed);
}

static void watch_pulse(const struct crew *crew, struct crew_worker *worker)
{
    pulse_begin(&worker->pulse, worker->hang_ms, beats_of(crew, worker), now_ns());
}

static void on_status(void *context, int fd)
{
    struct crew *crew = context;
    char word = 0;
    ssize_t got = read(fd, &word, 1);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++) {
        struct crew_worker *worker = &crew->workers[i];

        if (!is_alive(worker) || worker->status_fd != fd)
            continue;
        if (got == 1 && word == HANDOFF_READY && worker->state == CREW_STARTING) {
            worker->state = CREW_READY;
            watch_pulse(crew, worker);
            crew->has_been_ready = true;
            log_line(LOG_LEVEL_DEBUG, "worker %u (process %d) is ready", i, (int)worker->pid);
        } else if (got == 1 && word == HANDOFF_DRAINS) {
            worker->is_deaf = true;
        } else if (got <= 0) {
            close_status(crew, worker); /* its end will be reported by SIGCHLD */
        }
    }
}

static bool start_worker(struct crew *crew, struct crew_worker *worker, const struct generation *generation,
                         const struct listeners *listeners, struct failure *failure)
{
    uint32_t slot = slot_of(crew, worker);
    struct counter_slot *counters = &crew->arena->slots[slot];
    struct spawn_order order = {
        .settings = &generation->settings,
        .listeners = listeners,
        .privileges = crew->privileges,
        .slot = slot,
        .place = worker->place,
        .generation = generation->number,
        .null_fd = crew->null_fd,
        .log_fd = crew->log_fd,
        .lifeline_fd = crew->lifeline[0],
        .arena_fd = crew->arena_fd,
        .bundle_fd = generation->bundle_fd,
        .reference_fds = generation->copies.fds,
    };

    worker->generation = generation->number;
    worker->is_deaf = false;
    worker->pulse = (struct pulse){0};
    worker->started_at_ns = now_ns();
    worker->drain_ns = (int64_t)generation->settings.drain_timeout_ms * NANOSECONDS_PER_MILLISECOND + CREW_GRACE_NS;
    worker->hang_ms = generation->settings.worker_hang_timeout_ms;
    worker->deadline_ns = worker->started_at_ns + CREW_READY_NS;
    worker->pid = spawn_worker(crew->loop, &order, on_worker_exit, crew, &worker->status_fd, failure);
    if (worker->pid < 0)
        return false;
    worker->state = CREW_STARTING;
    atomic_store_explicit(&counters->pid, worker->pid, memory_order_relaxed);
    atomic_store_explicit(&counters->generation, generation->number, memory_order_relaxed);
    loop_watch(crew->loop, worker->status_fd, on_status, crew);
    return true;
}

/* By a worker of another master: one that is dead, or the other one of an upgrade. */
static bool is_taken(const struct crew *crew, uint32_t slot)
{
    pid_t pid = pid_in(crew, slot);

    return pid > 0 && orphans_is_worker(pid, crew->instance, slot);
}

static bool is_free(struct crew *crew, uint32_t slot)
{
    if (crew->workers[slot].state != CREW_FREE || is_taken(crew, slot))
        return false;
    if (pid_in(crew, slot) > 0)
        counters_forget_worker(&crew->arena->slots[slot]);
    return true;
}

uint32_t crew_count_free(struct crew *crew)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < ARENA_WORKER_SLOTS; slot++)
        count += is_free(crew, slot);
    return count;
}

bool crew_start(struct crew *crew, const struct generation *generation, const struct listeners *listeners,
                struct failure *failure)
{
    uint32_t place = 0;

    crew->start_failed = false;
    for (uint32_t slot = 0; slot < ARENA_WORKER_SLOTS && place < generation->settings.worker_processes; slot++) {
        struct crew_worker *worker = &crew->workers[slot];

        if (!is_free(crew, slot))
            continue;
        *worker = (struct crew_worker){.place = place++, .status_fd = -1};
        if (!start_worker(crew, worker, generation, listeners, failure))
            return false;
    }
    if (place == generation->settings.worker_processes)
        return true;
    return failure_set(failure, EXIT_CODE_OS,
                       "%u workers cannot be started: workers of earlier generations still drain",
                       generation->settings.worker_processes);
}

/* ---- deadlines --------------------------------------------------------------------------------------------------- */

static void start_again(struct crew *crew, struct crew_worker *worker)
{
    struct failure failure;

    /* Two in one slot would be one in what is counted of them, and one's death would give back what the other has in flight. */
    if (is_taken(crew, slot_of(crew, worker)))
        log_line(LOG_LEVEL_NOTICE, "worker %u of the new master has the place of one that died", slot_of(crew, worker));
    else if (start_worker(crew, worker, crew->serving, crew->listeners, &failure))
        return;
    else
        log_line(LOG_LEVEL_ERROR, "%s", failure.sentence);
    worker->deadline_ns = now_ns() + respawn_delay(&worker->respawn, 0, false);
}

static void press(struct crew *crew, struct crew_worker *worker)
{
    worker->last_signal = worker->last_signal == SIGQUIT ? SIGTERM : SIGKILL;
    worker->deadline_ns = worker->last_signal == SIGTERM ? now_ns() + CREW_TERM_NS : LOOP_NEVER;
    log_line(LOG_LEVEL_WARNING, "worker %u (process %d) did not leave in time: it gets signal %d (%s)",
             slot_of(crew, worker), (int)worker->pid, worker->last_signal, strsignal(worker->last_signal));
    kill(worker->pid, worker->last_signal);
}

static void on_deadline(struct crew *crew, struct crew_worker *worker)
{
    if (worker->state == CREW_WAITING) {
        start_again(crew, worker);
    } else if (worker->state == CREW_STARTING) {
        log_line(LOG_LEVEL_ERROR, "worker %u (process %d) was not ready within %lld s and is killed",
                 slot_of(crew, worker), (int)worker->pid, (long long)(CREW_READY_NS / NANOSECONDS_PER_SECOND));
        worker->deadline_ns = LOOP_NEVER;
        kill(worker->pid, SIGKILL);
    } else if (worker->state == CREW_LEAVING) {
        press(crew, worker);
    }
}

/* Stopped or stuck it serves nobody, and the kernel goes on giving it connections. */
static void end_hanging(struct crew *crew, struct crew_worker *worker)
{
    log_line(LOG_LEVEL_ERROR, "worker %u (process %d) has done nothing for %llu ms and is killed (worker_hang_timeout)",
             slot_of(crew, worker), (int)worker->pid, (unsigned long long)worker->hang_ms);
    crew->hangs++;
    crew->has_changed = true;
    kill(worker->pid, SIGKILL);
}

static bool is_watched(const struct crew_worker *worker)
{
    return worker->pulse.period_ns > 0 && (worker->state == CREW_READY || worker->state == CREW_LEAVING);
}

static int64_t next_time(void *context)
{
    const struct crew *crew = context;
    int64_t next = LOOP_NEVER;

    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++) {
        const struct crew_worker *worker = &crew->workers[i];
        bool has_deadline = worker->state != CREW_FREE && worker->state != CREW_READY;

        if (has_deadline && worker->deadline_ns < next)
            next = worker->deadline_ns;
        if (is_watched(worker) && worker->pulse.next_look_ns < next)
            next = worker->pulse.next_look_ns;
    }
    return next;
}

static void on_time(void *context, int64_t now)
{
    struct crew *crew = context;

    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++) {
        struct crew_worker *worker = &crew->workers[i];

        if (worker->state != CREW_FREE && worker->deadline_ns <= now)
            on_deadline(crew, worker);
        if (is_watched(worker) && pulse_has_stopped(&worker->pulse, beats_of(crew, worker), now))
            end_hanging(crew, worker);
    }
}

bool crew_init(struct crew *crew, struct failure *failure)
{
    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++)
        crew->workers[i] = (struct crew_worker){.status_fd = -1};
    crew->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (crew->null_fd < 0 || pipe2(crew->lifeline, O_CLOEXEC) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "/dev/null and a pipe could not be opened");
    loop_add_clock(crew->loop, next_time, on_time, crew);
    return true;
}

/* ---- questions and orders ---------------------------------------------------------------------------------------- */

bool crew_is_ready(const struct crew *crew, uint32_t generation)
{
    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++) {
        const struct crew_worker *worker = &crew->workers[i];

        if (worker->generation == generation && (worker->state == CREW_STARTING || worker->state == CREW_WAITING))
            return false;
    }
    return true;
}

/* A worker that is still starting gets the same signal: before it can drain, the default action ends it. */
static void leave(struct crew_worker *worker, int signal)
{
    bool drains = signal == SIGQUIT && worker->state == CREW_READY;

    if (worker->state == CREW_WAITING)
        worker->state = CREW_FREE;
    if (!is_alive(worker) || (worker->state == CREW_LEAVING && (worker->last_signal != SIGQUIT || signal == SIGQUIT)))
        return;
    worker->state = CREW_LEAVING;
    worker->last_signal = signal;
    worker->deadline_ns = now_ns() + (drains ? worker->drain_ns : CREW_TERM_NS);
    kill(worker->pid, signal);
}

void crew_leave(struct crew *crew, uint32_t generation, int signal)
{
    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++)
        if (crew->workers[i].generation == generation)
            leave(&crew->workers[i], signal);
}

void crew_leave_others(struct crew *crew, uint32_t kept, int signal)
{
    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++)
        if (crew->workers[i].generation != kept)
            leave(&crew->workers[i], signal);
}

bool crew_is_heard(const struct crew *crew)
{
    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++) {
        const struct crew_worker *worker = &crew->workers[i];

        if (worker->state == CREW_LEAVING && worker->status_fd >= 0 && !worker->is_deaf)
            return true;
    }
    return false;
}

uint32_t crew_count(const struct crew *crew, uint32_t generation)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ARENA_WORKER_SLOTS; i++)
        count += is_alive(&crew->workers[i]) && (generation == 0 || crew->workers[i].generation == generation);
    return count;
}
