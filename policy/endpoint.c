/* SPDX-License-Identifier: MPL-2.0
 *
 * Endpoints of models: see endpoint.h.
 */
#include "policy/endpoint.h"

#include "policy/estimate.h"

static const struct endpoint endpoints[] = {
    {SLICE("/chat/completions"), "max_completion_tokens", ESTIMATE_LENGTH_COMPLETION | ESTIMATE_LENGTH_TOKENS, true},
    {SLICE("/completions"), "max_tokens", ESTIMATE_LENGTH_TOKENS, true},
    {SLICE("/responses"), "max_output_tokens", ESTIMATE_LENGTH_OUTPUT, false},
    {SLICE("/messages"), "max_tokens", ESTIMATE_LENGTH_TOKENS, false},
};

const struct endpoint *endpoint_of(struct slice path)
{
    while (path.size > 0 && path.data[path.size - 1] == '/')
        path.size--;
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct slice end = endpoints[i].end;

        if (path.size >= end.size && slice_equal_nocase((struct slice){path.data + path.size - end.size, end.size}, end))
            return &endpoints[i];
    }
    return NULL;
}

bool endpoint_is_anthropic(struct slice path)
{
    static const struct slice messages = SLICE("/v1/messages");

    while (path.size >= messages.size) {
        if (slice_has_prefix(path, messages) && (path.size == messages.size || path.data[messages.size] == '/'))
            return true;
        path = (struct slice){path.data + 1, path.size - 1};
    }
    return false;
}
