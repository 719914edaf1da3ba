/* SPDX-License-Identifier: MPL-2.0
 *
 * Endpoints of models by their path, as OpenAI and Anthropic call them and many others do after them.
 */
#ifndef FAIRVISOR_POLICY_ENDPOINT_H
#define FAIRVISOR_POLICY_ENDPOINT_H

#include <stdbool.h>

#include "shm/slice.h"

struct endpoint {
    struct slice end;  /* of the path */
    const char *name;  /* what says here how long a completion may be */
    unsigned lengths;  /* the names that are obeyed here: ESTIMATE_LENGTH_ of policy/estimate.h */
    bool is_chat;      /* whose streams have stream_options */
};

/* The endpoint at PATH; NULL: another one, of which nothing is known. Large letters and slashes at the end change nothing. */
const struct endpoint *endpoint_of(struct slice path);

/* Whether PATH is of Anthropic's API: /v1/messages, or what is below it, also where a provider or gateway has it below a path of its own.
 * OpenAI's /v1/threads/ID/messages is not. */
bool endpoint_is_anthropic(struct slice path);

#endif
