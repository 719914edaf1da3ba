/* SPDX-License-Identifier: MPL-2.0
 *
 * The words and the JSON of `fairvisor status`: see status_report.h.
 */
#include "cli/status_report.h"

#include <inttypes.h>

#include "cli/emit.h"
#include "policy/decide.h"
#include "policy/iso8601.h"
#include "shm/families.h"
#include "shm/series.h"

#define BAR_WIDTH         20
#define FAR_S             (INT64_C(3650) * 24 * 60 * 60) /* nobody counts the days until then */
#define MAX_KILL_SWITCHES 10 /* that are listed */

static const struct {
    const char *name;
    enum emit_colour colour;
} states[] = {{"OK", EMIT_GOOD}, {"WARNING", EMIT_WARN}, {"CRITICAL", EMIT_BAD}, {"UNKNOWN", EMIT_WARN}};

const char *status_report_log(const struct settings *settings)
{
    switch (settings->log) {
    case SETTINGS_LOG_FILE:
        return settings->log_file;
    case SETTINGS_LOG_SYSLOG:
        return "syslog";
    case SETTINGS_LOG_STDERR:
        break;
    }
    return "the standard error of fairvisord (journalctl has it where systemd started it)";
}

static void print_bar(const struct arena_usage *usage)
{
    uint64_t cells = usage->cells ? usage->cells : 1;
    uint64_t filled = usage->cells_used * BAR_WIDTH / cells;

    fputs("  cells        [", stdout);
    for (uint64_t i = 0; i < BAR_WIDTH; i++)
        putchar(i < filled ? '#' : '.');
    printf("] %" PRIu64 " %% of %" PRIu64 " (%" PRIu64 " in use)\n", usage->cells_used * 100 / cells, usage->cells,
           usage->cells_used);
}

/* What is in force beside the limits: text from the bundle, of whoever wrote it. */
static void print_in_force(const char *label, struct slice what, struct slice value, struct slice route,
                           struct slice reason, int64_t expires_at)
{
    char time[ISO8601_TEXT_SIZE];

    printf("  %-12s ", label);
    emit_plain(what, stdout);
    if (value.size > 0) {
        putchar('=');
        emit_plain(value, stdout);
    }
    if (route.size > 0) {
        fputs(" for exactly ", stdout);
        emit_plain(route, stdout);
    }
    if (expires_at != BUNDLE_NEVER) {
        iso8601_print(expires_at, time);
        printf(" until %s", time);
    }
    if (reason.size > 0) {
        fputs(", because: ", stdout);
        emit_plain(reason, stdout);
    }
    putchar('\n');
}

/* A status is passed on to more people than the list of kill switches: whom it is about is told as events tell it. */
static void print_switch(const struct status_report *report, const char *label, struct slice key, struct slice value,
                         struct slice route, struct slice reason, int64_t expires_at)
{
    char room[DECIDE_REDACT_SIZE];

    print_in_force(label, key, decide_redact(&report->instance.arena, report->instance.settings.redact, key, value, room),
                   route, reason, expires_at);
}

static void print_overrides(const struct status_report *report)
{
    const struct bundle *bundle = report->copy.bundle;
    int64_t now = report->now.wall_ns / NANOSECONDS_PER_SECOND;
    uint32_t shown = 0, held = 0;

    if (bundle_override_holds(&bundle->global_shadow, now))
        print_in_force("override", SLICE("global_shadow"), SLICE(""), SLICE(""), bundle->global_shadow.reason,
                       bundle->global_shadow.expires_at);
    if (bundle_override_holds(&bundle->kill_switch_override, now))
        print_in_force("override", SLICE("kill_switch_override"), SLICE(""), SLICE(""),
                       bundle->kill_switch_override.reason,
                       bundle->kill_switch_override.expires_at);
    for (uint32_t i = 0; i < bundle->kill_switch_count; i++) {
        const struct kill_switch *kill = &bundle->kill_switches[i];

        if (now >= kill->expires_at)
            continue;
        held++;
        if (shown == MAX_KILL_SWITCHES)
            continue;
        shown++;
        print_switch(report, "kill switch", bundle->descriptors[kill->descriptor].text, kill->value, kill->route,
                     kill->reason, kill->expires_at);
    }
    if (held > shown)
        printf("  kill switch  and %u more\n", held - shown);
}

static void print_kills(const struct status_report *report)
{
    int64_t now = report->now.wall_ns / NANOSECONDS_PER_SECOND;

    for (uint32_t i = 0; i < report->kills.count; i++) {
        const struct kills_row *row = &report->kills.rows[i];

        if (now < row->expires_at)
            print_switch(report, "kill by hand", slice_of(row->key), slice_of(row->value), slice_of(row->route),
                         slice_of(row->reason), row->expires_at);
    }
}

static void print_processes(const struct status_report *report)
{
    const struct arena_status *status = &report->instance.status;
    char span[EMIT_SPAN_SIZE];

    if (report->instance.is_running)
        printf("  running      yes, process %" PRId64 ", for %s\n", status->master_pid,
               emit_span(report->now.wall_ns - status->started_at_ns, span));
    else
        printf("  running      no; the last master was process %" PRId64 "\n", status->master_pid);
    if (report->instance.is_running)
        printf("  workers      %u, replaced after a crash: %" PRIu64 "\n", status->worker_count, status->worker_restarts);
    else if (report->instance.orphans > 0)
        printf("  workers      %u of the dead master, until drained\n", report->instance.orphans);
    else
        puts("  workers      none");
    printf("  connections  %" PRId64 "\n", report->connections);
}

/* What is done again and again: how it went. */
static void print_history(const char *label, const char *sums, bool last_failed, int64_t last_success_ns)
{
    char time[EMIT_TIME_SIZE];

    printf("  %-12s %s, last success %s%s\n", label, sums, emit_time(last_success_ns, time),
           last_failed ? "; the last one failed" : "");
}

static void print_histories(const struct arena_status *status)
{
    char sums[64];

    snprintf(sums, sizeof(sums), "%" PRIu64 " done, %" PRIu64 " failed", status->reloads, status->reload_failures);
    print_history("reloads", sums, status->last_reload_failed, status->last_reload_ns);
    snprintf(sums, sizeof(sums), "%" PRIu64 " failed", status->snapshot_failures);
    print_history("snapshots", sums, status->last_snapshot_failed, status->last_snapshot_ns);
}

/* How often rules asked for a key that the request lacked, which of one request may be several: of the keys that some did. */
static void print_missing(const struct status_report *report)
{
    const struct bundle *bundle = report->copy.bundle;

    for (uint32_t i = 0; i < bundle->descriptor_count; i++) {
        uint64_t count =
            series_read(&report->instance.arena, families_name(FAMILY_descriptor_missing), &bundle->descriptors[i].text, 1);

        if (count == 0)
            continue;
        printf("  missing      %" PRIu64 " time%s a rule found no ", count, count == 1 ? "" : "s");
        emit_plain(bundle->descriptors[i].text, stdout);
        fputs(" in a request", stdout);
        putchar('\n');
    }
}

/* When the bundle or the certificate ends; nothing of what never does. */
static void print_end(const char *label, int64_t at, struct moment now)
{
    char time[ISO8601_TEXT_SIZE], span[EMIT_SPAN_SIZE];
    int64_t left_s = at - now.wall_ns / NANOSECONDS_PER_SECOND;

    if (at == 0)
        return;
    iso8601_print(at, time);
    if (left_s > FAR_S)
        printf("  %-12s %s\n", label, time);
    else if (left_s > 0)
        printf("  %-12s %s, in %s\n", label, time, emit_span(left_s * NANOSECONDS_PER_SECOND, span));
    else
        printf("  %-12s %s: it has expired\n", label, time);
}

static void print_body(const struct status_report *report)
{
    const struct arena_status *status = &report->instance.status;
    char time[EMIT_TIME_SIZE];

    print_processes(report);
    fputs("  policy       version ", stdout);
    emit_plain(slice_of(status->policy_version), stdout);
    printf(", generation %u, loaded %s\n  hash         ", status->generation, emit_time(status->loaded_at_ns, time));
    emit_plain(slice_of(status->policy_hash), stdout);
    putchar('\n');
    print_end("expires", status->bundle_expires_at, report->now);
    print_end("certificate", status->certificate_ends_at, report->now);
    if (report->file_differs) {
        fputs("  file         ", stdout);
        emit_plain(slice_of(report->instance.settings.config_file), stdout);
        puts(status->last_reload_failed
                 ? " is not what is served, and the last reload was refused: mend it until `fairvisord -t` takes it, then "
                   "`fairvisord -s reload`"
                 : " is not what is served; `fairvisord -s reload` loads it");
    }
    if (report->copy.bundle)
        printf("  decisions    %" PRIu64 ", of them rejects: %" PRIu64 "\n", report->decisions, report->rejects);
    else
        fputs("  decisions    unknown, because the copy of the loaded policy cannot be read\n", stdout);
    if (report->clients_untold > 0)
        printf("  clients      %" PRIu64
               " times told by no trusted proxy, and taken for the proxy itself; the log tells which proxy\n",
               report->clients_untold);
    if (report->forwarded_ignored > 0)
        printf("  gateways     %" PRIu64
               " times X-Forwarded-For was ignored, because trusted_proxies did not name who asked; the log tells who\n",
               report->forwarded_ignored);
    if (report->unmatched > 0)
        printf("  unmatched    %" PRId64 " requests matched no policy's selector\n", report->unmatched);
    if (report->copy.bundle)
        print_missing(report);
    if (report->log_lines_lost > 0)
        printf("  log          lines lost: %" PRIu64 "\n", report->log_lines_lost);
    print_bar(&report->usage);
    fill_print(&report->fill);
    print_histories(status);
    if (report->copy.bundle)
        print_overrides(report);
    print_kills(report);
}

void status_report_print(const struct status_report *report)
{
    fputs("FAIRVISOR ", stdout);
    emit_coloured(states[report->state].colour, states[report->state].name, stdout);
    fputs(" - ", stdout);
    emit_plain(slice_of(report->message), stdout);
    if (report->instance.has_arena) {
        printf(" | connections=%" PRId64 " cells_used=%" PRIu64 ";;;0;%" PRIu64 " worker_restarts=%" PRIu64 "c",
               report->connections, report->usage.cells_used, report->usage.cells,
               report->instance.status.worker_restarts);
        if (report->copy.bundle)
            printf(" decisions=%" PRIu64 "c rejects=%" PRIu64 "c", report->decisions, report->rejects);
    }
    putchar('\n');
    if (report->instance.has_arena)
        print_body(report);
}

static void print_time_member(const char *label, int64_t wall_ns)
{
    char text[EMIT_TIME_SIZE];

    emit_json_text_or_null(label, slice_of(wall_ns ? emit_time(wall_ns, text) : NULL), stdout);
}

static void print_missing_json(const struct status_report *report)
{
    const struct bundle *bundle = report->copy.bundle;

    for (uint32_t i = 0; i < bundle->descriptor_count; i++) {
        if (i > 0)
            putchar(',');
        emit_json_string(bundle->descriptors[i].text, stdout);
        printf(":%" PRIu64, series_read(&report->instance.arena, families_name(FAMILY_descriptor_missing),
                                        &bundle->descriptors[i].text, 1));
    }
}

static void print_json_body(const struct status_report *report)
{
    const struct arena_status *status = &report->instance.status;
    bool is_running = report->instance.is_running;

    printf(",\"running\":%s,\"pid\":%" PRId64, is_running ? "true" : "false", is_running ? status->master_pid : 0);
    print_time_member(",\"started_at\":", status->started_at_ns);
    printf(",\"uptime_seconds\":%" PRId64,
           is_running ? (report->now.wall_ns - status->started_at_ns) / NANOSECONDS_PER_SECOND : 0);
    emit_json_text(",\"policy_version\":", slice_of(status->policy_version), stdout);
    emit_json_text(",\"policy_hash\":", slice_of(status->policy_hash), stdout);
    printf(",\"generation\":%u", status->generation);
    print_time_member(",\"loaded_at\":", status->loaded_at_ns);
    emit_json_date(",\"expires_at\":", status->bundle_expires_at, stdout);
    emit_json_date(",\"certificate_ends_at\":", status->certificate_ends_at, stdout);
    printf(",\"workers\":%u,\"worker_restarts\":%" PRIu64 ",\"connections\":%" PRId64,
           is_running ? status->worker_count : report->instance.orphans, status->worker_restarts, report->connections);
    if (report->copy.bundle)
        printf(",\"decisions\":%" PRIu64 ",\"rejects\":%" PRIu64, report->decisions, report->rejects);
    else
        fputs(",\"decisions\":null,\"rejects\":null", stdout);
    printf(",\"clients_untold\":%" PRIu64, report->clients_untold);
    printf(",\"forwarded_ignored\":%" PRIu64, report->forwarded_ignored);
    printf(",\"unmatched\":%" PRId64 ",\"missing\":{", report->unmatched);
    if (report->copy.bundle)
        print_missing_json(report);
    printf("},\"log_lines_lost\":%" PRIu64, report->log_lines_lost);
    print_time_member(",\"log_losing_since\":", status->log_losing_since_ns);
    fputs(",\"limits\":", stdout);
    fill_print_json(&report->fill);
    printf(",\"cells\":%" PRIu64 ",\"cells_used\":%" PRIu64 ",\"reloads\":%" PRIu64 ",\"reload_failures\":%" PRIu64
           ",\"last_reload_failed\":%s",
           report->usage.cells, report->usage.cells_used, status->reloads, status->reload_failures,
           status->last_reload_failed ? "true" : "false");
    print_time_member(",\"last_reload_at\":", status->last_reload_ns);
    printf(",\"kill_switches_by_hand\":%u", report->kills.count);
    printf(",\"snapshot_failures\":%" PRIu64 ",\"last_snapshot_failed\":%s", status->snapshot_failures,
           status->last_snapshot_failed ? "true" : "false");
    print_time_member(",\"last_snapshot_at\":", status->last_snapshot_ns);
}

void status_report_print_json(const struct status_report *report)
{
    printf("{\"state\":\"%s\"", states[report->state].name);
    emit_json_text(",\"message\":", slice_of(report->message), stdout);
    emit_json_text(",\"instance\":", slice_of(report->instance.settings.instance), stdout);
    if (report->instance.has_arena)
        print_json_body(report);
    else if (report->state != STATUS_UNKNOWN)
        printf(",\"running\":%s", report->instance.is_bereft ? "true" : "false");
    puts("}");
}
