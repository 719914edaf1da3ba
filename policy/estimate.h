/* SPDX-License-Identifier: MPL-2.0
 *
 * What an LLM request will cost in tokens, estimated from its body before anything is known: OpenAI chat completions, legacy
 * completions and embeddings, OpenAI Responses, Anthropic Messages, Gemini, Cohere, Ollama. Settlement corrects it afterwards.
 */
#ifndef FAIRVISOR_POLICY_ESTIMATE_H
#define FAIRVISOR_POLICY_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slice.h"

#define ESTIMATE_BYTES_PER_TOKEN 4
#define ESTIMATE_COMPLETION     1000 /* tokens of a completion when nobody says how long it may be */
#define ESTIMATE_MODEL_MAX      128  /* bytes of a model's name; a longer one is none */
#define ESTIMATE_MEDIA          1000 /* tokens of an image, a file, a piece of sound: their data says nothing about them */
#define ESTIMATE_MOST            (INT64_C(1) << 32) /* no model takes more; larger figures count as unusable */

/* By which names a length of the completion is told. */
#define ESTIMATE_LENGTH_TOKENS     1U /* max_tokens */
#define ESTIMATE_LENGTH_COMPLETION 2U /* max_completion_tokens */
#define ESTIMATE_LENGTH_OUTPUT     4U /* max_output_tokens */
#define ESTIMATE_LENGTH_OTHER      8U /* one that other endpoints know, or that is spelt so that not every reader takes it for one */

struct estimate {
    bool is_readable;     /* the body is a JSON object, and not nested deeper than anybody asks a model */
    int64_t prompt;       /* tokens, rounded up */
    int64_t completion;   /* tokens of the largest completion asked for; 0 = the request does not say */
    int64_t choices;      /* completions asked for, at least 1: of every prompt of a batch */
    bool has_bad_figure;  /* a max_tokens or n that is no positive whole number; what it may be taken for is charged */
    bool has_bad_completion; /* the completion may be as long as one that the request does not limit: its figure is a bad one, or has a
                              * name that not every reader takes for one, or there is none */
    unsigned lengths;     /* ESTIMATE_LENGTH_ of all names that tell one */
    bool is_encoded;      /* UTF-16 or UTF-32: some who read JSON decode it, and nothing can be told of it here */
    bool is_background;   /* the answer is made later, and somebody asks for it with another request */
    bool has_two_models;  /* that differ */
    size_t model_size;    /* 0 = the body names none */
    char model[ESTIMATE_MODEL_MAX];
};

/* Estimates BODY in one pass, without allocation. A body that is no JSON object is not readable and counts as text. */
struct estimate estimate_body(struct slice body);

/* As what a member NAME (its escapes undone) says how long a completion may be, one of ESTIMATE_LENGTH_: of the body itself or of an object
 * in it. 0: it does not. */
unsigned estimate_length_of(struct slice name, bool is_root);

#endif
