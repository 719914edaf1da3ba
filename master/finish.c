/* SPDX-License-Identifier: MPL-2.0
 *
 * Workers first, then the counters, then the names others know us by.
 */
#include "master/finish.h"

#include <signal.h>
#include <unistd.h>

#include "master/master.h"
#include "master/notify.h"
#include "master/orphans.h"
#include "master/pidfile.h"
#include "shm/log.h"

static void end_workers(struct master *master)
{
    enum master_stop told = MASTER_STOP_NONE;

    while (crew_count(&master->crew, 0) > 0) {
        if (told != master->stop) {
            told = master->stop;
            crew_leave_others(&master->crew, 0, told == MASTER_STOP_FAST ? SIGTERM : SIGQUIT);
        }
        loop_turn(&master->loop, LOOP_NEVER);
    }
}

/* The snapshot is the better keeper (it survives a reboot); shared memory is given back only when there is one. */
static void keep_counters(struct master *master)
{
    const struct settings *settings = &master->serving.settings;
    struct failure failure;

    if (settings->snapshot_interval_ms == 0) {
        log_line(LOG_LEVEL_NOTICE, "snapshots are off: the counters stay in shared memory for the next start");
        return;
    }
    if (!snapshots_finish(&master->snapshots, &failure)) {
        log_line(LOG_LEVEL_ERROR,
                 "the last snapshot was not written (%s): the counters stay in shared memory for the next start",
                 failure.sentence);
        master_publish(master);
        return;
    }
    if (!arena_remove(settings->instance))
        log_errno(LOG_LEVEL_WARNING, "the shared memory of '%s' could not be removed", settings->instance);
}

static void remove_old_pidfile(const struct settings *settings)
{
    char old[SETTINGS_PATH_SIZE + 16];

    if (pidfile_old_name(settings->pidfile, old, sizeof(old)))
        pidfile_remove(old, getpid());
}

void finish_service(struct master *master)
{
    const struct settings *settings = &master->serving.settings;
    bool is_handed_over;

    upgrade_cancel(master);
    is_handed_over = master->upgrade.is_handed_over;
    log_line(LOG_LEVEL_NOTICE, "stopping %s", master->stop == MASTER_STOP_FAST ? "at once" : "gracefully");
    if (is_handed_over)
        snapshots_cancel(&master->snapshots);
    else
        notify_stopping();
    admin_close(&master->admin, is_handed_over);
    end_workers(master);
    decisions_finish(&master->decisions);
    if (!is_handed_over) {
        /* What a dead master's workers still answer must be in the counters that are kept. */
        orphans_end(&master->arena, settings->instance, ORPHANS_END_MS);
        keep_counters(master);
        pidfile_remove(settings->pidfile, getpid());
    }
    remove_old_pidfile(settings);
    listeners_close(&master->listeners, !is_handed_over);
    log_line(LOG_LEVEL_NOTICE, "stopped");
    logsink_flush(&master->logsink);
    generation_fini(&master->serving);
}

void finish_failed_start(struct master *master, bool is_upgrade)
{
    const char *instance = master->serving.settings.instance;

    if (master->crew.loop) {
        master->stop = MASTER_STOP_FAST;
        end_workers(master);
    }
    if (master->arena_is_new && !master->crew.has_been_ready)
        arena_remove(instance);
    listeners_close(&master->listeners, !is_upgrade);
    logsink_flush(&master->logsink);
    generation_fini(&master->serving);
}
