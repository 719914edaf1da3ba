/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor status: what the shared memory tells of an instance, for people, for programs, and for monitoring plugins.
 */
#include "cli/status.h"

#include <getopt.h>
#include <inttypes.h>
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

    report->file_differs = path[0] != '\0' && input_read(path, &input, &failure) &&
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

static bool is_crowded(const struct arena_usage *usage)
{
    return usage->cells_used > usage->cells / 100 * CROWDED_PERCENT;
}

static void judge(struct status_report *report)
{
    const struct arena_status *status = &report->instance.status;
    const char *name = report->instance.settings.instance, *log = status_report_log(&report->instance.settings);
    int64_t now_s = report->now.wall_ns / NANOSECONDS_PER_SECOND;
    char since[EMIT_TIME_SIZE], text[COUNTED_SIZE], connections[COUNTED_SIZE];

    report->state = STATUS_WARNING;
    if (report->instance.orphans > 0) {
        report->state = STATUS_CRITICAL;
        snprintf(report->message, sizeof(report->message),
                 "the master of instance %s is dead; %s on until drained, and nobody replaces them, reloads or takes orders. "
                 "Start it with fairvisord, which takes over the counters",
                 name, counted(report->instance.orphans, "worker serves", "workers serve", text));
    } else if (!report->instance.is_running) {
        report->state = STATUS_CRITICAL;
        snprintf(report->message, sizeof(report->message),
                 "instance %s is not running; its counters are kept in shared memory. Start it with fairvisord", name);
    } else if (status->last_reload_failed) {
        snprintf(report->message, sizeof(report->message),
                 "the last reload of instance %s failed; it keeps the policy from before%s%.*s. Its log, %s, tells %s", name,
                 status->reload_refusal[0] ? ": " : "",
                 (int)strnlen(status->reload_refusal, sizeof(status->reload_refusal)), status->reload_refusal, log,
                 status->reload_refusal[0] ? "more" : "why");
    } else if (status->last_snapshot_failed) {
        snprintf(report->message, sizeof(report->message),
                 "the last snapshot of instance %s failed; a reboot would lose its counters. Its log, %s, tells why", name, log);
    } else if (status->upstream_failing_since_ns != 0) {
        snprintf(report->message, sizeof(report->message),
                 "the upstream of instance %s fails since %s. Its log, %s, and fairvisor_upstream_failures_total tell more", name,
                 emit_time(status->upstream_failing_since_ns, since), log);
    } else if (status->log_losing_since_ns != 0) {
        snprintf(report->message, sizeof(report->message),
                 "the log of instance %s, %s, takes no lines since %s; %s were lost so far. Is its disk full, or does nobody "
                 "listen?", name, log, emit_time(status->log_losing_since_ns, since),
                 counted(report->log_lines_lost, "line", "lines", text));
    } else if (status->bundle_expires_at != 0 && status->bundle_expires_at <= now_s) {
        snprintf(report->message, sizeof(report->message),
                 "the bundle of instance %s expired at %s; it is served on, but the next reload or start refuses it. Push one "
                 "with a later expires_at, or go back with `fairvisor connect --rollback`", name,
                 emit_time(status->bundle_expires_at * NANOSECONDS_PER_SECOND, since));
    } else if (status->certificate_ends_at != 0 && status->certificate_ends_at <= now_s + CERTIFICATES_SOON_S) {
        snprintf(report->message, sizeof(report->message),
                 "the certificate (tls_cert) of instance %s %s at %s; put a new one in its place and reload", name,
                 status->certificate_ends_at <= now_s ? "expired" : "expires",
                 emit_time(status->certificate_ends_at * NANOSECONDS_PER_SECOND, since));
    } else if (is_crowded(&report->usage)) {
        snprintf(report->message, sizeof(report->message),
                 "instance %s uses more than %d %% of its cells; raise shared_dict_size", name, CROWDED_PERCENT);
    } else {
        report->state = STATUS_OK;
        snprintf(report->message, sizeof(report->message),
                 "instance %s, policy version %s, %s, %s", name, status->policy_version,
                 counted(status->worker_count, "worker", "workers", text),
                 counted(report->connections, "connection", "connections", connections));
    }
}

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
        bundle_copy_refresh(&report->copy, instance);
        if (!fill_read(&instance->arena, report->copy.decider, &report->fill))
            fputs("fairvisor: memory is out: the fill of limits is not told\n", stderr);
        count_decisions(report);
        read_kills(report);
        look_at_file(report);
        judge(report);
    } else if (instance->failure.code == EXIT_CODE_NO_INPUT) {
        report->state = STATUS_CRITICAL;
        snprintf(report->message, sizeof(report->message),
                 "instance %s is not running, it has no shared memory. Start it with fairvisord",
                 instance->settings.instance);
    } else {
        report->state = instance->is_bereft ? STATUS_WARNING : STATUS_UNKNOWN;
        snprintf(report->message, sizeof(report->message), "%s", instance->failure.sentence);
    }
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

int status_run(const struct command *command, int count, char **words)
{
    static const struct option options[] = {{"instance", required_argument, NULL, 'i'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    static struct status_report report;
    const char *config = NULL, *name = NULL;
    struct failure failure;
    bool is_json = false;
    int letter;

    opterr = 0;
    while ((letter = getopt_long(count, words, ":c:h", options, NULL)) != -1) {
        if (letter == 'h') {
            command_print_help(command, stdout);
            return EXIT_CODE_OK;
        } else if (letter == 'c') {
            config = optarg;
        } else if (letter == 'i') {
            name = optarg;
        } else if (letter == 'j') {
            is_json = true;
        } else {
            return command_refuse_option(command, letter, words);
        }
    }
    if (optind < count)
        return command_refuse(command, "'%s' is one argument too many", words[optind]);
    if (instance_configure(&report.instance, config, name, &failure)) {
        gather(&report);
    } else if (failure.code == EXIT_CODE_USAGE) {
        return command_refuse(command, "%s", failure.sentence);
    } else {
        report.state = STATUS_UNKNOWN;
        snprintf(report.message, sizeof(report.message), "%s", failure.sentence);
    }
    if (is_json)
        status_report_print_json(&report);
    else
        status_report_print(&report);
    bundle_copy_free(&report.copy);
    return (int)report.state;
}
