/* SPDX-License-Identifier: MPL-2.0
 *
 * The last words of a stream that is cut, in the dialect it was spoken in: as if the model had reached its length, or as an error.
 */
#include "worker/meter.h"

#define SENTENCE "The token limit of this policy is reached; the answer ends here."

static void add(struct outbox *out, const char *text)
{
    outbox_add(out, slice_of(text));
}

static void add_text(struct outbox *out, const struct usage_text *text)
{
    add(out, "\"");
    outbox_json(out, (struct slice){text->data, text->size});
    add(out, "\"");
}

static void add_count(struct outbox *out, const char *name, int64_t count)
{
    add(out, name);
    outbox_number(out, count > 0 ? (uint64_t)count : 0);
}

static struct usage usage_of(const struct meter *meter)
{
    struct usage usage;
    bool is_told, clamped;

    meter_usage(meter, false, &usage, &is_told, &clamped);
    return usage;
}

/* ---- OpenAI chat and legacy completions ------------------------------------------------------------------------- */

static void begin_chunk(const struct meter *meter, struct outbox *out)
{
    bool is_chat = meter->reader.dialect != USAGE_COMPLETIONS;

    add(out, "data: {\"id\":");
    add_text(out, &meter->reader.id);
    add(out, is_chat ? ",\"object\":\"chat.completion.chunk\"" : ",\"object\":\"text_completion\"");
    add_count(out, ",\"created\":", meter->reader.created);
    add(out, ",\"model\":");
    add_text(out, &meter->reader.model);
    add(out, ",\"choices\":[");
}

static void close_choice(const struct meter *meter, int index, struct outbox *out)
{
    bool is_chat = meter->reader.dialect != USAGE_COMPLETIONS;

    begin_chunk(meter, out);
    add_count(out, "{\"index\":", index);
    add(out, is_chat ? ",\"delta\":{}" : ",\"text\":\"\"");
    add(out, ",\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\n");
}

static void close_chat(const struct meter *meter, struct outbox *out)
{
    uint64_t left = (meter->reader.open_choices | 1) & ~meter->reader.ended_choices;
    struct usage usage = usage_of(meter);

    for (int index = 0; index < 64; index++)
        if (left >> index & 1)
            close_choice(meter, index, out);
    if (meter->wants.shows_partial_usage) {
        begin_chunk(meter, out);
        add_count(out, "],\"usage\":{\"prompt_tokens\":", usage.in_total);
        add_count(out, ",\"completion_tokens\":", usage.out_total);
        add_count(out, ",\"total_tokens\":", usage.in_total + usage.out_total);
        add(out, "}}\n\n");
    }
    add(out, "data: [DONE]\n\n");
}

static void fail_chat(const struct meter *meter, struct outbox *out)
{
    (void)meter;
    add(out, "data: {\"error\":{\"message\":\"" SENTENCE "\",\"type\":\"rate_limit_error\",\"param\":null,"
             "\"code\":\"rate_limit_exceeded\"}}\n\n");
}

/* Whoever has no choices would not know what to do with one. */
static void close_unknown(const struct meter *meter, struct outbox *out)
{
    if (meter->reader.open_choices != 0)
        close_chat(meter, out);
}

/* ---- OpenAI Responses ------------------------------------------------------------------------------------------- */

static void close_responses(const struct meter *meter, struct outbox *out)
{
    struct usage usage = usage_of(meter);

    add(out, "event: response.incomplete\ndata: {\"type\":\"response.incomplete\"");
    add_count(out, ",\"sequence_number\":", meter->reader.sequence + 1);
    add(out, ",\"response\":{\"id\":");
    add_text(out, &meter->reader.id);
    add_count(out, ",\"object\":\"response\",\"created_at\":", meter->reader.created);
    add(out, ",\"status\":\"incomplete\",\"error\":null,\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"
             "\"instructions\":null,\"metadata\":{},\"model\":");
    add_text(out, &meter->reader.model);
    add(out, ",\"output\":[],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":");
    if (meter->wants.shows_partial_usage) {
        add_count(out, "{\"input_tokens\":", usage.in_total);
        add_count(out, ",\"input_tokens_details\":{\"cached_tokens\":", usage.in_cached);
        add_count(out, "},\"output_tokens\":", usage.out_total);
        add_count(out, ",\"output_tokens_details\":{\"reasoning_tokens\":", usage.out_reasoning);
        add_count(out, "},\"total_tokens\":", usage.in_total + usage.out_total);
        add(out, "}}}\n\n");
    } else {
        add(out, "null}}\n\n");
    }
}

static void fail_responses(const struct meter *meter, struct outbox *out)
{
    add(out, "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"" SENTENCE
             "\",\"param\":null");
    add_count(out, ",\"sequence_number\":", meter->reader.sequence + 1);
    add(out, "}\n\n");
}

/* ---- Anthropic Messages ----------------------------------------------------------------------------------------- */

static void close_anthropic(const struct meter *meter, struct outbox *out)
{
    struct usage usage = usage_of(meter);

    add_count(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":", meter->reader.block);
    add(out, "}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\","
             "\"stop_sequence\":null},\"usage\":{");
    add_count(out, "\"output_tokens\":", meter->wants.shows_partial_usage ? usage.out_total : 0);
    add(out, "}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

static void fail_anthropic(const struct meter *meter, struct outbox *out)
{
    (void)meter;
    add(out, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"" SENTENCE
             "\"}}\n\n");
}

/* ---- Gemini ----------------------------------------------------------------------------------------------------- */

static void begin_gemini(const struct meter *meter, struct outbox *out)
{
    if (meter->body == METER_EVENTS)
        add(out, "data: ");
    else if (meter->has_passed)
        add(out, ",\n");
}

static void end_gemini(const struct meter *meter, struct outbox *out)
{
    add(out, meter->body == METER_EVENTS ? "\n\n" : "]\n");
}

static void close_gemini(const struct meter *meter, struct outbox *out)
{
    struct usage usage = usage_of(meter);

    begin_gemini(meter, out);
    add(out, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},"
             "\"finishReason\":\"MAX_TOKENS\",\"index\":0}]");
    if (meter->wants.shows_partial_usage) {
        add_count(out, ",\"usageMetadata\":{\"promptTokenCount\":", usage.in_total);
        add_count(out, ",\"candidatesTokenCount\":", usage.out_total);
        add_count(out, ",\"totalTokenCount\":", usage.in_total + usage.out_total);
        add(out, "}");
    }
    add(out, ",\"modelVersion\":");
    add_text(out, &meter->reader.model);
    add(out, "}");
    end_gemini(meter, out);
}

static void fail_gemini(const struct meter *meter, struct outbox *out)
{
    begin_gemini(meter, out);
    add(out, "{\"error\":{\"code\":429,\"message\":\"" SENTENCE "\",\"status\":\"RESOURCE_EXHAUSTED\"}}");
    end_gemini(meter, out);
}

static void close_interactions(const struct meter *meter, struct outbox *out)
{
    struct usage usage = usage_of(meter);

    add_count(out, "event: step.stop\ndata: {\"event_type\":\"step.stop\",\"index\":", meter->reader.block);
    add(out, "}\n\nevent: interaction.completed\ndata: {\"event_type\":\"interaction.completed\",\"interaction\":{\"id\":");
    add_text(out, &meter->reader.id);
    add(out, ",\"object\":\"interaction\",\"status\":\"incomplete\",\"model\":");
    add_text(out, &meter->reader.model);
    if (meter->wants.shows_partial_usage) {
        add_count(out, ",\"usage\":{\"total_input_tokens\":", usage.in_total);
        add_count(out, ",\"total_output_tokens\":", usage.out_total);
        add_count(out, ",\"total_tokens\":", usage.in_total + usage.out_total);
        add(out, "}");
    }
    add(out, "}}\n\nevent: done\ndata: [DONE]\n\n");
}

static void fail_interactions(const struct meter *meter, struct outbox *out)
{
    (void)meter;
    add(out, "event: error\ndata: {\"event_type\":\"error\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"" SENTENCE
             "\"}}\n\n");
}

/* ---- Cohere ----------------------------------------------------------------------------------------------------- */

static void close_cohere(const struct meter *meter, struct outbox *out)
{
    struct usage usage = usage_of(meter);

    add_count(out, "event: content-end\ndata: {\"type\":\"content-end\",\"index\":", meter->reader.block);
    add(out, "}\n\nevent: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"MAX_TOKENS\"");
    if (meter->wants.shows_partial_usage) {
        add_count(out, ",\"usage\":{\"billed_units\":{\"input_tokens\":", usage.in_total);
        add_count(out, ",\"output_tokens\":", usage.out_total);
        add(out, "}}");
    }
    add(out, "}}\n\n");
}

static void fail_cohere(const struct meter *meter, struct outbox *out)
{
    (void)meter;
    add(out, "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"" SENTENCE
             "\"}}\n\n");
}

void meter_close_stream(const struct meter *meter, struct outbox *out)
{
    static const struct {
        void (*close)(const struct meter *meter, struct outbox *out);
        void (*fail)(const struct meter *meter, struct outbox *out);
    } dialects[] = {
        [USAGE_UNKNOWN] = {close_unknown, fail_chat},
        [USAGE_CHAT] = {close_chat, fail_chat},
        [USAGE_COMPLETIONS] = {close_chat, fail_chat},
        [USAGE_RESPONSES] = {close_responses, fail_responses},
        [USAGE_ANTHROPIC] = {close_anthropic, fail_anthropic},
        [USAGE_GEMINI] = {close_gemini, fail_gemini},
        [USAGE_INTERACTIONS] = {close_interactions, fail_interactions},
        [USAGE_COHERE] = {close_cohere, fail_cohere},
        [USAGE_OLLAMA] = {close_chat, fail_chat},
    };

    if (meter->wants.stream_end == STREAM_END_ERROR)
        dialects[meter->reader.dialect].fail(meter, out);
    else
        dialects[meter->reader.dialect].close(meter, out);
}
