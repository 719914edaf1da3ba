/* SPDX-License-Identifier: MPL-2.0
 *
 * What an exchange used: by its body, by fields of its head or, where nothing tells it, by what was counted.
 */
#include "worker/meter.h"

#include "shm/quantity.h"

#define SWITCHED 101 /* to another protocol */

void meter_usage_field(struct meter *meter, struct slice name, struct slice value)
{
    static const struct slice names[] = {
        [BESIDE_INPUT] = SLICE("x-amzn-bedrock-input-token-count"),
        [BESIDE_OUTPUT] = SLICE("x-amzn-bedrock-output-token-count"),
        [BESIDE_CACHE_READ] = SLICE("x-amzn-bedrock-cache-read-input-token-count"),
        [BESIDE_CACHE_WRITE] = SLICE("x-amzn-bedrock-cache-write-input-token-count"),
    };
    uint64_t count;

    for (unsigned i = 0; i < METER_BESIDES; i++) {
        if (!slice_equal_nocase(name, names[i]) || !quantity_parse_count(value, &count) || count > (uint64_t)ESTIMATE_MOST)
            continue;
        meter->beside[i] = (int64_t)count;
        meter->beside_given |= 1U << i;
    }
}

void meter_usage_correct_zeros(const struct meter *meter, struct usage *usage)
{
    if (usage->out_total > 0 || !meter->reader.is_hollow)
        return;
    usage->out_total = usage_reader_counted(&meter->reader);
    if (usage->in_total == 0)
        usage->in_total = meter->wants.prompt;
}

/* An answer of a shape that nobody told us costs its strings, and never more than was reserved: it may be pictures. */
static void count_strange(const struct meter *meter, struct usage *usage)
{
    int64_t tokens;

    if (meter->asks_nothing || !usage_reader_is_strange(&meter->reader, &tokens))
        return;
    usage->out_total = tokens < meter->wants.completion ? tokens : meter->wants.completion;
}

static bool is_told_beside(const struct meter *meter, enum meter_beside figure)
{
    return (meter->beside_given >> figure & 1) != 0;
}

/* The body told nothing. What the head does not tell either stays as it was counted. */
static bool take_beside(const struct meter *meter, struct usage *usage)
{
    int64_t read = meter->beside[BESIDE_CACHE_READ], write = meter->beside[BESIDE_CACHE_WRITE];

    if (meter->beside_given == 0 || meter->status >= METER_FIRST_REFUSAL)
        return false;
    if (is_told_beside(meter, BESIDE_INPUT)) {
        usage->in_total = usage_most(meter->beside[BESIDE_INPUT] + read + write);
        usage->in_cached = read;
        usage->in_cache_write = write;
    }
    if (is_told_beside(meter, BESIDE_OUTPUT))
        usage->out_total = meter->beside[BESIDE_OUTPUT];
    return true;
}

bool meter_usage(const struct meter *meter, bool was_left, struct usage *usage, bool *is_told, bool *clamped)
{
    *is_told = usage_reader_sum(&meter->reader, meter->wants.prompt, usage, clamped) || take_beside(meter, usage);
    if (*is_told && meter->body >= METER_EVENTS && (was_left || meter->is_cut))
        meter_usage_correct_zeros(meter, usage);
    if (*is_told)
        return true;
    if (meter->has_head && meter->status >= METER_FIRST_REFUSAL) {
        *usage = (struct usage){.in_total = 0};
        return true;
    }
    count_strange(meter, usage);
    switch (meter->body) {
    case METER_NOTHING:
        return true;
    case METER_JSON:
        return !meter->reader.flow.is_broken && (!meter->reader.is_unfinished || meter->asks_nothing) &&
               (!was_left || meter->reader.is_array);
    case METER_EVENTS:
        return meter->wants.counts_streams;
    case METER_FRAMES:
        return meter->wants.counts_streams && !meter->frames.is_broken;
    case METER_OPAQUE:
        /* Somebody fetches a file; or talks on over a connection that has left HTTP. */
        return meter->asks_nothing && meter->status != SWITCHED;
    }
    return false;
}
