/* SPDX-License-Identifier: MPL-2.0
 *
 * One transaction: read, vet, seal, open, spawn, wait until all are ready; only then is anything of the old generation
 * touched.
 */
#include "master/reload.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/configure.h"
#include "master/limits.h"
#include "master/master.h"
#include "master/notify.h"
#include "shm/counted.h"
#include "shm/log.h"
#include "shm/moment.h"

#define DEAF_NS (1 * NANOSECONDS_PER_SECOND) /* from SIGQUIT to HANDOFF_DRAINS, before somebody is told */

/* What a reload has made so far and would have to undo. */
struct reload {
    const struct reload_order *order;
    struct settings settings;
    struct generation next;
    struct listeners listeners;
    bool has_listeners;
    int log_fd;
};

static bool read_settings(struct master *master, struct reload *reload, struct failure *failure)
{
    if (reload->order->keeps_settings)
        reload->settings = master->serving.settings;
    else if (!configure_read(&master->options, master->environment, &reload->settings, failure) ||
        !configure_is_reloadable(&master->serving.settings, &reload->settings, failure))
        return false;
    if (master->options.is_daemon && reload->settings.log == SETTINGS_LOG_STDERR)
        reload->settings.log = SETTINGS_LOG_SYSLOG;
    failure->code = EXIT_CODE_OK;
    reload->log_fd = logsink_open(&reload->settings, failure);
    return failure->code == EXIT_CODE_OK;
}

static bool wait_until_ready(struct master *master, const struct reload *reload, struct failure *failure)
{
    struct crew *crew = &master->crew;

    while (!crew->start_failed && !crew_is_ready(crew, reload->next.number)) {
        if (master->stop != MASTER_STOP_NONE)
            return failure_set(failure, EXIT_CODE_OS, "the service was told to stop meanwhile");
        loop_turn(&master->loop, LOOP_NEVER); /* the crew kills who is not ready in time */
    }
    if (crew->start_failed)
        *failure = crew->start_failure;
    return !crew->start_failed;
}

static void undo(struct master *master, struct reload *reload)
{
    if (reload->next.number > 0)
        crew_leave(&master->crew, reload->next.number, SIGQUIT);
    if (reload->has_listeners)
        listeners_abort(&master->listeners, &reload->listeners);
    if (reload->log_fd >= 0)
        close(reload->log_fd);
}

/* The same bytes under the same settings have the same warnings, but those about time. */
static bool has_same_warnings(const struct generation *a, const struct generation *b)
{
    return strcmp(a->source.digest, b->source.digest) == 0 &&
           a->report.complaints.warnings == b->report.complaints.warnings &&
           a->report.trusts_claims == b->report.trusts_claims && a->report.trusts_hosts == b->report.trusts_hosts &&
           a->report.keys_left_out == b->report.keys_left_out &&
           a->report.certificate_ends_at == b->report.certificate_ends_at && a->report.shows_key == b->report.shows_key;
}

/* Whoever is told that the reload is done finds only the new generation behind a new connection. A worker that has been stopped
 * does not keep it from being told. */
static void wait_until_deaf(struct master *master)
{
    int64_t deadline = moment_now().boot_ns + DEAF_NS;

    while (crew_is_heard(&master->crew) && master->stop == MASTER_STOP_NONE) {
        if (moment_now().boot_ns >= deadline) {
            log_line(LOG_LEVEL_WARNING, "a worker of an earlier generation still accepts connections");
            return;
        }
        loop_turn(&master->loop, deadline);
    }
}

/* Budgets are whole again where nothing counted before: whoever renames a rule should not learn it from the bill. */
static void say_at_zero(const struct vet_report *report)
{
    char rules[COUNTED_SIZE];

    if (report->at_zero > 0)
        log_line(LOG_LEVEL_NOTICE,
                 "counts begin at zero for %s of %u: the rule is new, or its name, policy, mode, algorithm or limit_keys are; "
                 "`fairvisor diff` tells which",
                 counted(report->at_zero, "rule", "rules", rules), report->rule_count);
}

static void commit(struct master *master, struct reload *reload)
{
    uint32_t old = master->serving.number;
    bool were_said = has_same_warnings(&master->serving, &reload->next);

    listeners_commit(&master->listeners, &reload->listeners, reload->settings.socket_mode);
    generation_fini(&master->serving);
    master->serving = reload->next;
    logsink_use(&master->logsink, &reload->settings, reload->log_fd);
    snapshots_schedule(&master->snapshots, &reload->settings);
    decisions_use(&master->decisions, &reload->settings);
    crew_leave_others(&master->crew, master->serving.number, SIGQUIT);
    wait_until_deaf(master);
    master->status.last_reload_failed = 0;
    master->status.reload_refusal[0] = '\0';
    master->status.last_reload_ns = moment_now().wall_ns;
    master->status.reloads++;
    master_publish(master);
    master_keep_bundle(master, reload->order->kept_number, reload->order->note);
    bundle_watch_use(&master->bundle_watch, &master->serving.settings);
    log_line(LOG_LEVEL_NOTICE, "reloaded: generation %u serves, generation %u drains", master->serving.number, old);
    say_at_zero(&master->serving.report);
    master_say_bundle(&master->serving, were_said);
}

static void say_complaints(const struct generation *generation)
{
    const struct complaint_list *list = &generation->report.complaints;
    const char *name = generation->source.is_pushed ? "(pushed)" : generation->settings.config_file;
    char line[COMPLAINT_SENTENCE_SIZE + COMPLAINT_POINTER_SIZE + SETTINGS_PATH_SIZE + 64];

    for (size_t i = 0; i < list->count; i++) {
        vet_print_complaint(&list->items[i], name, line, sizeof(line));
        log_line(list->items[i].severity == COMPLAINT_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s", line);
    }
}

/* Whoever pushed it sees no log: the first error goes along. */
static void tell_cause(const struct generation *generation, struct failure *failure)
{
    const struct complaint_list *list = &generation->report.complaints;
    struct failure bare = *failure;
    size_t i = 0;

    while (i < list->count && list->items[i].severity != COMPLAINT_ERROR)
        i++;
    if (i < list->count)
        failure_set(failure, bare.code, "%s: %u:%u: %s%s%s%s", bare.sentence, list->items[i].line,
                    list->items[i].column, list->items[i].sentence, list->items[i].pointer[0] ? " (" : "",
                    list->items[i].pointer, list->items[i].pointer[0] ? ")" : "");
}

static void refuse(struct master *master, struct reload *reload, struct failure *failure)
{
    if (reload->next.number > 0 && !reload->next.report.is_valid) {
        say_complaints(&reload->next);
        tell_cause(&reload->next, failure);
    }
    undo(master, reload);
    generation_fini(&reload->next);
    if (!reload->order->source) {
        master->status.last_reload_failed = 1;
        snprintf(master->status.reload_refusal, sizeof(master->status.reload_refusal), "%.*s",
                 (int)sizeof(master->status.reload_refusal) - 1, failure->sentence);
        master->status.reload_failures++;
        master_publish(master);
    }
    log_line(LOG_LEVEL_ERROR, "the reload was refused, generation %u goes on unchanged: %s", master->serving.number,
             failure->sentence);
}

static bool prepare(struct master *master, struct reload *reload, struct failure *failure)
{
    const struct reload_order *order = reload->order;
    const struct vet_served served = {&master->serving.source, master->serving.loaded_at_ns};

    if (!read_settings(master, reload, failure) ||
        !generation_init(&reload->next, master->next_generation++, &reload->settings, order->source, &served,
                         &master->loop, &master->privileges, failure))
        return false;
    reload->has_listeners =
        listeners_plan(&master->listeners, &reload->settings, &master->privileges, &reload->listeners, failure);
    limits_raise(&reload->settings); /* a higher one harms nobody, should the reload be refused */
    return reload->has_listeners && crew_start(&master->crew, &reload->next, &reload->listeners, failure) &&
           wait_until_ready(master, reload, failure) && (!order->on_ready || order->on_ready(order->context, failure));
}

bool reload_run(struct master *master, const struct reload_order *order, struct failure *failure)
{
    struct reload reload = {.order = order, .log_fd = -1};
    char state[256];
    bool is_done;

    log_line(LOG_LEVEL_INFO, "reloading");
    notify_reloading();
    is_done = prepare(master, &reload, failure);
    if (is_done)
        commit(master, &reload);
    else
        refuse(master, &reload, failure);
    master_print_state(master, state, sizeof(state));
    notify_ready(state);
    return is_done;
}
