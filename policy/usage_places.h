/* SPDX-License-Identifier: MPL-2.0
 *
 * Where in an answer of a model usage, text and names stand, in every dialect. Private to policy/usage*.c.
 */
#ifndef FAIRVISOR_POLICY_USAGE_PLACES_H
#define FAIRVISOR_POLICY_USAGE_PLACES_H

#include "policy/usage_reader.h"
#include "shm/slice.h"

/* What a container or another value of an answer is. */
enum usage_place {
    PLACE_NOWHERE, /* nothing in here matters */
    PLACE_ROOT,
    PLACE_ROOTS, /* an array of answers: Gemini's stream without events */
    PLACE_RESPONSE,
    PLACE_MESSAGE,
    PLACE_USAGE,
    PLACE_USAGE_PARTIAL,
    PLACE_USAGE_BESIDE, /* what servers of models tell beside the text they generated */
    PLACE_GEMINI,
    PLACE_META,
    PLACE_BILLED,
    PLACE_DETAILS,
    PLACE_ITERATIONS,
    PLACE_ITERATION,
    PLACE_ITERATION_TYPE,
    PLACE_CHOICES,
    PLACE_CHOICE,
    PLACE_TEXT,  /* strings are the answer's text */
    PLACE_WHOLE_TEXT, /* a string is, which may have come in pieces before */
    PLACE_DELTA, /* likewise, and Cohere's usage */
    PLACE_MODEL,
    PLACE_ID,
    PLACE_TYPE,
    PLACE_OBJECT_TYPE,
    PLACE_CREATED,
    PLACE_SEQUENCE,
    PLACE_BLOCK,
    PLACE_CHOICE_INDEX,
    PLACE_CHOICE_END,
    PLACE_STATUS,
    PLACE_ERROR,
    PLACE_COUNT,
    PLACE_FIGURE, /* and those behind it: PLACE_FIGURE + enum usage_figure */
};

/* What the value behind NAME is in a container that is FROM. *SHOWN is the dialect that alone has this member there;
 * USAGE_UNKNOWN: it says nothing of that. */
enum usage_place usage_places_behind(enum usage_place from, struct slice name, enum usage_dialect *shown);

#endif
