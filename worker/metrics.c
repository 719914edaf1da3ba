/* SPDX-License-Identifier: MPL-2.0
 *
 * Words counters, series and the arena's status as a metrics page. Labels are policy ids, rule names, keys and reasons
 * of the loaded bundle, never anything a client sent.
 */
#include "worker/metrics.h"

#include <string.h>

#include "config.h"
#include "policy/verdict.h"
#include "shm/events.h"
#include "shm/families.h"
#include "shm/series.h"
#include "worker/cells.h"
#include "worker/judge.h"
#include "worker/metrics_text.h"


static void write_head(enum family family, struct outbox *out)
{
    const struct family_row *row = &families_table[family];

    metrics_text_head(out, row->name, row->type, row->help);
}

/* A metric that has one sample, whole. */
static void write_single(enum family family, int64_t value, struct outbox *out)
{
    write_head(family, out);
    metrics_text_sample(out, families_table[family].name, "");
    metrics_text_integer(out, value);
}

static void write_single_seconds(enum family family, int64_t ns, struct outbox *out)
{
    write_head(family, out);
    metrics_text_sample(out, families_table[family].name, "");
    metrics_text_seconds(out, ns);
    metrics_text(out, "\n");
}

/* ---- counters of the slots -------------------------------------------------------------------------------------- */

/* The histogram of estimation ratios lies among the counters: its buckets, not cumulative, and its sum in percent. */
static bool is_bucket_of_ratio(const struct counter_row *row)
{
    return strcmp(row->type, "ratio") == 0;
}

static bool is_sum_of_ratio(const struct counter_row *row)
{
    return strcmp(row->type, "ratio sum") == 0;
}

static bool is_of_ratio(const struct counter_row *row)
{
    return is_bucket_of_ratio(row) || is_sum_of_ratio(row);
}

static void write_ratio_sum(const struct arena *arena, enum counter counter, struct outbox *out)
{
    uint64_t percent = (uint64_t)counters_sum(arena, counter);

    metrics_text_sample(out, counters_table[counter].name, "_sum");
    outbox_number(out, percent / 100);
    outbox_add(out,
               (struct slice){(char[]){'.', (char)('0' + percent / 10 % 10), (char)('0' + percent % 10), '\n'}, 4});
}

static void write_ratios(const struct arena *arena, struct outbox *out)
{
    int64_t count = 0;
    const char *name = NULL;

    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        const struct counter_row *row = &counters_table[i];

        if (is_sum_of_ratio(row))
            write_ratio_sum(arena, (enum counter)i, out);
        if (!is_bucket_of_ratio(row))
            continue;
        if (!name)
            metrics_text_head(out, row->name, "histogram", row->help);
        name = row->name;
        count += counters_sum(arena, (enum counter)i);
        metrics_text(out, name);
        metrics_text(out, "_bucket{");
        metrics_text(out, row->labels);
        metrics_text(out, "} ");
        metrics_text_integer(out, count);
    }
    if (name) {
        metrics_text_sample(out, name, "_count");
        metrics_text_integer(out, count);
    }
}

/* The master counts in no slot. */
static int64_t count_of(const struct arena *arena, enum counter counter, const struct arena_status *status)
{
    return counters_sum(arena, counter) + (counter == COUNTER_log_dropped ? (int64_t)status->log_lines_lost : 0);
}

static void write_counters(const struct arena *arena, const struct arena_status *status, struct outbox *out)
{
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        const struct counter_row *row = &counters_table[i];

        if (is_of_ratio(row))
            continue;
        if (i == 0 || strcmp(row->name, counters_table[i - 1].name) != 0)
            metrics_text_head(out, row->name, row->type, row->help);
        metrics_text(out, row->name);
        if (row->labels[0]) {
            metrics_text(out, "{");
            metrics_text(out, row->labels);
            metrics_text(out, "}");
        }
        metrics_text(out, " ");
        metrics_text_integer(out, count_of(arena, (enum counter)i, status));
    }
}

static void write_durations(const struct arena *arena, struct outbox *out)
{
    const char *name = families_table[FAMILY_decision_duration].name;
    uint64_t buckets[COUNTERS_DURATION_BUCKETS] = {0}, sum_ns = 0, count = 0;

    for (size_t slot = 0; slot < ARENA_WORKER_SLOTS; slot++) {
        const struct counter_slot *source = &arena->slots[slot];

        for (size_t i = 0; i < COUNTERS_DURATION_BUCKETS; i++)
            buckets[i] += atomic_load_explicit(&source->duration_bucket[i], memory_order_relaxed);
        sum_ns += atomic_load_explicit(&source->duration_sum_ns, memory_order_relaxed);
    }
    write_head(FAMILY_decision_duration, out);
    for (size_t i = 0; i < COUNTERS_DURATION_BUCKETS; i++) {
        count += buckets[i];
        metrics_text(out, name);
        metrics_text(out, "_bucket{le=\"");
        if (i < COUNTERS_DURATION_BUCKETS - 1)
            metrics_text_seconds(out, counters_duration_bounds[i]);
        else
            metrics_text(out, "+Inf");
        metrics_text(out, "\"} ");
        metrics_text_integer(out, (int64_t)count);
    }
    metrics_text(out, name);
    metrics_text(out, "_sum ");
    metrics_text_seconds(out, (int64_t)sum_ns);
    metrics_text(out, "\n");
    metrics_text(out, name);
    metrics_text(out, "_count ");
    metrics_text_integer(out, (int64_t)count);
}

/* ---- series of the bundle --------------------------------------------------------------------------------------- */

/* One line of fairvisor_decisions_total; reasons that never occurred are left out, the allows never. */
static void write_decision(const struct arena *arena, enum reason reason, struct slice policy, struct outbox *out)
{
    struct slice labels[] = {reason == REASON_NONE ? SLICE("allow") : SLICE("reject"),
                             slice_of(verdict_reasons[reason].name), policy};
    uint64_t value = series_read(arena, families_name(FAMILY_decisions), labels, 3);

    if (value == 0 && reason != REASON_NONE)
        return;
    outbox_add(out, families_name(FAMILY_decisions));
    metrics_text_label(out, "{", "action", labels[0]);
    metrics_text_label(out, ",", "reason", labels[1]);
    metrics_text_label(out, ",", "policy", labels[2]);
    metrics_text(out, "} ");
    metrics_text_integer(out, (int64_t)value);
}

static void write_decisions(const struct arena *arena, const struct bundle *bundle, struct outbox *out)
{
    write_head(FAMILY_decisions, out);
    for (enum reason reason = REASON_NONE; reason < REASON_COUNT; reason++) {
        write_decision(arena, reason, SLICE(""), out);
        for (uint32_t i = 0; i < bundle->policy_count; i++)
            write_decision(arena, reason, bundle->policies[i].id, out);
    }
}

static void write_would_reject(const struct arena *arena, const struct policy *policy, const struct rule *rule,
                               struct outbox *out)
{
    struct slice labels[] = {policy->id, rule->name};

    outbox_add(out, families_name(FAMILY_would_reject));
    metrics_text_label(out, "{", "policy", labels[0]);
    metrics_text_label(out, ",", "rule", labels[1]);
    metrics_text(out, "} ");
    metrics_text_integer(out, (int64_t)series_read(arena, families_name(FAMILY_would_reject), labels, 2));
}

static void write_would_rejects(const struct arena *arena, const struct bundle *bundle, struct outbox *out)
{
    write_head(FAMILY_would_reject, out);
    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        const struct policy *policy = &bundle->policies[i];

        for (uint32_t j = 0; j < policy->rule_count; j++)
            write_would_reject(arena, policy, &policy->rules[j], out);
        if (policy->fallback)
            write_would_reject(arena, policy, policy->fallback, out);
    }
}

static void write_missing(const struct arena *arena, const struct bundle *bundle, struct outbox *out)
{
    write_head(FAMILY_descriptor_missing, out);
    for (uint32_t i = 0; i < bundle->descriptor_count; i++) {
        const struct slice key = bundle->descriptors[i].text;

        outbox_add(out, families_name(FAMILY_descriptor_missing));
        metrics_text_label(out, "{", "key", key);
        metrics_text(out, "} ");
        metrics_text_integer(out, (int64_t)series_read(arena, families_name(FAMILY_descriptor_missing), &key, 1));
    }
}

static void write_tokens(const struct arena *arena, struct slice policy, bool even_none, struct outbox *out)
{
    static const struct slice types[] = {SLICE("prompt"), SLICE("completion")};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct slice labels[] = {types[i], policy};
        uint64_t value = series_read(arena, families_name(FAMILY_tokens_consumed), labels, 2);

        if (value == 0 && !even_none)
            continue;
        outbox_add(out, families_name(FAMILY_tokens_consumed));
        metrics_text_label(out, "{", "type", labels[0]);
        metrics_text_label(out, ",", "policy", labels[1]);
        metrics_text(out, "} ");
        metrics_text_integer(out, (int64_t)value);
    }
}

/* Behind those of the policies, of settled requests whose rule a reload took away meanwhile. */
static void write_tokens_consumed(const struct arena *arena, const struct bundle *bundle, struct outbox *out)
{
    write_head(FAMILY_tokens_consumed, out);
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        if (bundle_policy_counts_usage(&bundle->policies[i]))
            write_tokens(arena, bundle->policies[i].id, true, out);
    write_tokens(arena, SLICE(""), false, out);
}

static void write_circuits(const struct worker *worker, struct outbox *out)
{
    const struct bundle *bundle = worker->bundle;

    write_head(FAMILY_circuit_state, out);
    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        if (!bundle->policies[i].breaker.is_enabled)
            continue;
        outbox_add(out, families_name(FAMILY_circuit_state));
        metrics_text_label(out, "{", "policy", bundle->policies[i].id);
        metrics_text(out, "} ");
        metrics_text_integer(out, judge_breaker_is_open(worker, &bundle->policies[i]));
    }
}

/* ---- the instance ----------------------------------------------------------------------------------------------- */

static void write_cells(struct worker *worker, struct outbox *out)
{
    const struct arena_usage *usage = cells_look(worker);

    write_single(FAMILY_shm_cells, (int64_t)usage->cells, out);
    write_single(FAMILY_shm_cells_used, (int64_t)usage->cells_used, out);
    write_single(FAMILY_series_overflow, (int64_t)series_overflow(&worker->arena), out);
}

static void write_dropped(struct outbox *out, const char *cause, uint64_t count)
{
    outbox_add(out, families_name(FAMILY_decision_log_dropped));
    metrics_text_label(out, "{", "cause", slice_of(cause));
    metrics_text(out, "} ");
    metrics_text_integer(out, (int64_t)count);
}

static void write_decision_log(const struct arena *arena, struct outbox *out)
{
    struct events_head *head = arena->events_head;

    write_single(FAMILY_decision_log_lines, (int64_t)atomic_load_explicit(&head->log_written, memory_order_relaxed), out);
    write_head(FAMILY_decision_log_dropped, out);
    write_dropped(out, "lost", atomic_load_explicit(&head->log_lost, memory_order_relaxed));
    write_dropped(out, "rate", atomic_load_explicit(&head->log_withheld, memory_order_relaxed));
    write_dropped(out, "write", atomic_load_explicit(&head->log_failed, memory_order_relaxed));
}

static void write_config(const struct worker *worker, const struct arena_status *status, struct outbox *out)
{
    write_head(FAMILY_build_info, out);
    outbox_add(out, families_name(FAMILY_build_info));
    metrics_text_label(out, "{", "version", slice_of(PACKAGE_VERSION));
    metrics_text(out, "} 1\n");
    write_head(FAMILY_config_info, out);
    outbox_add(out, families_name(FAMILY_config_info));
    metrics_text_label(out, "{", "version", worker->bundle->version_text);
    metrics_text_label(out, ",", "hash", slice_of(worker->sealed.header->digest));
    metrics_text(out, "} 1\n");
    write_single(FAMILY_config_last_reload_successful, status->last_reload_failed ? 0 : 1, out);
    write_single_seconds(FAMILY_config_last_reload_success_timestamp, status->last_reload_ns, out);
    write_single(FAMILY_config_reloads, (int64_t)status->reloads, out);
    write_single(FAMILY_config_reload_failures, (int64_t)status->reload_failures, out);
    write_single(FAMILY_bundle_expiry_timestamp, status->bundle_expires_at, out);
    write_single(FAMILY_tls_certificate_expiry_timestamp, status->certificate_ends_at, out);
    write_single(FAMILY_shm_removed, status->memory_is_removed ? 1 : 0, out);
}

static void write_processes(const struct arena_status *status, struct outbox *out)
{
    write_single(FAMILY_workers, (int64_t)status->worker_count, out);
    write_single(FAMILY_worker_restarts, (int64_t)status->worker_restarts, out);
    write_single(FAMILY_worker_hangs, (int64_t)status->worker_hangs, out);
    write_single_seconds(FAMILY_snapshot_last_success_timestamp, status->last_snapshot_ns, out);
    write_single(FAMILY_snapshot_last_successful, status->last_snapshot_failed ? 0 : 1, out);
    write_single(FAMILY_snapshot_failures, (int64_t)status->snapshot_failures, out);
}

void metrics_write(struct worker *worker, struct outbox *out)
{
    struct arena_status status = {.master_pid = 0};
    bool is_known = arena_read_status(&worker->arena, &status);

    write_counters(&worker->arena, &status, out);
    write_ratios(&worker->arena, out);
    write_durations(&worker->arena, out);
    write_decisions(&worker->arena, worker->bundle, out);
    write_would_rejects(&worker->arena, worker->bundle, out);
    write_missing(&worker->arena, worker->bundle, out);
    write_tokens_consumed(&worker->arena, worker->bundle, out);
    write_circuits(worker, out);
    write_cells(worker, out);
    write_decision_log(&worker->arena, out);
    if (is_known) {
        write_config(worker, &status, out);
        write_processes(&status, out);
    }
}
