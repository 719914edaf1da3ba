/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of places: see usage_places.h.
 */
#include "policy/usage_places.h"

#include <string.h>

#define WAYS_OF_A_SIZE 15

struct way {
    const char *name;
    enum usage_place from, to;
    enum usage_dialect shows; /* the dialect of whoever says this; USAGE_UNKNOWN: says nothing */
};

/* By the size of the name, so that a name is compared with few; a row ends with its last name. */
static const struct way ways[][WAYS_OF_A_SIZE + 1] = {
    [2] = {
        {"id", PLACE_ROOT, PLACE_ID, USAGE_UNKNOWN},
        {"id", PLACE_RESPONSE, PLACE_ID, USAGE_UNKNOWN},
        {"id", PLACE_MESSAGE, PLACE_ID, USAGE_UNKNOWN},
    },
    [4] = {
        {"text", PLACE_ROOT, PLACE_WHOLE_TEXT, USAGE_UNKNOWN},
        {"meta", PLACE_ROOT, PLACE_META, USAGE_UNKNOWN},
        {"type", PLACE_ROOT, PLACE_TYPE, USAGE_UNKNOWN},
        {"meta", PLACE_RESPONSE, PLACE_META, USAGE_UNKNOWN},
        {"text", PLACE_CHOICE, PLACE_TEXT, USAGE_UNKNOWN},
        {"type", PLACE_ITERATION, PLACE_ITERATION_TYPE, USAGE_UNKNOWN},
    },
    [5] = {
        {"usage", PLACE_ROOT, PLACE_USAGE, USAGE_UNKNOWN},
        {"delta", PLACE_ROOT, PLACE_DELTA, USAGE_UNKNOWN},
        {"steps", PLACE_ROOT, PLACE_TEXT, USAGE_UNKNOWN},
        {"token", PLACE_ROOT, PLACE_TEXT, USAGE_UNKNOWN},
        {"model", PLACE_ROOT, PLACE_MODEL, USAGE_UNKNOWN},
        {"index", PLACE_ROOT, PLACE_BLOCK, USAGE_UNKNOWN},
        {"error", PLACE_ROOT, PLACE_ERROR, USAGE_UNKNOWN},
        {"usage", PLACE_RESPONSE, PLACE_USAGE, USAGE_UNKNOWN},
        {"model", PLACE_RESPONSE, PLACE_MODEL, USAGE_UNKNOWN},
        {"usage", PLACE_MESSAGE, PLACE_USAGE_PARTIAL, USAGE_ANTHROPIC},
        {"model", PLACE_MESSAGE, PLACE_MODEL, USAGE_UNKNOWN},
        {"usage", PLACE_DELTA, PLACE_USAGE, USAGE_COHERE},
        {"usage", PLACE_META, PLACE_USAGE, USAGE_UNKNOWN},
        {"index", PLACE_CHOICE, PLACE_CHOICE_INDEX, USAGE_UNKNOWN},
        {"delta", PLACE_CHOICE, PLACE_TEXT, USAGE_UNKNOWN},
    },
    [6] = {
        {"output", PLACE_ROOT, PLACE_TEXT, USAGE_UNKNOWN},
        {"x_groq", PLACE_ROOT, PLACE_META, USAGE_UNKNOWN},
        {"object", PLACE_ROOT, PLACE_OBJECT_TYPE, USAGE_UNKNOWN},
        {"status", PLACE_ROOT, PLACE_STATUS, USAGE_UNKNOWN},
    },
    [7] = {
        {"message", PLACE_ROOT, PLACE_MESSAGE, USAGE_UNKNOWN},
        {"choices", PLACE_ROOT, PLACE_CHOICES, USAGE_UNKNOWN},
        {"content", PLACE_ROOT, PLACE_TEXT, USAGE_UNKNOWN},
        {"outputs", PLACE_ROOT, PLACE_TEXT, USAGE_UNKNOWN},
        {"details", PLACE_ROOT, PLACE_USAGE_BESIDE, USAGE_UNKNOWN},
        {"created", PLACE_ROOT, PLACE_CREATED, USAGE_UNKNOWN},
        {"content", PLACE_MESSAGE, PLACE_TEXT, USAGE_UNKNOWN},
        {"message", PLACE_CHOICE, PLACE_TEXT, USAGE_UNKNOWN},
    },
    [8] = {
        {"response", PLACE_ROOT, PLACE_RESPONSE, USAGE_RESPONSES},
    },
    [10] = {
        {"candidates", PLACE_ROOT, PLACE_TEXT, USAGE_GEMINI},
        {"completion", PLACE_ROOT, PLACE_TEXT, USAGE_UNKNOWN},
        {"generation", PLACE_ROOT, PLACE_TEXT, USAGE_UNKNOWN},
        {"eval_count", PLACE_ROOT, PLACE_FIGURE + USAGE_COMPLETION, USAGE_OLLAMA},
        {"responseId", PLACE_ROOT, PLACE_ID, USAGE_UNKNOWN},
        {"created_at", PLACE_RESPONSE, PLACE_CREATED, USAGE_UNKNOWN},
        {"candidates", PLACE_RESPONSE, PLACE_TEXT, USAGE_UNKNOWN},
        {"iterations", PLACE_USAGE, PLACE_ITERATIONS, USAGE_UNKNOWN},
    },
    [11] = {
        {"interaction", PLACE_ROOT, PLACE_RESPONSE, USAGE_INTERACTIONS},
        {"totalTokens", PLACE_ROOT, PLACE_COUNT, USAGE_UNKNOWN},
        {"inputTokens", PLACE_ROOT, PLACE_COUNT, USAGE_UNKNOWN},
        {"inputTokens", PLACE_USAGE, PLACE_FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
        {"totalTokens", PLACE_USAGE, PLACE_FIGURE + USAGE_TOTAL, USAGE_UNKNOWN},
    },
    [12] = {
        {"input_length", PLACE_USAGE_BESIDE, PLACE_FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
        {"input_tokens", PLACE_ROOT, PLACE_COUNT, USAGE_UNKNOWN},
        {"modelVersion", PLACE_ROOT, PLACE_MODEL, USAGE_GEMINI},
        {"modelVersion", PLACE_RESPONSE, PLACE_MODEL, USAGE_UNKNOWN},
        {"billed_units", PLACE_META, PLACE_BILLED, USAGE_COHERE},
        {"total_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_TOTAL, USAGE_UNKNOWN},
        {"input_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
        {"input_tokens", PLACE_ITERATION, PLACE_FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
        {"outputTokens", PLACE_USAGE, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
        {"billed_units", PLACE_USAGE, PLACE_BILLED, USAGE_COHERE},
        {"input_tokens", PLACE_BILLED, PLACE_FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
    },
    [13] = {
        {"usageMetadata", PLACE_ROOT, PLACE_GEMINI, USAGE_GEMINI},
        {"usageMetadata", PLACE_RESPONSE, PLACE_GEMINI, USAGE_UNKNOWN},
        {"finish_reason", PLACE_CHOICE, PLACE_CHOICE_END, USAGE_UNKNOWN},
        {"prompt_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
        {"output_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
        {"output_tokens", PLACE_ITERATION, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
        {"output_tokens", PLACE_BILLED, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
        {"cached_tokens", PLACE_DETAILS, PLACE_FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    },
    [14] = {
        {"generated_text", PLACE_ROOT, PLACE_WHOLE_TEXT, USAGE_UNKNOWN},
    },
    [15] = {
        {"inputTokenCount", PLACE_USAGE_BESIDE, PLACE_FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
        {"sequence_number", PLACE_ROOT, PLACE_SEQUENCE, USAGE_RESPONSES},
        {"thinking_tokens", PLACE_DETAILS, PLACE_FIGURE + USAGE_REASONING, USAGE_UNKNOWN},
        {"totalTokenCount", PLACE_GEMINI, PLACE_FIGURE + USAGE_TOTAL, USAGE_UNKNOWN},
    },
    [16] = {
        {"tokens_evaluated", PLACE_ROOT, PLACE_FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
        {"tokens_predicted", PLACE_ROOT, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
        {"outputTokenCount", PLACE_USAGE_BESIDE, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
        {"generated_tokens", PLACE_USAGE_BESIDE, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
        {"reasoning_tokens", PLACE_DETAILS, PLACE_FIGURE + USAGE_REASONING, USAGE_UNKNOWN},
        {"promptTokenCount", PLACE_GEMINI, PLACE_FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
    },
    [17] = {
        {"prompt_eval_count", PLACE_ROOT, PLACE_FIGURE + USAGE_PROMPT, USAGE_OLLAMA},
        {"completion_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    },
    [18] = {
        {"prompt_token_count", PLACE_ROOT, PLACE_FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
        {"total_input_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_PROMPT, USAGE_INTERACTIONS},
        {"thoughtsTokenCount", PLACE_GEMINI, PLACE_FIGURE + USAGE_THOUGHTS, USAGE_UNKNOWN},
    },
    [19] = {
        {"total_output_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_CANDIDATES, USAGE_UNKNOWN},
        {"total_cached_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    },
    [20] = {
        {"input_tokens_details", PLACE_USAGE, PLACE_DETAILS, USAGE_UNKNOWN},
        {"cacheReadInputTokens", PLACE_USAGE, PLACE_FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
        {"total_thought_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_THOUGHTS, USAGE_UNKNOWN},
        {"candidatesTokenCount", PLACE_GEMINI, PLACE_FIGURE + USAGE_CANDIDATES, USAGE_UNKNOWN},
    },
    [21] = {
        {"prompt_tokens_details", PLACE_USAGE, PLACE_DETAILS, USAGE_UNKNOWN},
        {"output_tokens_details", PLACE_USAGE, PLACE_DETAILS, USAGE_UNKNOWN},
        {"cacheWriteInputTokens", PLACE_USAGE, PLACE_FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
        {"total_tool_use_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_TOOL_PROMPT, USAGE_UNKNOWN},
    },
    [22] = {
        {"generation_token_count", PLACE_ROOT, PLACE_FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    },
    [23] = {
        {"cache_read_input_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
        {"cache_read_input_tokens", PLACE_ITERATION, PLACE_FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
        {"prompt_cache_hit_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
        {"toolUsePromptTokenCount", PLACE_GEMINI, PLACE_FIGURE + USAGE_TOOL_PROMPT, USAGE_UNKNOWN},
        {"cachedContentTokenCount", PLACE_GEMINI, PLACE_FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    },
    [24] = {
        {"cacheReadInputTokenCount", PLACE_USAGE, PLACE_FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
        {"cacheReadInputTokenCount", PLACE_USAGE_BESIDE, PLACE_FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
    },
    [25] = {
        {"cacheWriteInputTokenCount", PLACE_USAGE, PLACE_FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
        {"cacheWriteInputTokenCount", PLACE_USAGE_BESIDE, PLACE_FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
        {"completion_tokens_details", PLACE_USAGE, PLACE_DETAILS, USAGE_UNKNOWN},
    },
    [27] = {
        {"cache_creation_input_tokens", PLACE_USAGE, PLACE_FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
        {"cache_creation_input_tokens", PLACE_ITERATION, PLACE_FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
    },
    [32] = {
        {"amazon-bedrock-invocationMetrics", PLACE_ROOT, PLACE_USAGE_BESIDE, USAGE_UNKNOWN},
    },
};
#define SIZES (sizeof(ways) / sizeof(ways[0]))

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
    for (const struct way *way = ways[name.size < SIZES ? name.size : 0]; way->name; way++) {
        if ((way->from != from && !(from == PLACE_USAGE_PARTIAL && way->from == PLACE_USAGE)) ||
            memcmp(way->name, name.data, name.size) != 0)
            continue;
        *shown = way->shows;
        return way->to;
    }
    return from == PLACE_DELTA ? place_of_text(name) : PLACE_NOWHERE;
}
