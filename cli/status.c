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
#include "cli/fill.h"
#include "cli/input.h"
#include "cli/instance.h"
#include "policy/digest.h"
#include "policy/iso8601.h"
#include "policy/load.h"
#include "policy/verdict.h"
#include "shm/counters.h"
#include "shm/families.h"
#include "shm/kills.h"
#include "shm/moment.h"
#include "shm/series.h"

#define CROWDED_PERCENT   90
#define BAR_WIDTH         20
#define MESSAGE_SIZE      1280
#define MAX_KILL_SWITCHES 10 /* that are listed */

enum state { STATE_OK, STATE_WARNING, STATE_CRITICAL, STATE_UNKNOWN };

static const struct {
    const char *name;
    enum emit_colour colour;
} states[] = {{"OK", EMIT_GOOD}, {"WARNING", EMIT_WARN}, {"CRITICAL", EMIT_BAD}, {"UNKNOWN", EMIT_WARN}};

struct report {
    struct instance instance;
    struct arena_usage usage;
    struct fill fill; /* of limits */
    struct moment now;
    int64_t connections;
    struct bundle *bundle;       /* the loaded one; NULL: its copy cannot be read */
    uint64_t decisions, rejects; /* known with the bundle */
    struct kills_table kills;    /* set by hand */
    bool file_differs;           /* config_file is not what is served */
    enum state state;
    char message[MESSAGE_SIZE];
};

/* ---- gathering --------------------------------------------------------------------------------------------------- */

static uint64_t sum_of_policy(const struct arena *arena, struct slice policy, enum reason reason)
{
    struct slice labels[] = {reason == REASON_NONE ? SLICE("allow") : SLICE("reject"),
                             slice_of(verdict_reasons[reason].name), policy};

    return series_read(arena, families_name(FAMILY_decisions), labels, 3);
}

static void add_policy(struct report *report, struct slice policy)
{
    for (int reason = REASON_NONE; reason < REASON_COUNT; reason++) {
        uint64_t count = sum_of_policy(&report->instance.arena, policy, (enum reason)reason);

        report->decisions += count;
        report->rejects += reason == REASON_NONE ? 0 : count;
    }
}

static void read_bundle(struct report *report)
{
    static struct complaint_list complaints;
    /* Judged at the time of its load: it may have expired since, and is in force all the same. */
    int64_t at = report->instance.status.loaded_at_ns / NANOSECONDS_PER_SECOND;
    char path[SETTINGS_PATH_SIZE];
    struct failure failure;
    struct input input = {.data = NULL};

    if (instance_bundle_path(&report->instance, path) && input_read(path, &input, &failure))
        report->bundle = load_bundle(input_slice(&input), at, &complaints);
    input_free(&input);
}

/* The service serves what the file held when it was loaded; an edit since then is easily forgotten. */
static void look_at_file(struct report *report)
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

static void read_kills(struct report *report)
{
    uint32_t sequence;

    if (!kills_read(&report->instance.arena, &report->kills, &sequence))
        report->kills.count = 0; /* the master died while it wrote them */
}

/* Decisions are counted by policy, so their sum needs the names of the policies. */
static void count_decisions(struct report *report)
{
    if (!report->bundle)
        return;
    add_policy(report, SLICE(""));
    for (uint32_t i = 0; i < report->bundle->policy_count; i++)
        add_policy(report, report->bundle->policies[i].id);
}

static bool is_crowded(const struct arena_usage *usage)
{
    return usage->cells_used > usage->cells / 100 * CROWDED_PERCENT;
}

static void judge(struct report *report)
{
    const struct arena_status *status = &report->instance.status;
    const char *name = report->instance.settings.instance;

    report->state = STATE_WARNING;
    if (!report->instance.is_running) {
        report->state = STATE_CRITICAL;
        snprintf(report->message, sizeof(report->message),
                 "instance %s is not running; its counters are kept in shared memory. Start it with fairvisord", name);
    } else if (status->last_reload_failed) {
        snprintf(report->message, sizeof(report->message),
                 "the last reload of instance %s failed; it keeps the policy from before. The log tells why", name);
    } else if (status->last_snapshot_failed) {
        snprintf(report->message, sizeof(report->message),
                 "the last snapshot of instance %s failed; a reboot would lose its counters. The log tells why", name);
    } else if (is_crowded(&report->usage)) {
        snprintf(report->message, sizeof(report->message),
                 "instance %s uses more than %d %% of its cells; raise shared_dict_size", name, CROWDED_PERCENT);
    } else {
        report->state = STATE_OK;
        snprintf(report->message, sizeof(report->message),
                 "instance %s, policy version %s, %u workers, %" PRId64 " connections", name, status->policy_version,
                 status->worker_count, report->connections);
    }
}

static void gather(struct report *report)
{
    struct instance *instance = &report->instance;

    report->now = moment_now();
    instance_open(instance);
    if (instance->has_arena) {
        arena_measure(&instance->arena, report->now, &report->usage);
        report->connections = counters_sum(&instance->arena, COUNTER_connections);
        read_bundle(report);
        if (!fill_read(&instance->arena, report->bundle, &report->fill))
            fputs("fairvisor: memory is out: the fill of limits is not told\n", stderr);
        count_decisions(report);
        read_kills(report);
        look_at_file(report);
        judge(report);
    } else if (instance->failure.code == EXIT_CODE_NO_INPUT) {
        report->state = STATE_CRITICAL;
        snprintf(report->message, sizeof(report->message),
                 "instance %s is not running, it has no shared memory. Start it with fairvisord",
                 instance->settings.instance);
    } else {
        report->state = STATE_UNKNOWN;
        snprintf(report->message, sizeof(report->message), "%s%s", instance->failure.sentence,
                 instance->failure.code == EXIT_CODE_PERMISSION ? "; run this as root or as the workers' user" : "");
    }
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

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
static void print_in_force(const char *label, struct slice what, struct slice reason, int64_t expires_at)
{
    char time[ISO8601_TEXT_SIZE];

    printf("  %-12s ", label);
    emit_plain(what, stdout);
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

static void print_overrides(const struct report *report)
{
    const struct bundle *bundle = report->bundle;
    int64_t now = report->now.wall_ns / NANOSECONDS_PER_SECOND;
    uint32_t shown = 0, held = 0;

    if (bundle->global_shadow.is_enabled && now < bundle->global_shadow.expires_at)
        print_in_force("override", SLICE("global_shadow"), bundle->global_shadow.reason,
                       bundle->global_shadow.expires_at);
    if (bundle->kill_switch_override.is_enabled && now < bundle->kill_switch_override.expires_at)
        print_in_force("override", SLICE("kill_switch_override"), bundle->kill_switch_override.reason,
                       bundle->kill_switch_override.expires_at);
    for (uint32_t i = 0; i < bundle->kill_switch_count; i++) {
        const struct kill_switch *kill = &bundle->kill_switches[i];

        if (now >= kill->expires_at)
            continue;
        held++;
        if (shown == MAX_KILL_SWITCHES)
            continue;
        shown++;
        print_in_force("kill switch", bundle->descriptors[kill->descriptor].text, kill->reason, kill->expires_at);
    }
    if (held > shown)
        printf("  kill switch  and %u more\n", held - shown);
}

static void print_kills(const struct report *report)
{
    int64_t now = report->now.wall_ns / NANOSECONDS_PER_SECOND;

    for (uint32_t i = 0; i < report->kills.count; i++) {
        const struct kills_row *row = &report->kills.rows[i];

        if (now < row->expires_at)
            print_in_force("kill by hand", slice_of(row->key), slice_of(row->reason), row->expires_at);
    }
}

static void print_body(const struct report *report)
{
    const struct arena_status *status = &report->instance.status;
    char time[EMIT_TIME_SIZE], span[EMIT_SPAN_SIZE];

    if (report->instance.is_running)
        printf("  running      yes, process %" PRId64 ", for %s\n", status->master_pid,
               emit_span(report->now.wall_ns - status->started_at_ns, span));
    else
        printf("  running      no; the last one was process %" PRId64 "\n", status->master_pid);
    fputs("  policy       version ", stdout);
    emit_plain(slice_of(status->policy_version), stdout);
    printf(", generation %u, loaded %s\n  hash         ", status->generation, emit_time(status->loaded_at_ns, time));
    emit_plain(slice_of(status->policy_hash), stdout);
    putchar('\n');
    if (report->file_differs) {
        fputs("  file         ", stdout);
        emit_plain(slice_of(report->instance.settings.config_file), stdout);
        puts(" is not what is served; `fairvisord -s reload` loads it");
    }
    printf("  workers      %u, replaced after a crash: %" PRIu64 "\n", status->worker_count, status->worker_restarts);
    printf("  connections  %" PRId64 "\n", report->connections);
    if (report->bundle)
        printf("  decisions    %" PRIu64 ", of them rejects: %" PRIu64 "\n", report->decisions, report->rejects);
    else
        fputs("  decisions    unknown, because the copy of the loaded policy cannot be read\n", stdout);
    print_bar(&report->usage);
    fill_print(&report->fill);
    printf("  reloads      %" PRIu64 " done, %" PRIu64 " failed; the last one %s, last success %s\n", status->reloads,
           status->reload_failures, status->last_reload_failed ? "failed" : "did not fail",
           emit_time(status->last_reload_ns, time));
    printf("  snapshot     %" PRIu64 " failed; the last one %s, last success %s\n", status->snapshot_failures,
           status->last_snapshot_failed ? "failed" : "did not fail", emit_time(status->last_snapshot_ns, time));
    if (report->bundle)
        print_overrides(report);
    print_kills(report);
}

static void print_text(const struct report *report)
{
    fputs("FAIRVISOR ", stdout);
    emit_coloured(states[report->state].colour, states[report->state].name, stdout);
    fputs(" - ", stdout);
    emit_plain(slice_of(report->message), stdout);
    if (report->instance.has_arena) {
        printf(" | connections=%" PRId64 " cells_used=%" PRIu64 ";;;0;%" PRIu64 " worker_restarts=%" PRIu64 "c",
               report->connections, report->usage.cells_used, report->usage.cells,
               report->instance.status.worker_restarts);
        if (report->bundle)
            printf(" decisions=%" PRIu64 "c rejects=%" PRIu64 "c", report->decisions, report->rejects);
    }
    putchar('\n');
    if (report->instance.has_arena)
        print_body(report);
}

static void print_member(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    if (text)
        emit_json_string(slice_of(text), stdout);
    else
        fputs("null", stdout);
}

static void print_time_member(const char *name, int64_t wall_ns)
{
    char text[EMIT_TIME_SIZE];

    print_member(name, wall_ns ? emit_time(wall_ns, text) : NULL);
}

static void print_json_body(const struct report *report)
{
    const struct arena_status *status = &report->instance.status;
    bool is_running = report->instance.is_running;

    printf(",\"running\":%s,\"pid\":%" PRId64, is_running ? "true" : "false", is_running ? status->master_pid : 0);
    print_time_member("started_at", status->started_at_ns);
    printf(",\"uptime_seconds\":%" PRId64,
           is_running ? (report->now.wall_ns - status->started_at_ns) / NANOSECONDS_PER_SECOND : 0);
    print_member("policy_version", status->policy_version);
    print_member("policy_hash", status->policy_hash);
    printf(",\"generation\":%u", status->generation);
    print_time_member("loaded_at", status->loaded_at_ns);
    printf(",\"workers\":%u,\"worker_restarts\":%" PRIu64 ",\"connections\":%" PRId64, status->worker_count,
           status->worker_restarts, report->connections);
    if (report->bundle)
        printf(",\"decisions\":%" PRIu64 ",\"rejects\":%" PRIu64, report->decisions, report->rejects);
    else
        fputs(",\"decisions\":null,\"rejects\":null", stdout);
    fputs(",\"limits\":", stdout);
    fill_print_json(&report->fill);
    printf(",\"cells\":%" PRIu64 ",\"cells_used\":%" PRIu64 ",\"reloads\":%" PRIu64 ",\"reload_failures\":%" PRIu64
           ",\"last_reload_failed\":%s",
           report->usage.cells, report->usage.cells_used, status->reloads, status->reload_failures,
           status->last_reload_failed ? "true" : "false");
    print_time_member("last_reload_at", status->last_reload_ns);
    printf(",\"kill_switches_by_hand\":%u", report->kills.count);
    printf(",\"snapshot_failures\":%" PRIu64 ",\"last_snapshot_failed\":%s", status->snapshot_failures,
           status->last_snapshot_failed ? "true" : "false");
    print_time_member("last_snapshot_at", status->last_snapshot_ns);
}

static void print_json(const struct report *report)
{
    printf("{\"state\":\"%s\",\"message\":", states[report->state].name);
    emit_json_string(slice_of(report->message), stdout);
    print_member("instance", report->instance.settings.instance);
    if (report->instance.has_arena)
        print_json_body(report);
    else if (report->state == STATE_CRITICAL)
        fputs(",\"running\":false", stdout);
    puts("}");
}

int status_run(const struct command *command, int count, char **words)
{
    static const struct option options[] = {{"instance", required_argument, NULL, 'i'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    static struct report report;
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
        report.state = STATE_UNKNOWN;
        snprintf(report.message, sizeof(report.message), "%s", failure.sentence);
    }
    if (is_json)
        print_json(&report);
    else
        print_text(&report);
    bundle_free(report.bundle);
    return (int)report.state;
}
