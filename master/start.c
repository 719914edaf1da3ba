/* SPDX-License-Identifier: MPL-2.0
 *
 * The order of a start: what can be refused without a trace comes first (bundle, lock, ports), what others see comes
 * last (pidfile, status, the service manager).
 */
#include "config.h"

#include "master/start.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/daemon.h"
#include "master/finish.h"
#include "master/folders.h"
#include "master/limits.h"
#include "master/master.h"
#include "master/notify.h"
#include "master/orphans.h"
#include "master/pidfile.h"
#include "master/restore.h"
#include "shm/kept.h"
#include "shm/log.h"
#include "shm/moment.h"
#include "shm/owner.h"

#define START_ORPHAN_NS (2 * NANOSECONDS_PER_SECOND) /* for orphans to let go of their sockets */
#define START_ORPHAN_LOOK_MS 5

/* What a start goes by. */
struct start {
    const struct settings *settings;
    const struct letter *letter; /* NULL: nobody to take over from */
    struct arena before;         /* the instance's arena as it was found; looked at, not written */
    bool has_before;
    struct listeners inherited; /* sockets of the master to take over from */
    uint32_t first_generation;
};

/* Generations go on being counted where an earlier master stopped. */
static void look_around(struct start *start)
{
    struct arena_status status;
    struct failure failure;
    int fd = arena_open(start->settings->instance, owner_of(start->settings), false, &start->before, &failure);

    start->has_before = fd >= 0;
    start->first_generation = 1;
    if (start->has_before && arena_read_status(&start->before, &status))
        start->first_generation = status.generation + 1;
    if (start->letter)
        start->first_generation = start->letter->generation + 1;
    if (start->first_generation == 0) /* shared memory may say anything; 0 is nobody's number */
        start->first_generation = 1;
    if (fd >= 0)
        close(fd);
}

static bool print_complaints(const struct master *master, const char *path)
{
    const struct complaint_list *list = &master->serving.report.complaints;
    char line[COMPLAINT_SENTENCE_SIZE + COMPLAINT_POINTER_SIZE + SETTINGS_PATH_SIZE + 64];

    for (size_t i = 0; i < list->count; i++) {
        vet_print_complaint(&list->items[i], path, line, sizeof(line));
        dprintf(master->logsink.console_fd, "%s\n", line);
    }
    return false;
}

/* Whoever starts a service that is down needs the cure beside the error. */
static void tell_way_back(const struct settings *settings, struct failure *failure)
{
    uint32_t numbers[KEPT_MAX];
    size_t count = 0, used = strlen(failure->sentence);

    if (kept_list(settings, numbers, KEPT_MAX, &count) && count > 0)
        snprintf(failure->sentence + used, sizeof(failure->sentence) - used,
                 "; mend it, or put back a bundle that was served before: `fairvisor connect --list` shows them, `fairvisor "
                 "connect --rollback` takes the last but this one");
}

static bool load_first_generation(struct master *master, const struct settings *settings, uint32_t number,
                                  struct failure *failure)
{
    master->next_generation = number + 1;
    if (generation_init(&master->serving, number, settings, NULL, NULL, &master->loop, &master->privileges, failure))
        return true;
    if (failure->code == EXIT_CODE_BAD_BUNDLE)
        tell_way_back(settings, failure);
    return print_complaints(master, settings->config_file);
}

static bool use_log(struct master *master, const struct settings *settings, struct failure *failure)
{
    int fd = logsink_open(settings, failure);

    if (failure->code != EXIT_CODE_OK)
        return false;
    logsink_use(&master->logsink, settings, fd);
    limits_raise(settings);
    return true;
}

static bool take_lock(struct master *master, const struct settings *settings, const struct letter *letter,
                      struct failure *failure)
{
    if (letter == NULL) {
        master->lock_fd = pidfile_lock(settings, failure);
        return master->lock_fd >= 0;
    }
    if (!pidfile_adopt_lock(settings, letter->lock_fd, failure))
        return false;
    master->lock_fd = letter->lock_fd;
    return true;
}

/* The lock is in the runtime folder, and the name of the shared memory is not. */
static bool check_alone(const struct start *start, struct failure *failure)
{
    const char *instance = start->settings->instance;
    bool is_claimed = false;
    int32_t other = 0;

    if (start->letter)
        return true;
    is_claimed = arena_find_claim(instance, &other);
    if (!is_claimed && start->has_before)
        other = orphans_find_master(&start->before, instance);
    if (other > 0)
        return failure_set(failure, EXIT_CODE_PIDFILE,
                           "the instance '%s' is running already, as process %d with another runtime_dir: stop it, or choose "
                           "another `instance`", instance, (int)other);
    return !is_claimed || failure_set(failure, EXIT_CODE_PIDFILE,
                                      "the instance '%s' is running already, in a container that shares /dev/shm with this one: "
                                      "give each a /dev/shm of its own, or choose another `instance`", instance);
}

/* Workers of a master that was killed serve on for a while: ours take over from them. */
static bool relieve_orphans(const struct start *start)
{
    uint32_t count =
        start->has_before && start->letter == NULL ? orphans_relieve(&start->before, start->settings->instance) : 0;

    if (count > 0)
        log_line(LOG_LEVEL_WARNING, "%u workers that a dead master of '%s' left behind are relieved", count,
                 start->settings->instance);
    return count > 0;
}

/* Those that hang would keep our ports for ever. */
static bool end_orphans(const struct start *start)
{
    uint32_t count = orphans_end(&start->before, start->settings->instance, ORPHANS_END_MS);

    if (count > 0)
        log_line(LOG_LEVEL_WARNING, "%u workers that a dead master of '%s' left behind did not let go and were ended",
                 count, start->settings->instance);
    return count > 0;
}

/* Nothing tells when orphans have closed their sockets, which is long before they leave: so it is tried until then. */
static bool plan_after_orphans(struct master *master, struct start *start, struct failure *failure)
{
    int64_t deadline = moment_now().boot_ns + START_ORPHAN_NS;

    while (moment_now().boot_ns < deadline) {
        poll(NULL, 0, START_ORPHAN_LOOK_MS);
        if (listeners_plan(&start->inherited, start->settings, &master->privileges, &master->listeners, failure))
            return true;
    }
    return end_orphans(start) &&
           listeners_plan(&start->inherited, start->settings, &master->privileges, &master->listeners, failure);
}

static bool open_listeners(struct master *master, struct start *start, struct failure *failure)
{
    const struct letter *letter = start->letter;
    struct listeners *inherited = &start->inherited;
    bool has_orphans = relieve_orphans(start);

    if (letter && !listeners_adopt(inherited, start->settings, letter->sockets, letter->socket_count, failure))
        return false;
    if (listeners_plan(inherited, start->settings, &master->privileges, &master->listeners, failure))
        return true;
    if (has_orphans && plan_after_orphans(master, start, failure))
        return true;
    listeners_close(inherited, false);
    return false;
}

/* What an earlier master counted goes on being counted. */
static void continue_status(struct master *master, enum restore_origin origin)
{
    struct arena_status before;

    if (origin != RESTORE_ADOPTED || !arena_read_status(&master->arena, &before))
        return;
    master->status = before;
    master->log_lines_lost_before = before.log_lines_lost;
    master->snapshots.last_ns = before.last_snapshot_ns;
    master->snapshots.has_failed = before.last_snapshot_failed == 1;
    master->snapshots.failures = before.snapshot_failures;
    master->crew.restarts = before.worker_restarts;
    master->crew.hangs = before.worker_hangs;
}

static bool open_arena(struct master *master, const struct settings *settings, const struct letter *letter,
                       struct failure *failure)
{
    enum restore_origin origin = RESTORE_ADOPTED;
    int64_t taken_at_ns = 0;

    if (letter)
        master->arena_fd = restore_shared_arena(settings, &master->privileges, &master->arena, failure);
    else
        master->arena_fd = restore_arena(settings, &master->privileges, &master->arena, &origin, &taken_at_ns, failure);
    if (master->arena_fd < 0)
        return false;
    master->arena_is_new = origin != RESTORE_ADOPTED;
    snapshots_init(&master->snapshots, &master->loop, &master->arena, settings);
    master->snapshots.last_ns = taken_at_ns; /* it is on the disk still */
    fullness_init(&master->fullness, &master->loop, &master->arena);
    memory_watch_init(&master->memory_watch, &master->loop, master->serving.settings.instance, master->arena_fd);
    expiry_init(&master->expiry, &master->loop, &master->serving);
    backend_watch_init(&master->backend_watch, &master->loop, &master->arena, &master->serving.settings);
    decisions_init(&master->decisions, &master->loop, &master->arena, master->arena_fd, &master->privileges);
    continue_status(master, origin);
    switches_init(&master->switches, &master->loop, &master->arena, &master->serving.settings);
    return true;
}

static bool start_workers(struct master *master, struct failure *failure)
{
    struct crew *crew = &master->crew;

    crew->loop = &master->loop;
    crew->arena = &master->arena;
    crew->arena_fd = master->arena_fd;
    crew->listeners = &master->listeners;
    crew->privileges = &master->privileges;
    crew->instance = master->serving.settings.instance;
    crew->log_fd = master->logsink.pipe_write;
    crew->serving = &master->none; /* a worker that dies now is a failed start, not one to replace */
    if (!crew_init(crew, failure) || !crew_start(crew, &master->serving, &master->listeners, failure))
        return false;
    while (!crew->start_failed && !crew_is_ready(crew, master->serving.number)) {
        if (master->stop != MASTER_STOP_NONE)
            return failure_set(failure, EXIT_CODE_OK, "the service was told to stop while it started");
        loop_turn(&master->loop, LOOP_NEVER); /* the crew kills who is not ready in time */
    }
    if (crew->start_failed)
        *failure = crew->start_failure;
    crew->serving = &master->serving;
    return !crew->start_failed;
}

static void say_started(const struct master *master, const struct letter *letter)
{
    char name[LISTENERS_NAME_SIZE], state[256];

    for (uint32_t i = 0; i < master->listeners.count; i++) {
        listeners_print_name(&master->listeners.rows[i].where, name, sizeof(name));
        log_line(LOG_LEVEL_NOTICE, "listening on %s%s", name, master->listeners.rows[i].where.is_ops ? " (ops)" : "");
    }
    master_say_bundle(&master->serving, false);
    if (geteuid() == 0 && !master->privileges.must_drop)
        log_line(LOG_LEVEL_WARNING, "workers run as root: set `user`");
    master_print_state(master, state, sizeof(state));
    log_line(LOG_LEVEL_NOTICE, "fairvisord %s %s: %s", PACKAGE_VERSION, letter ? "has taken over" : "is ready", state);
}

/* To serve matters more than to be told things. */
static void open_door(struct master *master)
{
    struct failure failure;

    if (!admin_open(&master->admin, &failure))
        log_line(LOG_LEVEL_ERROR, "%s; nothing can be changed with fairvisor(1) until this is repaired and the service "
                 "is restarted", failure.sentence);
}

/* From here on others know of us. */
static bool announce(struct master *master, const struct letter *letter, struct failure *failure)
{
    const struct settings *settings = &master->serving.settings;
    const struct kept_note note = {.how = "start", .user = KEPT_USER_UNKNOWN};
    char state[256];

    if (!pidfile_write(settings->pidfile, getpid(), failure))
        return false;
    if (!pidfile_sign_lock(master->lock_fd, getpid())) {
        pidfile_remove(settings->pidfile, getpid());
        return failure_set_errno(failure, EXIT_CODE_PIDFILE, "the lock file in %s could not be written",
                                 settings->runtime_dir);
    }
    open_door(master);
    master->status.master_pid = getpid();
    master->status.started_at_ns = moment_now().wall_ns;
    master->status.last_reload_ns = master->serving.loaded_at_ns;
    master->status.last_reload_failed = 0;
    master->status.reload_refusal[0] = '\0';
    master_publish(master);
    master_keep_bundle(master, 0, &note);
    bundle_watch_use(&master->bundle_watch, settings);
    snapshots_schedule(&master->snapshots, settings);
    decisions_use(&master->decisions, settings);
    say_started(master, letter);
    master_print_state(master, state, sizeof(state));
    notify_ready(state);
    if (letter)
        upgrade_report_ready(letter);
    daemon_report_ready(master);
    return true;
}

bool start_service(struct master *master, const struct settings *settings, const struct letter *letter,
                   struct failure *failure)
{
    struct start start = {.settings = settings, .letter = letter};

    if (!loop_init(&master->loop, master_on_signal, master, failure) ||
        !logsink_init(&master->logsink, &master->loop, failure))
        return false;
    admin_init(&master->admin, master);
    bundle_watch_init(&master->bundle_watch, master);
    look_around(&start);
    if (privileges_find(settings, &master->privileges, failure) &&
        load_first_generation(master, settings, start.first_generation, failure) && folders_make(settings, failure) &&
        take_lock(master, settings, letter, failure) && check_alone(&start, failure) && use_log(master, settings, failure) &&
        open_listeners(master, &start, failure) && open_arena(master, settings, letter, failure) &&
        start_workers(master, failure) && announce(master, letter, failure)) {
        listeners_commit(&start.inherited, &master->listeners, settings->socket_mode);
        return true;
    }
    finish_failed_start(master, letter != NULL);
    return false;
}
