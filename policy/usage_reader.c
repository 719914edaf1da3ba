/* SPDX-License-Identifier: MPL-2.0
 *
 * Usage in answers: see usage_reader.h.
 *
 * Every container has a place, found from the place around it and its name by one table, so that the same words inside a
 * text, an argument or a document of the user's are never mistaken. Of a figure that is told again the last counts: all
 * streams tell sums.
 */
#include "policy/usage_reader.h"

#include "policy/decimal.h"

enum place {
    NOWHERE, /* nothing in here matters */
    ROOT,
    ROOTS,   /* an array of answers: Gemini's stream without events */
    RESPONSE,
    MESSAGE,
    USAGE,
    USAGE_PARTIAL,
    GEMINI,
    META,
    BILLED,
    DETAILS,
    ITERATIONS,
    ITERATION,
    ITERATION_TYPE,
    CHOICES,
    CHOICE,
    TEXT,  /* strings are the answer's text */
    DELTA, /* likewise, and Cohere's usage */
    MODEL,
    ID,
    TYPE,
    OBJECT_TYPE,
    CREATED,
    SEQUENCE,
    BLOCK,
    CHOICE_INDEX,
    CHOICE_END,
    STATUS,
    ERROR,
    COUNT,
    FIGURE, /* and those behind it: FIGURE + enum usage_figure */
};

static const struct way {
    enum place from;
    struct slice name;
    enum place to;
    enum usage_dialect shows; /* the dialect of whoever says this; USAGE_UNKNOWN: says nothing */
} ways[] = {
    {ROOT, SLICE("usage"), USAGE, USAGE_UNKNOWN},
    {ROOT, SLICE("usageMetadata"), GEMINI, USAGE_GEMINI},
    {ROOT, SLICE("response"), RESPONSE, USAGE_RESPONSES},
    {ROOT, SLICE("message"), MESSAGE, USAGE_UNKNOWN},
    {ROOT, SLICE("choices"), CHOICES, USAGE_UNKNOWN},
    {ROOT, SLICE("candidates"), TEXT, USAGE_GEMINI},
    {ROOT, SLICE("delta"), DELTA, USAGE_UNKNOWN},
    {ROOT, SLICE("content"), TEXT, USAGE_UNKNOWN},
    {ROOT, SLICE("output"), TEXT, USAGE_UNKNOWN},
    {ROOT, SLICE("meta"), META, USAGE_UNKNOWN},
    {ROOT, SLICE("x_groq"), META, USAGE_UNKNOWN},
    {ROOT, SLICE("prompt_eval_count"), FIGURE + USAGE_PROMPT, USAGE_OLLAMA},
    {ROOT, SLICE("eval_count"), FIGURE + USAGE_COMPLETION, USAGE_OLLAMA},
    {ROOT, SLICE("input_tokens"), COUNT, USAGE_UNKNOWN},
    {ROOT, SLICE("totalTokens"), COUNT, USAGE_UNKNOWN},
    {ROOT, SLICE("model"), MODEL, USAGE_UNKNOWN},
    {ROOT, SLICE("modelVersion"), MODEL, USAGE_GEMINI},
    {ROOT, SLICE("id"), ID, USAGE_UNKNOWN},
    {ROOT, SLICE("responseId"), ID, USAGE_UNKNOWN},
    {ROOT, SLICE("type"), TYPE, USAGE_UNKNOWN},
    {ROOT, SLICE("object"), OBJECT_TYPE, USAGE_UNKNOWN},
    {ROOT, SLICE("created"), CREATED, USAGE_UNKNOWN},
    {ROOT, SLICE("sequence_number"), SEQUENCE, USAGE_RESPONSES},
    {ROOT, SLICE("index"), BLOCK, USAGE_UNKNOWN},
    {ROOT, SLICE("status"), STATUS, USAGE_UNKNOWN},
    {ROOT, SLICE("error"), ERROR, USAGE_UNKNOWN},
    {RESPONSE, SLICE("usage"), USAGE, USAGE_UNKNOWN},
    {RESPONSE, SLICE("model"), MODEL, USAGE_UNKNOWN},
    {RESPONSE, SLICE("id"), ID, USAGE_UNKNOWN},
    {RESPONSE, SLICE("created_at"), CREATED, USAGE_UNKNOWN},
    {RESPONSE, SLICE("meta"), META, USAGE_UNKNOWN},
    {MESSAGE, SLICE("usage"), USAGE_PARTIAL, USAGE_ANTHROPIC},
    {MESSAGE, SLICE("model"), MODEL, USAGE_UNKNOWN},
    {MESSAGE, SLICE("id"), ID, USAGE_UNKNOWN},
    {MESSAGE, SLICE("content"), TEXT, USAGE_UNKNOWN},
    {DELTA, SLICE("usage"), USAGE, USAGE_COHERE},
    {META, SLICE("billed_units"), BILLED, USAGE_COHERE},
    {META, SLICE("usage"), USAGE, USAGE_UNKNOWN},
    {CHOICE, SLICE("index"), CHOICE_INDEX, USAGE_UNKNOWN},
    {CHOICE, SLICE("finish_reason"), CHOICE_END, USAGE_UNKNOWN},
    {CHOICE, SLICE("delta"), TEXT, USAGE_UNKNOWN},
    {CHOICE, SLICE("message"), TEXT, USAGE_UNKNOWN},
    {CHOICE, SLICE("text"), TEXT, USAGE_UNKNOWN},
    {USAGE, SLICE("prompt_tokens"), FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
    {USAGE, SLICE("completion_tokens"), FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    {USAGE, SLICE("total_tokens"), FIGURE + USAGE_TOTAL, USAGE_UNKNOWN},
    {USAGE, SLICE("input_tokens"), FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
    {USAGE, SLICE("output_tokens"), FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    {USAGE, SLICE("cache_creation_input_tokens"), FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
    {USAGE, SLICE("cache_read_input_tokens"), FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
    {USAGE, SLICE("prompt_tokens_details"), DETAILS, USAGE_UNKNOWN},
    {USAGE, SLICE("input_tokens_details"), DETAILS, USAGE_UNKNOWN},
    {USAGE, SLICE("completion_tokens_details"), DETAILS, USAGE_UNKNOWN},
    {USAGE, SLICE("output_tokens_details"), DETAILS, USAGE_UNKNOWN},
    {USAGE, SLICE("iterations"), ITERATIONS, USAGE_UNKNOWN},
    {ITERATION, SLICE("type"), ITERATION_TYPE, USAGE_UNKNOWN},
    {ITERATION, SLICE("input_tokens"), FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
    {ITERATION, SLICE("output_tokens"), FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    {ITERATION, SLICE("cache_creation_input_tokens"), FIGURE + USAGE_CACHE_WRITE, USAGE_UNKNOWN},
    {ITERATION, SLICE("cache_read_input_tokens"), FIGURE + USAGE_CACHE_READ, USAGE_UNKNOWN},
    {USAGE, SLICE("prompt_cache_hit_tokens"), FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    {USAGE, SLICE("billed_units"), BILLED, USAGE_COHERE},
    {BILLED, SLICE("input_tokens"), FIGURE + USAGE_INPUT, USAGE_UNKNOWN},
    {BILLED, SLICE("output_tokens"), FIGURE + USAGE_COMPLETION, USAGE_UNKNOWN},
    {DETAILS, SLICE("cached_tokens"), FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    {DETAILS, SLICE("reasoning_tokens"), FIGURE + USAGE_REASONING, USAGE_UNKNOWN},
    {DETAILS, SLICE("thinking_tokens"), FIGURE + USAGE_REASONING, USAGE_UNKNOWN},
    {GEMINI, SLICE("promptTokenCount"), FIGURE + USAGE_PROMPT, USAGE_UNKNOWN},
    {GEMINI, SLICE("candidatesTokenCount"), FIGURE + USAGE_CANDIDATES, USAGE_UNKNOWN},
    {GEMINI, SLICE("thoughtsTokenCount"), FIGURE + USAGE_THOUGHTS, USAGE_UNKNOWN},
    {GEMINI, SLICE("toolUsePromptTokenCount"), FIGURE + USAGE_TOOL_PROMPT, USAGE_UNKNOWN},
    {GEMINI, SLICE("cachedContentTokenCount"), FIGURE + USAGE_CACHED, USAGE_UNKNOWN},
    {GEMINI, SLICE("totalTokenCount"), FIGURE + USAGE_TOTAL, USAGE_UNKNOWN},
};

/* Members that say something about a text and are none. */
static const struct slice no_text[] = {
    SLICE("role"),         SLICE("type"),     SLICE("id"),   SLICE("signature"), SLICE("thoughtSignature"),
    SLICE("finishReason"), SLICE("mimeType"), SLICE("data"), SLICE("status"),    SLICE("logprobs"),
    SLICE("stop_reason"),  SLICE("call_id"),  SLICE("encrypted_content"), SLICE("finish_reason"),
};

static const struct {
    struct slice object;
    enum usage_dialect dialect;
} objects[] = {
    {SLICE("chat.completion.chunk"), USAGE_CHAT},
    {SLICE("chat.completion"), USAGE_CHAT},
    {SLICE("text_completion"), USAGE_COMPLETIONS},
    {SLICE("response"), USAGE_RESPONSES},
};

/* What an answer about one of these calls itself, in "object" or "type": no model made it. A batch tells its usage whenever it is looked at. */
static const struct slice kept_things[] = {
    SLICE("file"), SLICE("upload"), SLICE("upload.part"), SLICE("batch"), SLICE("message_batch"), SLICE("vector_store"),
};

/* The types of events and answers that only one dialect has. */
static const struct {
    struct slice type;
    enum usage_dialect dialect;
} types[] = {
    {SLICE("message"), USAGE_ANTHROPIC},
    {SLICE("message_start"), USAGE_ANTHROPIC},
    {SLICE("message-start"), USAGE_COHERE},
};

void usage_reader_init(struct usage_reader *reader)
{
    *reader = (struct usage_reader){.block = -1, .sequence = -1};
    usage_reader_begin(reader);
}

void usage_reader_begin(struct usage_reader *reader)
{
    json_flow_init(&reader->flow);
    reader->places[0] = NOWHERE;
    reader->next = ROOT;
    reader->has_usage = reader->has_choices = reader->has_choice = reader->has_error = reader->is_foreign = false;
}

/* ---- places ----------------------------------------------------------------------------------------------------- */

static enum place place_of_text(struct slice name)
{
    for (size_t i = 0; i < sizeof(no_text) / sizeof(no_text[0]); i++)
        if (slice_equal(no_text[i], name))
            return NOWHERE;
    return TEXT;
}

static enum place find_way(struct usage_reader *reader, enum place from, struct slice name)
{
    if (from == NOWHERE)
        return NOWHERE;
    if (from == TEXT)
        return place_of_text(name);
    if (from == ROOT && reader->is_foreign && slice_equal(name, SLICE("usage")))
        return NOWHERE;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        const struct way *way = &ways[i];

        if ((way->from != from && !(from == USAGE_PARTIAL && way->from == USAGE)) || !slice_equal(way->name, name))
            continue;
        if (way->shows != USAGE_UNKNOWN && reader->dialect == USAGE_UNKNOWN)
            reader->dialect = way->shows;
        return way->to;
    }
    return from == DELTA ? place_of_text(name) : NOWHERE;
}

/* What a value without a name of its own is: an element, or the whole. */
static enum place element_of(const struct usage_reader *reader, unsigned depth)
{
    switch ((enum place)reader->places[depth]) {
    case ROOTS:
        return ROOT;
    case CHOICES:
        return CHOICE;
    case ITERATIONS:
        return ITERATION;
    case TEXT:
    case DELTA:
        return TEXT;
    default:
        return depth == 0 ? ROOT : NOWHERE;
    }
}

static int64_t most(int64_t sum)
{
    return sum > ESTIMATE_MOST ? ESTIMATE_MOST : sum;
}

static bool is_list(enum place place)
{
    return place == CHOICES || place == ITERATIONS;
}

/* What an iteration took is a part of the sums around it, unless it made the conversation shorter: Anthropic bills that
 * in addition. */
static void begin_iteration(struct usage_reader *reader)
{
    memset(reader->iteration, 0, sizeof(reader->iteration));
    reader->is_compaction = false;
}

static void end_iteration(struct usage_reader *reader)
{
    for (int i = 0; i < USAGE_FIGURES && reader->is_compaction; i++)
        reader->compaction[i] = most(reader->compaction[i] + reader->iteration[i]);
}

static void open_container(struct usage_reader *reader, const struct json_flow *flow)
{
    bool is_object = (flow->is_object >> (flow->depth - 1) & 1) != 0;
    enum place place = (enum place)reader->next;

    if (flow->depth == 1)
        place = is_object ? ROOT : ROOTS;
    reader->is_array |= place == ROOTS;
    if (place == CHOICE)
        reader->has_choice = true;
    reader->has_choices |= place == CHOICES;
    reader->has_usage |= place == USAGE && is_object;
    reader->has_error |= place == ERROR && is_object;
    if (place == CHOICE)
        reader->choice = 0;
    /* Only lists and objects that are what they should be lead on. */
    if (is_object ? is_list(place) : !is_list(place) && place != TEXT && place != DELTA && place != ROOTS)
        place = NOWHERE;
    if (place == ITERATIONS)
        memset(reader->compaction, 0, sizeof(reader->compaction));
    if (place == ITERATION)
        begin_iteration(reader);
    reader->places[flow->depth] = (uint8_t)place;
    reader->next = is_object ? NOWHERE : (uint8_t)element_of(reader, flow->depth);
}

static void close_container(struct usage_reader *reader, const struct json_flow *flow)
{
    if (reader->places[flow->depth] == CHOICE && reader->choice >= 0 && reader->choice < 64)
        reader->open_choices |= UINT64_C(1) << reader->choice;
    if (reader->places[flow->depth] == ITERATION)
        end_iteration(reader);
    reader->next = (uint8_t)element_of(reader, flow->depth - 1);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static void keep(struct usage_text *text, const struct json_flow *flow)
{
    if (flow->is_cut || flow->text_size > sizeof(text->data))
        return;
    memcpy(text->data, flow->text, flow->text_size);
    text->size = flow->text_size;
}

static void take_kept_thing(struct usage_reader *reader, struct slice name)
{
    for (size_t i = 0; i < sizeof(kept_things) / sizeof(kept_things[0]); i++)
        reader->is_upkeep |= slice_equal(kept_things[i], name);
}

static void take_object(struct usage_reader *reader, struct slice object)
{
    take_kept_thing(reader, object);
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        if (slice_equal(objects[i].object, object) && reader->dialect == USAGE_UNKNOWN)
            reader->dialect = objects[i].dialect;
}

/* Anthropic may add events at any time, and what usage they would tell is not known: only two kinds tell that of the answer. */
static void take_type(struct usage_reader *reader, const struct json_flow *flow)
{
    struct slice type = {flow->text, flow->text_size};

    keep(&reader->type, flow);
    take_kept_thing(reader, type);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (slice_equal(types[i].type, type) && reader->dialect == USAGE_UNKNOWN)
            reader->dialect = types[i].dialect;
    reader->is_foreign = reader->dialect == USAGE_ANTHROPIC && !slice_equal(type, SLICE("message")) &&
                         !slice_equal(type, SLICE("message_delta"));
}

static void take_string(struct usage_reader *reader, const struct json_flow *flow)
{
    switch ((enum place)reader->next) {
    case TEXT:
    case DELTA:
    case RESPONSE:
        reader->text_bytes += flow->length;
        break;
    case MODEL:
        keep(&reader->model, flow);
        break;
    case ID:
        keep(&reader->id, flow);
        break;
    case TYPE:
        take_type(reader, flow);
        break;
    case ITERATION_TYPE:
        reader->is_compaction = slice_equal((struct slice){flow->text, flow->text_size}, SLICE("compaction"));
        break;
    case OBJECT_TYPE:
        take_object(reader, (struct slice){flow->text, flow->text_size});
        break;
    case CHOICE_END:
        if (reader->choice >= 0 && reader->choice < 64)
            reader->ended_choices |= UINT64_C(1) << reader->choice;
        break;
    case STATUS:
        reader->is_unfinished = slice_equal((struct slice){flow->text, flow->text_size}, SLICE("queued")) ||
                                slice_equal((struct slice){flow->text, flow->text_size}, SLICE("in_progress"));
        break;
    case ERROR:
        reader->has_error = true;
        break;
    default:
        break;
    }
}

/* A whole number of at most ESTIMATE_MOST; a negative one is none. */
static bool read_count(const struct json_flow *flow, int64_t *count)
{
    int64_t millionths;

    if (flow->is_cut || decimal_parse((struct slice){flow->text, flow->text_size}, &millionths) != DECIMAL_OK ||
        millionths % 1000000 != 0 || millionths > ESTIMATE_MOST * 1000000)
        return false;
    *count = millionths > 0 ? millionths / 1000000 : 0;
    return millionths >= 0;
}

static void take_figure(struct usage_reader *reader, enum usage_figure figure, const struct json_flow *flow)
{
    enum place around = (enum place)reader->places[flow->depth];
    int64_t count = 0;

    if (!read_count(flow, &count)) {
        reader->has_bad_figure = true;
        if (flow->text_size == 0 || flow->text[0] != '-')
            return;
    }
    if (around == ITERATION) {
        reader->iteration[figure] = count;
        return;
    }
    reader->figures[figure] = count;
    reader->given |= UINT32_C(1) << figure;
    if (figure == USAGE_COMPLETION)
        reader->is_partial = around == USAGE_PARTIAL;
}

static void take_number(struct usage_reader *reader, const struct json_flow *flow)
{
    int64_t number;

    if (reader->next >= FIGURE) {
        take_figure(reader, (enum usage_figure)(reader->next - FIGURE), flow);
        return;
    }
    if (!read_count(flow, &number))
        return;
    reader->is_count |= reader->next == COUNT;
    if (reader->next == CREATED)
        reader->created = number;
    else if (reader->next == SEQUENCE)
        reader->sequence = number;
    else if (reader->next == BLOCK)
        reader->block = number;
    else if (reader->next == CHOICE_INDEX)
        reader->choice = number;
}

static void listen(void *context, const struct json_flow *flow, enum json_flow_event event)
{
    struct usage_reader *reader = context;

    switch (event) {
    case JSON_FLOW_NAME:
        reader->next = flow->is_cut ? NOWHERE
                                    : (uint8_t)find_way(reader, (enum place)reader->places[flow->depth],
                                                        (struct slice){flow->text, flow->text_size});
        return;
    case JSON_FLOW_OPEN:
        open_container(reader, flow);
        return;
    case JSON_FLOW_CLOSE:
        close_container(reader, flow);
        return;
    case JSON_FLOW_STRING:
        take_string(reader, flow);
        break;
    case JSON_FLOW_SCALAR:
        if (flow->text[0] == '-' || (flow->text[0] >= '0' && flow->text[0] <= '9'))
            take_number(reader, flow);
        break;
    }
    reader->next = (uint8_t)element_of(reader, flow->depth);
}

void usage_reader_feed(struct usage_reader *reader, struct slice bytes)
{
    json_flow_feed(&reader->flow, bytes, listen, reader);
}

void usage_reader_end(struct usage_reader *reader)
{
    json_flow_end(&reader->flow, listen, reader);
}

/* ---- sums ------------------------------------------------------------------------------------------------------- */

int64_t usage_reader_counted(const struct usage_reader *reader)
{
    bool is_in_text = reader->next == TEXT || reader->next == DELTA || reader->next == RESPONSE;
    uint64_t bytes = reader->text_bytes + (is_in_text ? json_flow_begun(&reader->flow) : 0);
    uint64_t tokens = (bytes + ESTIMATE_BYTES_PER_TOKEN - 1) / ESTIMATE_BYTES_PER_TOKEN;

    return tokens > (uint64_t)ESTIMATE_MOST ? ESTIMATE_MOST : (int64_t)tokens;
}

static bool has(const struct usage_reader *reader, enum usage_figure figure)
{
    return (reader->given >> figure & 1) != 0;
}

/* Anthropic's input leaves out what was cached; with the others cached tokens are a part. */
static void sum_input(const struct usage_reader *reader, struct usage *usage)
{
    const int64_t *figures = reader->figures, *more = reader->compaction;
    int64_t write = figures[USAGE_CACHE_WRITE] + more[USAGE_CACHE_WRITE];
    int64_t read = figures[USAGE_CACHE_READ] + more[USAGE_CACHE_READ];

    if (has(reader, USAGE_PROMPT)) {
        usage->in_total = most(figures[USAGE_PROMPT] + figures[USAGE_TOOL_PROMPT]);
        usage->in_cached = figures[USAGE_CACHED];
        return;
    }
    usage->in_total = most(figures[USAGE_INPUT] + more[USAGE_INPUT] + write + read);
    usage->in_cached = most(figures[USAGE_CACHED] + read);
    usage->in_cache_write = most(write);
}

static void sum_output(const struct usage_reader *reader, struct usage *usage)
{
    const int64_t *figures = reader->figures;

    usage->out_total = most(figures[USAGE_COMPLETION] + reader->compaction[USAGE_COMPLETION] +
                            figures[USAGE_CANDIDATES] + figures[USAGE_THOUGHTS]);
    usage->out_reasoning = most(figures[USAGE_REASONING] + figures[USAGE_THOUGHTS]);
    if (reader->is_partial && usage->out_total < usage_reader_counted(reader))
        usage->out_total = usage_reader_counted(reader);
}

/* Some who speak like OpenAI leave what the model thought out of the completion, but not out of the sum. */
static void sum_hidden(const struct usage_reader *reader, struct usage *usage)
{
    int64_t hidden = reader->figures[USAGE_TOTAL] - usage->in_total - usage->out_total;

    if (hidden > 0)
        usage->out_total += hidden;
}

/* Nobody asked a model. */
static bool is_no_answer(const struct usage_reader *reader)
{
    return reader->text_bytes == 0 && reader->dialect == USAGE_UNKNOWN &&
           (reader->is_upkeep || (reader->is_count && reader->given == 0));
}

bool usage_reader_sum(const struct usage_reader *reader, int64_t prompt, struct usage *usage, bool *clamped)
{
    bool has_input = has(reader, USAGE_PROMPT) || has(reader, USAGE_INPUT) || has(reader, USAGE_CACHE_READ) ||
                     has(reader, USAGE_CACHE_WRITE);
    bool has_output = has(reader, USAGE_COMPLETION) || has(reader, USAGE_CANDIDATES) || has(reader, USAGE_THOUGHTS);

    *usage = (struct usage){.in_total = prompt};
    *clamped = false;
    if (is_no_answer(reader)) {
        usage->in_total = 0;
        return true;
    }
    if (has_input)
        sum_input(reader, usage);
    sum_output(reader, usage);
    /* Whoever tells only the sum: embeddings have no completion, and the rest is the one that was not told. */
    if (has(reader, USAGE_TOTAL) && !has_output && has_input && reader->figures[USAGE_TOTAL] > usage->in_total)
        usage->out_total = reader->figures[USAGE_TOTAL] - usage->in_total;
    else if (has(reader, USAGE_TOTAL) && reader->dialect == USAGE_CHAT && has_input)
        sum_hidden(reader, usage);
    else if (has(reader, USAGE_TOTAL) && !has_input)
        usage->in_total = reader->figures[USAGE_TOTAL] > usage->out_total ? reader->figures[USAGE_TOTAL] - usage->out_total : 0;
    /* Gemini tells sums all along, and none of the completion before there is one. */
    if (!has_output && (!has(reader, USAGE_TOTAL) || reader->dialect == USAGE_GEMINI) &&
        usage->out_total < usage_reader_counted(reader))
        usage->out_total = usage_reader_counted(reader);
    *clamped = usage_clamp(usage);
    return has_input || has_output || has(reader, USAGE_TOTAL);
}
