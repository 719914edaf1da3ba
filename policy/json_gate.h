/* SPDX-License-Identifier: MPL-2.0
 *
 * Is this text JSON, to the letter of RFC 8259? Asked before any other reader sees it.
 */
#ifndef FAIRVISOR_POLICY_JSON_GATE_H
#define FAIRVISOR_POLICY_JSON_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slice.h"

#define JSON_GATE_MAX_DEPTH 64

struct json_gate_limits {
    size_t max_bytes;
    size_t max_tokens; /* values and member names together */
};

struct json_gate_fault {
    size_t offset;        /* in bytes; where the text stops being JSON */
    const char *sentence; /* cause and cure, without a full stop; static storage */
};

/* Takes exactly one value with nothing but whitespace around it: valid UTF-8 (no surrogates, no overlong forms, no byte
 * order mark), no NUL and no \u0000, surrogate escapes in pairs, at most JSON_GATE_MAX_DEPTH containers deep. One pass,
 * no allocation. *TOKENS counts values and member names. false fills FAULT. */
bool json_gate_check(struct slice text, const struct json_gate_limits *limits, size_t *tokens,
                     struct json_gate_fault *fault);

#endif
