/* SPDX-License-Identifier: MPL-2.0
 *
 * libFuzzer entry: an upstream's answer, cut in pieces as its first bytes say, through the meter. Whatever comes, the same bytes give the
 * same usage however they are cut, and what is not changed passes whole. Built with --enable-fuzz; tests/worker/streams holds what to
 * begin with.
 */
#include <stdint.h>
#include <string.h>

#include "shm/must.h"
#include "worker/meter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_room(void *context, const struct usage *usage, struct slice model)
{
    (void)context;
    (void)model;
    MUST(usage->in_total >= 0 && usage->out_total >= 0);
    return usage->out_total % 3 != 0;
}

static void read_in_pieces(const char *bytes, size_t size, size_t piece, unsigned flags, struct outbox *out,
                           struct usage *usage)
{
    const struct verdict_metering wants = {.counts_streams = true,
                                           .cuts_streams = flags & 1,
                                           .requests_usage = flags & 2,
                                           .stream_end = flags & 4 ? STREAM_END_ERROR : STREAM_END_GRACEFUL,
                                           .buffer_tokens = 4,
                                           .completion = 8};
    struct meter meter;
    bool is_told, clamped;

    meter_init(&meter, &wants, has_room, NULL);
    meter.hides_usage = wants.requests_usage;
    meter_head(&meter, 200, flags & 8 ? SLICE("application/json") : SLICE("text/event-stream"), METER_OPEN);
    for (size_t at = 0; at < size && !meter.is_cut; at += piece) {
        struct slice part = {bytes + at, piece < size - at ? piece : size - at};

        if (meter_take(&meter, part, out) == METER_SAME)
            outbox_add(out, part);
    }
    meter_finish(&meter, out);
    if (!meter_usage(&meter, false, usage, &is_told, &clamped))
        *usage = (struct usage){.out_total = -1};
    meter_fini(&meter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outbox whole = {0}, cut = {0};
    struct usage first, second;

    if (size < 3)
        return 0;
    read_in_pieces((const char *)data + 2, size - 2, size, data[0], &whole, &first);
    read_in_pieces((const char *)data + 2, size - 2, data[1] % 16 + 1U, data[0], &cut, &second);
    MUST(memcmp(&first, &second, sizeof(first)) == 0);
    MUST(whole.used == cut.used && (whole.used == 0 || memcmp(whole.data, cut.data, whole.used) == 0));
    outbox_fini(&whole);
    outbox_fini(&cut);
    return 0;
}
