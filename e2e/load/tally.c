/* SPDX-License-Identifier: MPL-2.0
 *
 * Counting and printing. Latencies go to a histogram with a fixed relative error, so that a run of any length takes the
 * same memory. Never drops a failure: each request that was begun ends as one status or one trouble.
 */
#include "e2e/load/tally.h"

#include <inttypes.h>
#include <string.h>

static size_t bucket_of(uint64_t value)
{
    if (value < TALLY_STEPS) {
        return (size_t)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - 6u;
    size_t bucket = ((size_t)shift + 1) * TALLY_STEPS + (size_t)((value >> shift) - TALLY_STEPS);
    return bucket < TALLY_BUCKETS ? bucket : TALLY_BUCKETS - 1;
}

/* Upper end of a bucket. */
static uint64_t value_of(size_t bucket)
{
    if (bucket < TALLY_STEPS) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket / TALLY_STEPS) - 1;
    return ((uint64_t)(bucket % TALLY_STEPS) + TALLY_STEPS + 1) << shift;
}

void tally_answer(struct tally *tally, int status, int64_t latency_ns)
{
    uint64_t latency = latency_ns > 0 ? (uint64_t)latency_ns : 0;

    tally->statuses[status]++;
    tally->latency[bucket_of(latency)]++;
    tally->latency_count++;
    tally->latency_sum_ns += latency;
    if (latency > tally->latency_max_ns) {
        tally->latency_max_ns = latency;
    }
}

void tally_value(struct tally *tally, const char *value, uint64_t count)
{
    for (size_t i = 0; i < tally->value_count; i++) {
        if (strcmp(tally->values[i].value, value) == 0) {
            tally->values[i].count += count;
            return;
        }
    }
    if (tally->value_count == TALLY_MAX_VALUES) {
        tally->values_dropped += count;
        return;
    }
    memcpy(tally->values[tally->value_count].value, value, strlen(value) + 1);
    tally->values[tally->value_count++].count = count;
}

void tally_add(struct tally *sum, const struct tally *part)
{
    sum->begun += part->begun;
    sum->opened += part->opened;
    sum->closed_by_server += part->closed_by_server;
    sum->idle_closes += part->idle_closes;
    sum->latency_count += part->latency_count;
    sum->latency_sum_ns += part->latency_sum_ns;
    sum->values_dropped += part->values_dropped;
    if (part->latency_max_ns > sum->latency_max_ns) {
        sum->latency_max_ns = part->latency_max_ns;
    }
    for (size_t i = 0; i < TALLY_STATUS_LIMIT; i++) {
        sum->statuses[i] += part->statuses[i];
    }
    for (size_t i = 0; i < TALLY_TROUBLE_COUNT; i++) {
        sum->troubles[i] += part->troubles[i];
    }
    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        sum->latency[i] += part->latency[i];
    }
    for (size_t i = 0; i < part->value_count; i++) {
        tally_value(sum, part->values[i].value, part->values[i].count);
    }
}

uint64_t tally_failed(const struct tally *tally)
{
    uint64_t failed = 0;

    for (size_t i = 0; i < TALLY_TROUBLE_COUNT; i++) {
        failed += tally->troubles[i];
    }
    return failed;
}

static double microseconds_at(const struct tally *tally, double share)
{
    uint64_t wanted = (uint64_t)((double)tally->latency_count * share);
    uint64_t seen = 0;

    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        seen += tally->latency[i];
        if (seen > wanted) {
            uint64_t value = value_of(i);
            return (double)(value < tally->latency_max_ns ? value : tally->latency_max_ns) / 1000.0;
        }
    }
    return (double)tally->latency_max_ns / 1000.0;
}

static void print_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\') {
            fprintf(out, "\\u%04x", byte);
        } else {
            fputc(byte, out);
        }
    }
    fputc('"', out);
}

static void print_lists(const struct tally *tally, FILE *out)
{
    const char *comma = "";

    fputs("  \"statuses\": {", out);
    for (size_t i = 0; i < TALLY_STATUS_LIMIT; i++) {
        if (tally->statuses[i] > 0) {
            fprintf(out, "%s\"%zu\": %" PRIu64, comma, i, tally->statuses[i]);
            comma = ", ";
        }
    }
    fputs("},\n  \"values\": {", out);
    comma = "";
    for (size_t i = 0; i < tally->value_count; i++) {
        fputs(comma, out);
        print_text(tally->values[i].value, out);
        fprintf(out, ": %" PRIu64, tally->values[i].count);
        comma = ", ";
    }
    fprintf(out, "},\n  \"values_dropped\": %" PRIu64 ",\n", tally->values_dropped);
}

void tally_print(const struct tally *tally, int64_t duration_ns, FILE *out)
{
    double seconds = (double)duration_ns / 1e9;
    double mean = tally->latency_count ? (double)tally->latency_sum_ns / (double)tally->latency_count / 1000.0 : 0;

    fprintf(out, "{\n  \"requests\": %" PRIu64 ",\n  \"answered\": %" PRIu64 ",\n  \"failed\": %" PRIu64 ",\n",
            tally->begun, tally->latency_count, tally_failed(tally));
#define TROUBLE(symbol, meaning) fprintf(out, "  \"" #symbol "\": %" PRIu64 ",\n", tally->troubles[TALLY_##symbol]);
    TALLY_TROUBLES(TROUBLE)
#undef TROUBLE
    print_lists(tally, out);
    fprintf(out, "  \"connections_opened\": %" PRIu64 ",\n  \"closed_by_server\": %" PRIu64 ",\n", tally->opened,
            tally->closed_by_server);
    fprintf(out, "  \"idle_closes\": %" PRIu64 ",\n  \"seconds\": %.3f,\n", tally->idle_closes, seconds);
    fprintf(out, "  \"requests_per_second\": %.1f,\n", seconds > 0 ? (double)tally->latency_count / seconds : 0.0);
    fprintf(out, "  \"latency_us\": {\"mean\": %.1f, \"p50\": %.1f, \"p90\": %.1f, ", mean,
            microseconds_at(tally, 0.5), microseconds_at(tally, 0.9));
    fprintf(out, "\"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}\n}\n", microseconds_at(tally, 0.99),
            microseconds_at(tally, 0.999), (double)tally->latency_max_ns / 1000.0);
}
