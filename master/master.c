/* SPDX-License-Identifier: MPL-2.0
 *
 * The master between start and stop: notes wishes, grants them one at a time, publishes what is so.
 */
#include "master/master.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "master/folders.h"
#include "master/history.h"
#include "master/order.h"
#include "master/reload.h"
#include "shm/counted.h"
#include "shm/counters.h"
#include "shm/log.h"

void master_on_signal(void *context, int signal, const struct ucred *from)
{
    struct master *master = context;

    switch (signal) {
    case SIGTERM:
    case SIGINT:
        master->stop = MASTER_STOP_FAST;
        break;
    case SIGQUIT:
        if (master->stop == MASTER_STOP_NONE)
            master->stop = MASTER_STOP_GRACEFUL;
        break;
    case SIGHUP:
        upgrade_hand_on(master, signal);
        master->wants_reload = true;
        master->reloader = *from;
        break;
    case SIGUSR1:
        upgrade_hand_on(master, signal);
        master->upgrade.wants_reopen = true;
        logsink_reopen(&master->logsink);
        decisions_use(&master->decisions, &master->serving.settings);
        break;
    case SIGUSR2:
        master->wants_upgrade = true;
        break;
    case SIGWINCH: /* a terminal sends it whenever its window changes; only a daemon has none */
        master->wants_pause = master->options.is_daemon;
        break;
    default:
        break;
    }
}

void master_publish(struct master *master)
{
    struct arena_status *status = &master->status;
    const struct generation *serving = &master->serving;

    status->worker_count = serving->settings.worker_processes;
    if (status->generation != serving->number)
        status->forwarded_ignored_before = counters_sum(&master->arena, COUNTER_forwarded_ignored);
    status->generation = serving->number;
    status->loaded_at_ns = serving->loaded_at_ns;
    snprintf(status->policy_version, sizeof(status->policy_version), "%s", serving->report.version_text);
    snprintf(status->policy_hash, sizeof(status->policy_hash), "%s", serving->source.digest);
    status->bundle_expires_at = serving->report.expires_at;
    status->certificate_ends_at = serving->report.certificate_ends_at;
    status->log_lines_lost = master->log_lines_lost_before + logsink_lost(&master->logsink);
    status->log_losing_since_ns = master->logsink.losing_since_ns;
    status->memory_is_removed = master->memory_watch.is_removed;
    status->last_snapshot_ns = master->snapshots.last_ns;
    status->last_snapshot_failed = master->snapshots.has_failed;
    status->snapshot_failures = master->snapshots.failures;
    status->worker_restarts = master->crew.restarts;
    status->worker_hangs = master->crew.hangs;
    status->upstream_failing_since_ns = master->backend_watch.failing_since_ns;
    arena_publish(&master->arena, status);
    master->backend_watch.has_changed = false;
    master->snapshots.has_changed = false;
    master->crew.has_changed = false;
    master->logsink.has_changed = false;
    master->memory_watch.has_changed = false;
}

void master_print_state(const struct master *master, char *text, size_t size)
{
    const struct generation *serving = &master->serving;
    char workers[COUNTED_SIZE], policies[COUNTED_SIZE];

    snprintf(text, size, "%s, %s, version %s, generation %u",
             counted(serving->settings.worker_processes, "worker", "workers", workers),
             counted(serving->report.policy_count, "policy", "policies", policies), serving->report.version_text,
             serving->number);
}

static void say_warnings(const struct generation *generation)
{
    const struct vet_report *report = &generation->report;
    char line[COMPLAINT_SENTENCE_SIZE + COMPLAINT_POINTER_SIZE + SETTINGS_PATH_SIZE + 64];

    for (size_t i = 0; i < report->complaints.count; i++) {
        vet_print_complaint(&report->complaints.items[i], generation->settings.config_file, line, sizeof(line));
        log_line(LOG_LEVEL_WARNING, "%s", line);
    }
    if (report->trusts_claims)
        log_line(LOG_LEVEL_WARNING, "%s", VET_UNVERIFIED_CLAIMS);
    if (report->trusts_hosts)
        log_line(LOG_LEVEL_WARNING, "%s", VET_CHOSEN_HOST);
    if (vet_trusts_everybody(&generation->settings))
        log_line(LOG_LEVEL_WARNING, "%s", VET_TRUSTS_EVERYBODY);
    if (vet_print_certificate(report, line, sizeof(line)))
        log_line(LOG_LEVEL_WARNING, "%s", line);
    if (report->shows_key)
        log_line(LOG_LEVEL_WARNING, "%s", VET_SHOWN_KEY);
    if (report->keys_left_out > 0)
        log_line(LOG_LEVEL_NOTICE, VET_KEYS_LEFT_OUT, report->keys_left_out);
}

void master_say_bundle(const struct generation *generation, bool were_said)
{
    const struct vet_report *report = &generation->report;
    char policies[COUNTED_SIZE], rules[COUNTED_SIZE], switches[COUNTED_SIZE];

    log_line(LOG_LEVEL_NOTICE, "bundle %s: version %s, %s, %s, %s, sha256 %s", generation->settings.config_file,
             report->version_text, counted(report->policy_count, "policy", "policies", policies),
             counted(report->rule_count, "rule", "rules", rules),
             counted(report->kill_switch_count, "kill switch", "kill switches", switches), generation->source.digest);
    if (!were_said)
        say_warnings(generation);
}

void master_keep_bundle(struct master *master, uint32_t number, const struct kept_note *note)
{
    const struct settings *settings = &master->serving.settings;
    struct failure failure;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s.bundle.json", settings->runtime_dir, settings->instance);
    if (!folders_replace_file(path, master->serving.source.bytes, master->serving.source.size, 0640,
                              master->privileges.gid, &failure))
        log_line(LOG_LEVEL_WARNING, "%s; fairvisor(1) looks for what is loaded in config_file and among the kept bundles",
                 failure.sentence);
    master->is_kept = history_keep(settings, &master->serving.source, number, note);
}

static void pause_workers(struct master *master)
{
    log_line(LOG_LEVEL_NOTICE, "all workers leave gracefully, the master stays; SIGHUP starts workers again");
    crew_leave(&master->crew, master->serving.number, SIGQUIT);
}

/* One reload for all who wish for it: of settings and bundle (SIGHUP), or of a bundle whose file has changed. */
static void reload(struct master *master)
{
    struct kept_note note = {.how = "reload", .user = KEPT_USER_UNKNOWN};
    struct reload_order order = {.keeps_settings = !master->wants_reload, .note = &note};
    struct audit_act act = {.who = master->wants_reload ? &master->reloader : NULL,
                            .detail = master->wants_reload ? "" : "config_watch saw another content of the file",
                            .before = audit_bundle_of(&master->serving)};
    struct failure failure;
    bool is_done;

    if (master->wants_reload)
        note.user = master->reloader.uid;
    master->wants_reload = false;
    master->bundle_watch.wants_reload = false;
    is_done = reload_run(master, &order, &failure);
    act.verb = is_done ? "reload" : "reload_refused";
    if (!is_done)
        act.detail = failure.sentence;
    audit_note(&master->admin.audit, &act);
}

/* A reload needs free statistics slots for a whole generation: those of workers that still drain are not. */
static bool can_reload(struct master *master)
{
    return master->upgrade.pid == 0 && crew_count_free(&master->crew) >= SETTINGS_MAX_WORKERS;
}

static bool wants_reload(const struct master *master)
{
    return master->wants_reload || master->bundle_watch.wants_reload;
}

/* Said once of each wish: whoever wants a reload must not think that nobody heard it. */
static void say_waiting(struct master *master)
{
    uint32_t free = crew_count_free(&master->crew);

    if (master->has_said_waiting)
        return;
    master->has_said_waiting = true;
    if (master->upgrade.pid != 0)
        log_line(LOG_LEVEL_WARNING, "the reload waits until the upgrade that is under way has ended");
    else
        log_line(LOG_LEVEL_WARNING,
                 "the reload waits until workers of earlier generations have left (drain_timeout): %u of %u places are "
                 "free, %u are needed; %u workers live",
                 free, ARENA_WORKER_SLOTS, SETTINGS_MAX_WORKERS, crew_count(&master->crew, 0));
}

static void grant_wishes(struct master *master)
{
    if (master->wants_pause) {
        master->wants_pause = false;
        pause_workers(master);
    }
    if (master->wants_upgrade) {
        master->wants_upgrade = false;
        if (master->upgrade.pid == 0)
            upgrade_begin(master);
        else
            log_line(LOG_LEVEL_WARNING, "an upgrade is under way already: SIGUSR2 is ignored");
    }
    if (!wants_reload(master) && !order_has_push(&master->admin))
        return;
    if (!can_reload(master)) {
        say_waiting(master);
        return;
    }
    master->has_said_waiting = false;
    if (wants_reload(master))
        reload(master);
    if (order_has_push(&master->admin) && can_reload(master))
        order_push(&master->admin);
}

/* Something that can be done at once: then nobody waits for anything. */
static bool has_work(struct master *master)
{
    return (wants_reload(master) || order_has_push(&master->admin)) && can_reload(master);
}

void master_run(struct master *master)
{
    while (master->stop == MASTER_STOP_NONE) {
        grant_wishes(master);
        if (master->stop == MASTER_STOP_NONE && !has_work(master))
            loop_turn(&master->loop, LOOP_NEVER);
        if (master->snapshots.has_changed || master->crew.has_changed || master->backend_watch.has_changed ||
            master->logsink.has_changed || master->memory_watch.has_changed)
            master_publish(master);
    }
}
