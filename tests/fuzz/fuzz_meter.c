/* SPDX-License-Identifier: MPL-2.0
 *
 * An upstream's answer, cut in pieces as its first bytes say, through the meter and the reader of server-sent events. Whatever comes, the
 * same bytes give the same usage however they are cut, and what is sent on is the same.
 */
#include "tests/fuzz/entry.h"
#include "worker/meter.h"

#define MAX_PIECES 256 /* of a long answer: more are slow and find no more */

struct outcome {
    struct outbox out;
    struct usage usage;
    bool is_read, is_told, clamped, is_cut;
};

static bool has_room(void *context, const struct usage *usage, struct slice model)
{
    (void)context;
    (void)model;
    MUST(usage->in_total >= 0 && usage->out_total >= 0);
    return usage->out_total % 3 != 0;
}

static struct slice type_of(unsigned flags)
{
    if (flags & 16)
        return SLICE("application/vnd.amazon.eventstream");
    return flags & 8 ? SLICE("application/json") : SLICE("text/event-stream");
}

static void read_in_pieces(struct slice text, size_t piece, unsigned flags, struct outcome *outcome)
{
    const struct verdict_metering wants = {.counts_streams = true,
                                           .cuts_streams = flags & 1,
                                           .requests_usage = flags & 2,
                                           .stream_end = flags & 4 ? STREAM_END_ERROR : STREAM_END_GRACEFUL,
                                           .buffer_tokens = 4,
                                           .completion = 8};
    struct meter meter;

    memset(outcome, 0, sizeof(*outcome));
    meter_init(&meter, &wants, has_room, NULL);
    meter.hides_usage = wants.requests_usage;
    meter_head(&meter, 200, type_of(flags), METER_OPEN);
    for (size_t at = 0; at < text.size && !meter.is_cut; at += piece) {
        struct slice part = entry_copy(text.data + at, piece < text.size - at ? piece : text.size - at);

        if (meter_take(&meter, part, &outcome->out) == METER_SAME)
            outbox_add(&outcome->out, part);
        entry_free(part);
    }
    if (!meter.is_cut)
        meter_finish(&meter, &outcome->out);
    outcome->is_cut = meter.is_cut;
    outcome->is_read = meter_usage(&meter, false, &outcome->usage, &outcome->is_told, &outcome->clamped);
    MUST(!outcome->is_read || usage_is_possible(&outcome->usage));
    meter_fini(&meter);
}

static void check_same(const struct outcome *whole, const struct outcome *cut)
{
    MUST(whole->is_cut == cut->is_cut && whole->is_read == cut->is_read && whole->is_told == cut->is_told);
    MUST(!whole->is_read || (memcmp(&whole->usage, &cut->usage, sizeof(whole->usage)) == 0 && whole->clamped == cut->clamped));
    MUST(slice_equal((struct slice){whole->out.data, whole->out.used}, (struct slice){cut->out.data, cut->out.used}));
}

/* The data of all events in a row. */
static void read_events(struct slice text, size_t piece, struct outbox *data)
{
    struct sse sse;

    sse_init(&sse);
    for (size_t at = 0; at < text.size; at += piece) {
        struct slice part = {text.data + at, piece < text.size - at ? piece : text.size - at};

        while (part.size > 0) {
            struct slice piece_of_data = {0};
            enum sse_kind kind;
            size_t used = sse_next(&sse, part, &kind, &piece_of_data);

            MUST(used > 0 && used <= part.size);
            if (kind == SSE_DATA)
                outbox_add(data, piece_of_data);
            if (kind == SSE_END)
                outbox_add(data, SLICE("|"));
            part = (struct slice){part.data + used, part.size - used};
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned flags = entry_take(&data, &size);
    size_t piece = entry_take(&data, &size) % 16 + 1U + size / MAX_PIECES;
    struct slice text = {(const char *)data, size};
    struct outbox whole_data = {0}, cut_data = {0};
    struct outcome whole, cut;

    read_in_pieces(text, size + 1, flags, &whole);
    read_in_pieces(text, piece, flags, &cut);
    check_same(&whole, &cut);
    read_events(text, size + 1, &whole_data);
    read_events(text, piece, &cut_data);
    MUST(slice_equal((struct slice){whole_data.data, whole_data.used}, (struct slice){cut_data.data, cut_data.used}));
    outbox_fini(&whole.out);
    outbox_fini(&cut.out);
    outbox_fini(&whole_data);
    outbox_fini(&cut_data);
    return 0;
}
