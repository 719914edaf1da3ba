/* SPDX-License-Identifier: MPL-2.0
 *
 * Metering of one exchange: see meter.h.
 */
#include "worker/meter.h"

#include <string.h>

#define HELD_REST 4096 /* bytes that are kept between events */

void meter_init(struct meter *meter, const struct verdict_metering *wants, meter_grow *grow, void *context)
{
    *meter = (struct meter){.wants = *wants, .grow = grow, .context = context, .next_look = wants->completion + 1};
    meter->held.rest_size = HELD_REST;
    usage_reader_init(&meter->reader);
    sse_init(&meter->sse);
    eventstream_init(&meter->frames);
}

void meter_fini(struct meter *meter)
{
    outbox_fini(&meter->held);
}

/* ---- the request ------------------------------------------------------------------------------------------------ */

static void apply(struct slice body, const struct body_edit *edit, struct outbox *out)
{
    size_t at = 0;

    for (size_t i = 0; i < edit->count; i++) {
        const struct body_splice *splice = &edit->splices[i];

        outbox_add(out, (struct slice){body.data + at, splice->offset - at});
        outbox_add(out, (struct slice){splice->text, splice->size});
        at = splice->offset + splice->removed;
    }
    outbox_add(out, (struct slice){body.data + at, body.size - at});
}

bool meter_request(struct meter *meter, struct slice path, struct slice body, struct outbox *out, bool *is_clamped)
{
    struct body_edit edit;

    *is_clamped = true;
    if (!meter->wants.requests_usage && meter->wants.clamp == 0)
        return false;
    if (!body_edit_plan(path, body, meter->wants.requests_usage, meter->wants.clamp, &edit)) {
        *is_clamped = meter->wants.clamp == 0;
        return false;
    }
    meter->hides_usage = edit.asks_usage;
    meter->told_usage = edit.told_usage;
    if (edit.count > 0)
        apply(body, &edit, out);
    return edit.count > 0;
}

/* ---- the response ----------------------------------------------------------------------------------------------- */

/* One document, or one a line: as Ollama and Cohere stream, and as Anthropic tells the results of a batch. */
static bool is_json(struct slice type)
{
    static const struct slice types[] = {SLICE("application/json"), SLICE("application/x-ndjson"), SLICE("application/stream+json"),
                                         SLICE("application/jsonl"), SLICE("application/x-jsonl")};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (slice_equal_nocase(type, types[i]))
            return true;
    return false;
}

static enum meter_body body_of(struct slice type)
{
    const char *semicolon = type.size > 0 ? memchr(type.data, ';', type.size) : NULL;

    if (semicolon)
        type.size = (size_t)(semicolon - type.data);
    type = slice_trim(type);
    if (slice_equal_nocase(type, SLICE("text/event-stream")))
        return METER_EVENTS;
    if (slice_equal_nocase(type, SLICE("application/vnd.amazon.eventstream")))
        return METER_FRAMES;
    return is_json(type) ? METER_JSON : METER_OPAQUE;
}

bool meter_head(struct meter *meter, unsigned status, struct slice content_type, enum meter_framing framing)
{
    bool can_be_array;

    meter->has_head = true;
    meter->status = status;
    meter->body = framing == METER_BODYLESS ? METER_NOTHING : body_of(content_type);
    can_be_array = meter->body == METER_JSON && framing == METER_OPEN && meter->wants.cuts_streams;
    meter->changes = status < METER_FIRST_REFUSAL &&
                     (can_be_array || (meter->body == METER_EVENTS && (meter->hides_usage || meter->wants.cuts_streams)));
    return meter->changes;
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static void begin_part(struct meter *meter)
{
    outbox_clear(&meter->held);
    meter->is_passing = false;
    meter->start_size = 0;
    meter->text_before = meter->reader.text_bytes;
    meter->ended_before = meter->reader.ended_choices;
}

static void begin_event(struct meter *meter)
{
    usage_reader_begin(&meter->reader);
    begin_part(meter);
}

static void take_data(struct meter *meter, struct slice data)
{
    size_t room = sizeof(meter->start) - meter->start_size;
    size_t kept = data.size < room ? data.size : room;

    memcpy(meter->start + meter->start_size, data.data, kept);
    meter->start_size += kept;
    usage_reader_feed(&meter->reader, data);
}

/* Lets go what was held. */
static void pass(struct meter *meter, struct outbox *out)
{
    if (meter->held.is_short)
        out->is_short = true;
    if (meter->held.used > 0)
        outbox_add(out, (struct slice){meter->held.data, meter->held.used});
    outbox_clear(&meter->held);
}

/* The chunk with nothing but the usage, which comes only because we asked for it. Some send it without choices. */
static bool is_usage_alone(const struct meter *meter)
{
    return meter->reader.has_usage && !meter->reader.has_choice && !meter->reader.has_error &&
           meter->reader.text_bytes == meter->text_before;
}

/* Reserves as far ahead of USAGE as the limit is not looked at again or, where that is too much, for USAGE alone. */
static bool grow(struct meter *meter, const struct usage *usage)
{
    struct slice model = {meter->reader.model.data, meter->reader.model.size};
    struct usage ahead = *usage;

    if (meter->wants.buffer_tokens > 1)
        ahead.out_total += meter->wants.buffer_tokens - 1;
    meter->next_look = ahead.out_total + 1;
    if (meter->grow(meter->context, &ahead, model))
        return true;
    meter->next_look = usage->out_total + 1;
    return ahead.out_total > usage->out_total && meter->grow(meter->context, usage, model);
}

/* Does the completion go beyond what its limits have left? What was reserved is passed without a look at them. */
static bool is_over(struct meter *meter)
{
    struct usage usage;
    bool clamped;

    usage_reader_sum(&meter->reader, meter->wants.prompt, &usage, &clamped);
    meter_usage_correct_zeros(meter, &usage);
    if (meter->wants.most_completion > 0 && usage.out_total > meter->wants.most_completion)
        return true;
    return usage.out_total >= meter->next_look && !grow(meter, &usage);
}

/* An event that brings text and ends nothing is where a stream can be cut. */
static bool must_cut(struct meter *meter)
{
    if (!meter->wants.cuts_streams || meter->is_done || meter->reader.text_bytes == meter->text_before ||
        meter->reader.ended_choices != meter->ended_before)
        return false;
    return is_over(meter);
}

/* The event is complete. Returns whether it was the last the client gets. */
static bool end_event(struct meter *meter, struct outbox *out)
{
    bool is_marker = meter->start_size == 6 && memcmp(meter->start, "[DONE]", 6) == 0;

    usage_reader_end(&meter->reader);
    meter->is_done |= is_marker;
    if (!meter->is_passing && must_cut(meter)) {
        meter->is_cut = true;
        meter_close_stream(meter, out);
    } else if (!(meter->hides_usage && !is_marker && is_usage_alone(meter))) {
        pass(meter, out);
    }
    begin_event(meter);
    return meter->is_cut;
}

static void hold(struct meter *meter, struct slice raw, struct outbox *out)
{
    if (!meter->is_passing && meter->held.used + raw.size > METER_EVENT_MAX) {
        pass(meter, out);
        meter->is_passing = true;
    }
    outbox_add(meter->is_passing ? out : &meter->held, raw);
}

static enum meter_pass take_events(struct meter *meter, struct slice piece, struct outbox *out)
{
    bool changes = meter->changes;
    struct slice data;
    enum sse_kind kind;

    while (piece.size > 0 && !meter->is_cut) {
        size_t used = sse_next(&meter->sse, piece, &kind, &data);

        if (changes)
            hold(meter, (struct slice){piece.data, used}, out);
        if (kind == SSE_DATA)
            take_data(meter, data);
        if (kind == SSE_END && changes)
            end_event(meter, out);
        else if (kind == SSE_END) {
            usage_reader_end(&meter->reader);
            begin_event(meter);
        }
        piece = (struct slice){piece.data + used, piece.size - used};
    }
    if (meter->is_cut)
        return METER_CUT;
    return changes ? METER_CHANGED : METER_SAME;
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* They pass as they are: nothing is hidden, and no stream of them is cut. */
static enum meter_pass take_frames(struct meter *meter, struct slice piece)
{
    enum eventstream_kind kind;
    struct slice data;

    while (piece.size > 0) {
        size_t used = eventstream_next(&meter->frames, piece, &kind, &data);

        if (kind == EVENTSTREAM_DATA)
            usage_reader_feed(&meter->reader, data);
        if (kind == EVENTSTREAM_END) {
            usage_reader_end(&meter->reader);
            usage_reader_begin(&meter->reader);
        }
        piece = (struct slice){piece.data + used, piece.size - used};
    }
    return METER_SAME;
}

/* ---- elements of an array ---------------------------------------------------------------------------------------- */

/* The element is complete: it passes, or what ends the array takes its place. */
static void end_element(struct meter *meter, struct outbox *out)
{
    if (!meter->is_passing && meter->reader.dialect == USAGE_GEMINI && must_cut(meter)) {
        meter->is_cut = true;
        meter_close_stream(meter, out);
    } else {
        pass(meter, out);
        meter->has_passed = true;
    }
    begin_part(meter);
}

static enum meter_pass take_elements(struct meter *meter, struct slice piece, struct outbox *out)
{
    enum elements_kind kind;

    while (piece.size > 0 && !meter->is_cut) {
        size_t used = elements_next(&meter->elements, piece, &kind);

        usage_reader_feed(&meter->reader, (struct slice){piece.data, used});
        if (kind == ELEMENTS_AROUND) {
            pass(meter, out);
            outbox_add(out, (struct slice){piece.data, used});
        } else {
            hold(meter, (struct slice){piece.data, used}, out);
        }
        if (kind == ELEMENTS_END)
            end_element(meter, out);
        piece = (struct slice){piece.data + used, piece.size - used};
    }
    return meter->is_cut ? METER_CUT : METER_CHANGED;
}

enum meter_pass meter_take(struct meter *meter, struct slice piece, struct outbox *out)
{
    if (meter->is_cut)
        return METER_CUT;
    if (meter->status >= METER_FIRST_REFUSAL)
        return METER_SAME;
    if (meter->body == METER_EVENTS)
        return take_events(meter, piece, out);
    if (meter->body == METER_FRAMES)
        return take_frames(meter, piece);
    if (meter->body == METER_JSON && meter->changes && !meter->elements.is_other)
        return take_elements(meter, piece, out);
    if (meter->body == METER_JSON)
        usage_reader_feed(&meter->reader, piece);
    return METER_SAME;
}

void meter_finish(struct meter *meter, struct outbox *out)
{
    usage_reader_end(&meter->reader);
    /* A last event without the line that ends it counts for some clients. */
    if (!meter->is_cut && !(meter->body == METER_EVENTS && meter->hides_usage && is_usage_alone(meter)))
        pass(meter, out);
}
