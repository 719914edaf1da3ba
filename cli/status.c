/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor status: what the shared memory tells of an instance, for people, for programs, and for monitoring plugins.
 */
#include "cli/status.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/input.h"
#include "cli/status_report.h"
#include "policy/certificates.h"
#include "policy/digest.h"
#include "policy/verdict.h"
#include "shm/counted.h"
#include "shm/counters.h"
#include "shm/families.h"
#include "shm/series.h"

#define CROWDED_PERCENT 90

/* ---- gathering --------------------------------------------------------------------------------------------------- */

static uint64_t sum_of_policy(const struct arena *arena, struct slice policy, enum reason reason)
{
    struct slice labels[] = {reason == REASON_NONE ? SLICE("allow") : SLICE("reject"),
                             slice_of(verdict_reasons[reason].name), policy};

    return series_read(arena, families_name(FAMILY_decisions), labels, 3);
}

static void add_policy(struct status_report *report, struct slice policy)
{
    for (int reason = REASON_NONE; reason < REASON_COUNT; reason++) {
        uint64_t count = sum_of_policy(&report->instance.arena, policy, (enum reason)reason);

        report->decisions += count;
        report->rejects += reason == REASON_NONE ? 0 : count;
    }
}

/* The service serves what the file held when it was loaded; an edit since then is easily forgotten. */
static void look_at_file(struct status_report *report)
{
    const char *path = report->instance.settings.config_file;
    struct input input = {.data = NULL};
    char digest[DIGEST_TEXT_SIZE];
    struct failure failure;

    report->file_differs = path[0] != '\0' && input_read_regular(path, &input, &failure) &&
                           digest_hex(input_slice(&input), digest) &&
                           strcmp(digest, report->instance.status.policy_hash) != 0;
    input_free(&input);
}

static void read_kills(struct status_report *report)
{
    uint32_t sequence;

    if (!kills_read(&report->instance.arena, &report->kills, &sequence))
        report->kills.count = 0; /* the master died while it wrote them */
}

/* Decisions are counted by policy, so their sum needs the names of the policies. */
static void count_decisions(struct status_report *report)
{
    if (!report->copy.bundle)
        return;
    add_policy(report, SLICE(""));
    for (uint32_t i = 0; i < report->copy.bundle->policy_count; i++)
        add_policy(report, report->copy.bundle->policies[i].id);
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

/* Returns true, so that a check can end with it. */
__attribute__((format(printf, 3, 4))) static bool say(struct status_report *report, enum status_state state,
                                                      const char *format, ...)
{
    va_list arguments;

    report->state = state;
    va_start(arguments, format);
    vsnprintf(report->message, sizeof(report->message), format, arguments);
    va_end(arguments);
    return true;
}

static const char *name_of(const struct status_report *report)
{
    return report->instance.settings.instance;
}

static const char *log_of(const struct status_report *report)
{
    return status_report_log(&report->instance.settings);
}

static int64_t now_s(const struct status_report *report)
{
    return report->now.wall_ns / NANOSECONDS_PER_SECOND;
}

static bool check_master(struct status_report *report)
{
    char text[COUNTED_SIZE];

    if (report->instance.orphans > 0)
        return say(report, STATUS_CRITICAL,
                   "the master of instance %s is dead; %s on until drained, and nobody replaces them, reloads or takes orders. "
                   "Start it with fairvisord, which takes over the counters",
                   name_of(report), counted(report->instance.orphans, "worker serves", "workers serve", text));
    return !report->instance.is_running &&
           say(report, STATUS_CRITICAL,
               "instance %s is not running; its counters are kept in shared memory. Start it with fairvisord", name_of(report));
}

static bool check_stopped(struct status_report *report)
{
    return instance_has_stopped_master(&report->instance) &&
           say(report, STATUS_CRITICAL,
               "the master of instance %s was stopped by a signal; its workers serve on, and nobody replaces them, reloads or takes "
               "orders. `kill -CONT %d` lets it go on",
               name_of(report), (int)report->instance.status.master_pid);
}

static bool check_reload(struct status_report *report)
{
    const struct arena_status *status = &report->instance.status;
    bool is_told = status->reload_refusal[0] != '\0';

    return status->last_reload_failed &&
           say(report, STATUS_WARNING,
               "the last reload of instance %s failed; it keeps the policy from before%s%.*s. Its log, %s, tells %s",
               name_of(report), is_told ? ": " : "", (int)strnlen(status->reload_refusal, sizeof(status->reload_refusal)),
               status->reload_refusal, log_of(report), is_told ? "more" : "why");
}

static bool check_snapshot(struct status_report *report)
{
    return report->instance.status.last_snapshot_failed &&
           say(report, STATUS_WARNING,
               "the last snapshot of instance %s failed; a reboot would lose its counters. Its log, %s, tells why",
               name_of(report), log_of(report));
}

static bool check_upstream(struct status_report *report)
{
    int64_t since_ns = report->instance.status.upstream_failing_since_ns;
    char since[EMIT_TIME_SIZE];

    return since_ns != 0 &&
           say(report, STATUS_WARNING,
               "the upstream of instance %s fails since %s. Its log, %s, and fairvisor_upstream_failures_total tell more",
               name_of(report), emit_time(since_ns, since), log_of(report));
}

/* Since the settings were loaded: whoever mended them and reloaded has done what it asks for. */
static bool check_gateways(struct status_report *report)
{
    return report->forwarded_ignored > (uint64_t)report->instance.status.forwarded_ignored_before &&
           say(report, STATUS_WARNING,
               "a gateway asks instance %s that trusted_proxies does not name: its X-Forwarded-For is ignored, and keys such "
               "as ip:address take all of its clients for one. Its log, %s, tells which; add it to trusted_proxies and reload",
               name_of(report), log_of(report));
}

static bool check_log(struct status_report *report)
{
    int64_t since_ns = report->instance.status.log_losing_since_ns;
    char since[EMIT_TIME_SIZE], text[COUNTED_SIZE];

    return since_ns != 0 &&
           say(report, STATUS_WARNING,
               "the log of instance %s, %s, takes no lines since %s; %s were lost so far. Is its disk full, or does nobody "
               "listen?",
               name_of(report), log_of(report), emit_time(since_ns, since),
               counted(report->log_lines_lost, "line", "lines", text));
}

static bool check_bundle(struct status_report *report)
{
    int64_t end = report->instance.status.bundle_expires_at;
    char time[EMIT_TIME_SIZE];

    return end != 0 && end <= now_s(report) &&
           say(report, STATUS_WARNING,
               "the bundle of instance %s expired at %s; it is served on, but the next reload or start refuses it. Push one "
               "with a later expires_at, or go back with `fairvisor connect --rollback`",
               name_of(report), emit_time(end * NANOSECONDS_PER_SECOND, time));
}

static bool check_certificate(struct status_report *report)
{
    int64_t end = report->instance.status.certificate_ends_at;
    char time[EMIT_TIME_SIZE];

    return end != 0 && end <= now_s(report) + CERTIFICATES_SOON_S &&
           say(report, STATUS_WARNING,
               "the certificate (tls_cert) of instance %s %s at %s; put a new one in its place and reload", name_of(report),
               end <= now_s(report) ? "expired" : "expires", emit_time(end * NANOSECONDS_PER_SECOND, time));
}

static bool check_cells(struct status_report *report)
{
    return report->usage.cells_used > report->usage.cells / 100 * CROWDED_PERCENT &&
           say(report, STATUS_WARNING, "instance %s uses more than %d %% of its cells; raise shared_dict_size",
               name_of(report), CROWDED_PERCENT);
}

/* One message has to do for a monitoring plugin: the gravest. */
static void judge(struct status_report *report)
{
    static bool (*const checks[])(struct status_report *report) = {
        check_master,   check_stopped, check_reload, check_snapshot,    check_upstream,
        check_gateways, check_log,     check_bundle, check_certificate, check_cells};
    char workers[COUNTED_SIZE], connections[COUNTED_SIZE];

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (checks[i](report))
            return;
    say(report, STATUS_OK, "instance %s, policy version %s, %s, %s", name_of(report),
        report->instance.status.policy_version,
        counted(report->instance.status.worker_count, "worker", "workers", workers),
        counted(report->connections, "connection", "connections", connections));
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void gather(struct status_report *report)
{
    struct instance *instance = &report->instance;

    report->now = moment_now();
    instance_open(instance);
    if (instance->has_arena) {
        arena_measure(&instance->arena, report->now, &report->usage);
        report->log_lines_lost = instance->status.log_lines_lost + (uint64_t)counters_sum(&instance->arena, COUNTER_log_dropped);
        report->unmatched = counters_sum(&instance->arena, COUNTER_unmatched);
        report->connections = counters_sum(&instance->arena, COUNTER_connections);
        report->clients_untold = (uint64_t)counters_sum(&instance->arena, COUNTER_clients_untold);
        report->forwarded_ignored = (uint64_t)counters_sum(&instance->arena, COUNTER_forwarded_ignored);
        bundle_copy_refresh(&report->copy, instance);
        if (!fill_read(&instance->arena, report->copy.decider, &report->fill))
            fputs("fairvisor: memory is out: the fill of limits is not told\n", stderr);
        count_decisions(report);
        read_kills(report);
        look_at_file(report);
        judge(report);
    } else if (instance->failure.code == EXIT_CODE_NO_INPUT) {
        say(report, STATUS_CRITICAL, "instance %s is not running, it has no shared memory. Start it with fairvisord",
            name_of(report));
    } else {
        say(report, instance->is_bereft ? STATUS_WARNING : STATUS_UNKNOWN, "%s", instance->failure.sentence);
    }
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

int status_run(const struct command *command, int count, char **words)
{
    static struct status_report report;
    const char *config = NULL, *name = NULL;
    bool is_json = false;
    const struct command_option options[] = {
        {NULL, 'c', .text = &config}, {"instance", .text = &name}, {"json", .flag = &is_json}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), NULL);
    struct failure failure;

    if (code != COMMAND_GOES_ON)
        return code;
    if (optind < count)
        return command_refuse(command, "'%s' is one argument too many", words[optind]);
    if (instance_find(&report.instance, config, name, &failure)) {
        gather(&report);
    } else if (failure.code == EXIT_CODE_USAGE) {
        return command_refuse(command, "%s", failure.sentence);
    } else {
        say(&report, STATUS_UNKNOWN, "%s", failure.sentence);
    }
    if (is_json)
        status_report_print_json(&report);
    else
        status_report_print(&report);
    bundle_copy_free(&report.copy);
    return (int)report.state;
}
