/* SPDX-License-Identifier: MPL-2.0
 *
 * How the figures that an answer told add up, by dialect.
 */
#include "policy/usage_reader.h"

static bool has(const struct usage_reader *reader, enum usage_figure figure)
{
    return (reader->given >> figure & 1) != 0;
}

/* Anthropic's input leaves out what was cached; with the others cached tokens are a part. */
static void sum_input(const struct usage_reader *reader, struct usage *usage)
{
    const int64_t *figures = reader->figures, *more = reader->beside;
    int64_t write = figures[USAGE_CACHE_WRITE] + more[USAGE_CACHE_WRITE];
    int64_t read = figures[USAGE_CACHE_READ] + more[USAGE_CACHE_READ];

    if (has(reader, USAGE_PROMPT)) {
        usage->in_total = usage_most(figures[USAGE_PROMPT] + figures[USAGE_TOOL_PROMPT]);
        usage->in_cached = figures[USAGE_CACHED];
        return;
    }
    usage->in_total = usage_most(figures[USAGE_INPUT] + more[USAGE_INPUT] + write + read);
    usage->in_cached = usage_most(figures[USAGE_CACHED] + read);
    usage->in_cache_write = usage_most(write);
}

/* More text came behind the completion that was told last, so that it is that of a part: some tell a sum with every event, or zeros before
 * the last one. */
static bool has_more_text(const struct usage_reader *reader)
{
    return !reader->is_telling && reader->text_bytes > reader->told_bytes;
}

static void sum_output(const struct usage_reader *reader, struct usage *usage)
{
    const int64_t *figures = reader->figures;

    usage->out_total = usage_most(figures[USAGE_COMPLETION] + reader->beside[USAGE_COMPLETION] +
                                  figures[USAGE_CANDIDATES] + figures[USAGE_THOUGHTS]);
    usage->out_reasoning = usage_most(figures[USAGE_REASONING] + figures[USAGE_THOUGHTS]);
    if ((reader->is_partial || has_more_text(reader)) && usage->out_total < usage_reader_counted(reader))
        usage->out_total = usage_reader_counted(reader);
}

/* Some who speak like OpenAI leave what the model thought out of the completion, but not out of the sum; Mistral leaves sound, and what
 * its tools read, out of the prompt. */
static void sum_hidden(const struct usage_reader *reader, struct usage *usage)
{
    int64_t hidden = reader->figures[USAGE_TOTAL] - usage->in_total - usage->out_total;

    if (hidden <= 0)
        return;
    if (reader->dialect == USAGE_CHAT)
        usage->out_total += hidden;
    else if (reader->dialect == USAGE_UNKNOWN)
        usage->in_total += hidden;
}

/* Nobody asked a model. */
static bool is_no_answer(const struct usage_reader *reader)
{
    return reader->text_bytes == 0 && reader->whole_bytes == 0 && reader->dialect == USAGE_UNKNOWN &&
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
    if (usage->in_total == 0 && has_output && !reader->is_partial && has_more_text(reader))
        usage->in_total = prompt;
    sum_output(reader, usage);
    /* Whoever tells only the sum: embeddings have no completion, and the rest is the one that was not told. */
    if (has(reader, USAGE_TOTAL) && !has_output && has_input && reader->figures[USAGE_TOTAL] > usage->in_total)
        usage->out_total = reader->figures[USAGE_TOTAL] - usage->in_total;
    else if (has(reader, USAGE_TOTAL) && has_input)
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
