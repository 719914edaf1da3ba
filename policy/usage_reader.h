/* SPDX-License-Identifier: MPL-2.0
 *
 * What an answer of a model says of its usage, read as it passes: OpenAI chat completions, legacy completions,
 * embeddings and Responses, Anthropic Messages, Mistral, Gemini, Bedrock Converse, Cohere, Ollama, llama.cpp, TGI;
 * whole answers and the events of streams. Which of them it is shows in the answer.
 *
 * The text of the answer is measured on the way, for answers that never tell.
 */
#ifndef FAIRVISOR_POLICY_USAGE_READER_H
#define FAIRVISOR_POLICY_USAGE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/estimate.h"
#include "policy/json_flow.h"
#include "policy/usage.h"

enum usage_dialect {
    USAGE_UNKNOWN,
    USAGE_CHAT,        /* OpenAI chat completions and those who speak alike */
    USAGE_COMPLETIONS, /* OpenAI legacy completions */
    USAGE_RESPONSES,   /* OpenAI Responses */
    USAGE_ANTHROPIC,
    USAGE_GEMINI,
    USAGE_INTERACTIONS, /* Gemini's, too */
    USAGE_COHERE,
    USAGE_OLLAMA,
};

/* Where each stands is told by usage_places.c, how they add up by usage_reader_sum.c. */
enum usage_figure {
    USAGE_PROMPT,
    USAGE_INPUT,
    USAGE_CACHED,
    USAGE_CACHE_WRITE,
    USAGE_CACHE_READ,
    USAGE_COMPLETION,
    USAGE_REASONING,
    USAGE_TOTAL,
    USAGE_CANDIDATES,
    USAGE_THOUGHTS,
    USAGE_TOOL_PROMPT,
    USAGE_FIGURES
};

#define USAGE_TEXT_MAX 128

struct usage_text {
    size_t size;
    char data[USAGE_TEXT_MAX];
};

struct usage_reader {
    struct json_flow flow;
    uint8_t places[JSON_FLOW_DEPTH + 1]; /* what each open container is */
    uint8_t next;                        /* what the value behind a name is */
    enum usage_dialect dialect;
    uint32_t given; /* bit n: figure n was told */
    int64_t figures[USAGE_FIGURES];
    int64_t iteration[USAGE_FIGURES];  /* of the step at hand */
    int64_t beside[USAGE_FIGURES];     /* of all steps that are billed beside the sums */
    bool is_beside;       /* the step at hand is one of those */
    bool is_array;        /* of answers */
    bool is_unfinished;   /* the model works on it still and will be asked for the answer later */
    bool is_count;        /* somebody only asked how many tokens a prompt has */
    bool is_upkeep;       /* of a file or a batch: no answer of a model */
    bool is_partial;      /* the completion so far was told, not the whole */
    bool has_bad_figure;  /* a figure that is no count of tokens: ignored */
    uint64_t text_bytes;  /* of the answer, so far */
    uint64_t whole_bytes; /* of texts that may have come in pieces before */
    uint64_t other_bytes; /* of all other strings */
    uint64_t told_bytes;  /* of text, up to the end of the answer or event that told the completion last */
    uint64_t root_bytes;  /* of text, when that answer or event began */
    bool is_telling;      /* the one at hand does */
    bool is_hollow;       /* the completion told last is none, in an event that brought text of it */
    struct usage_text model; /* that answered */
    /* what the end of a stream that is cut must repeat */
    struct usage_text id, type;
    int64_t created, sequence, block;
    uint64_t open_choices, ended_choices; /* bit n: choice n was seen, has ended */
    int64_t choice;
    /* of the JSON value at hand */
    bool has_usage, has_choice, has_error;
    bool is_foreign; /* an event of Anthropic's whose usage is not the answer's */
};

void usage_reader_init(struct usage_reader *reader);

/* Another JSON value begins, as in the next event of a stream. What was read stays. */
void usage_reader_begin(struct usage_reader *reader);

/* Its next BYTES, cut wherever they happen to be. */
void usage_reader_feed(struct usage_reader *reader, struct slice bytes);

/* It ends here. */
void usage_reader_end(struct usage_reader *reader);

/* Tokens of the text so far, estimated. */
int64_t usage_reader_counted(const struct usage_reader *reader);

/* Nothing of what was read is known as usage, text, or an answer that no model made. *TOKENS are those of its strings, estimated. */
bool usage_reader_is_strange(const struct usage_reader *reader, int64_t *tokens);

/* The usage as it was told, its parts no larger than their wholes (CLAMPED says whether they were). false when none was: then
 * PROMPT and what was counted. */
bool usage_reader_sum(const struct usage_reader *reader, int64_t prompt, struct usage *usage, bool *clamped);

#endif
