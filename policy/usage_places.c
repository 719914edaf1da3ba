/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of places: see usage_places.h.
 */
#include "policy/usage_places.h"

static const struct way {
    enum usage_place from;
    struct slice name;
    enum usage_place to;
    enum usage_dialect shows; /* the dialect of whoever says this; USAGE_UNKNOWN: says nothing */
} ways[] = {
    {PLACE_ROOT, SLICE("usage"), PLACE_USAGE, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("usageMetadata"), PLACE_GEMINI, USAGE_GEMINI},
    {PLACE_ROOT, SLICE("response"), PLACE_RESPONSE, USAGE_RESPONSES},
    {PLACE_ROOT, SLICE("message"), PLACE_MESSAGE, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("choices"), PLACE_CHOICES, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("candidates"), PLACE_TEXT, USAGE_GEMINI},
    {PLACE_ROOT, SLICE("delta"), PLACE_DELTA, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("content"), PLACE_TEXT, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("output"), PLACE_TEXT, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("meta"), PLACE_META, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("x_groq"), PLACE_META, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("prompt_eval_count"), PLACE_FIGURE + USAGE_PROMPT, USAGE_OLLAMA},
    {PLACE_ROOT, SLICE("eval_count"), PLACE_FIGURE + USAGE_COMPLETION, USAGE_OLLAMA},
    {PLACE_ROOT, SLICE("input_tokens"), PLACE_COUNT, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("totalTokens"), PLACE_COUNT, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("model"), PLACE_MODEL, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("modelVersion"), PLACE_MODEL, USAGE_GEMINI},
    {PLACE_ROOT, SLICE("id"), PLACE_ID, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("responseId"), PLACE_ID, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("type"), PLACE_TYPE, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("object"), PLACE_OBJECT_TYPE, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("created"), PLACE_CREATED, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("sequence_number"), PLACE_SEQUENCE, USAGE_RESPONSES},
    {PLACE_ROOT, SLICE("index"), PLACE_BLOCK, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("status"), PLACE_STATUS, USAGE_UNKNOWN},
    {PLACE_ROOT, SLICE("error"), PLACE_ERROR, USAGE_UNKNOWN},
    {PLACE_RESPONSE, SLICE("usage"), PLACE_USAGE, USAGE_UNKNOWN},
    {PLACE_RESPONSE, SLICE("model"), PLACE_MODEL, USAGE_UNKNOWN},
    {PLACE_RESPONSE, SLICE("id"), PLACE_ID, USAGE_UNKNOWN},
    {PLACE_RESPONSE, SLICE("created_at"), PLACE_CREATED, USAGE_UNKNOWN},
    {PLACE_RESPONSE, SLICE("meta"), PLACE_META, USAGE_UNKNOWN},
    {PLACE_MESSAGE, SLICE("usage"), PLACE_USAGE_PARTIAL, USAGE_ANTHROPIC},
    {PLACE_MESSAGE, SLICE("model"), PLACE_MODEL, USAGE_UNKNOWN},
    {PLACE_MESSAGE, SLICE("id"), PLACE_ID, USAGE_UNKNOWN},
    {PLACE_MESSAGE, SLICE("content"), PLACE_TEXT, USAGE_UNKNOWN},
    {PLACE_DELTA, SLICE("usage"), PLACE_USAGE, USAGE_COHERE},
    {PLACE_META, SLICE("billed_units"), PLACE_BILLED, USAGE_COHERE},
    {PLACE_META, SLICE("usage"), PLACE_USAGE, USAGE_UNKNOWN},
    {PLACE_CHOICE, SLICE("index"), PLACE_CHOICE_INDEX, USAGE_UNKNOWN},
    {PLACE_CHOICE, SLICE("finish_reason"), PLACE_CHOICE_END, USAGE_UNKNOWN},
    {PLACE_CHOICE, SLICE("delta"), PLACE_TEXT, USAGE_UNKNOWN},
    {PLACE_CHOICE, SLICE("message"), PLACE_TEXT, USAGE_UNKNOWN},
    {PLACE_CHOICE, SLICE("text"), PLACE_TEXT, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("prompt_tokens"), PLACE_FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("completion_tokens"), PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("total_tokens"), PLACE_FIGURE + USAGE_TOTAL, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("input_tokens"), PLACE_FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("output_tokens"), PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("cache_creation_input_tokens"), PLACE_FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("cache_read_input_tokens"), PLACE_FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("prompt_tokens_details"), PLACE_DETAILS, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("input_tokens_details"), PLACE_DETAILS, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("completion_tokens_details"), PLACE_DETAILS, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("output_tokens_details"), PLACE_DETAILS, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("iterations"), PLACE_ITERATIONS, USAGE_UNKNOWN},
    {PLACE_ITERATION, SLICE("type"), PLACE_ITERATION_TYPE, USAGE_UNKNOWN},
    {PLACE_ITERATION, SLICE("input_tokens"), PLACE_FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
    {PLACE_ITERATION, SLICE("output_tokens"), PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    {PLACE_ITERATION, SLICE("cache_creation_input_tokens"), PLACE_FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
    {PLACE_ITERATION, SLICE("cache_read_input_tokens"), PLACE_FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("prompt_cache_hit_tokens"), PLACE_FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    {PLACE_USAGE, SLICE("billed_units"), PLACE_BILLED, USAGE_COHERE},
    {PLACE_BILLED, SLICE("input_tokens"), PLACE_FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
    {PLACE_BILLED, SLICE("output_tokens"), PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    {PLACE_DETAILS, SLICE("cached_tokens"), PLACE_FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    {PLACE_DETAILS, SLICE("reasoning_tokens"), PLACE_FIGURE + USAGE_REASONING, USAGE_UNKNOWN},
    {PLACE_DETAILS, SLICE("thinking_tokens"), PLACE_FIGURE + USAGE_REASONING, USAGE_UNKNOWN},
    {PLACE_GEMINI, SLICE("promptTokenCount"), PLACE_FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
    {PLACE_GEMINI, SLICE("candidatesTokenCount"), PLACE_FIGURE + USAGE_CANDIDATES, USAGE_UNKNOWN},
    {PLACE_GEMINI, SLICE("thoughtsTokenCount"), PLACE_FIGURE + USAGE_THOUGHTS, USAGE_UNKNOWN},
    {PLACE_GEMINI, SLICE("toolUsePromptTokenCount"), PLACE_FIGURE + USAGE_TOOL_PROMPT, USAGE_UNKNOWN},
    {PLACE_GEMINI, SLICE("cachedContentTokenCount"), PLACE_FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    {PLACE_GEMINI, SLICE("totalTokenCount"), PLACE_FIGURE + USAGE_TOTAL, USAGE_UNKNOWN},
};

/* Members that say something about a text and are none. */
static const struct slice no_text[] = {
    SLICE("role"),         SLICE("type"),     SLICE("id"),   SLICE("signature"), SLICE("thoughtSignature"),
    SLICE("finishReason"), SLICE("mimeType"), SLICE("data"), SLICE("status"),    SLICE("logprobs"),
    SLICE("stop_reason"),  SLICE("call_id"),  SLICE("encrypted_content"), SLICE("finish_reason"),
};

static enum usage_place place_of_text(struct slice name)
{
    for (size_t i = 0; i < sizeof(no_text) / sizeof(no_text[0]); i++)
        if (slice_equal(no_text[i], name))
            return PLACE_NOWHERE;
    return PLACE_TEXT;
}

enum usage_place usage_places_behind(enum usage_place from, struct slice name, enum usage_dialect *shown)
{
    *shown = USAGE_UNKNOWN;
    if (from == PLACE_NOWHERE)
        return PLACE_NOWHERE;
    if (from == PLACE_TEXT)
        return place_of_text(name);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        const struct way *way = &ways[i];

        if ((way->from != from && !(from == PLACE_USAGE_PARTIAL && way->from == PLACE_USAGE)) ||
            !slice_equal(way->name, name))
            continue;
        *shown = way->shows;
        return way->to;
    }
    return from == PLACE_DELTA ? place_of_text(name) : PLACE_NOWHERE;
}
