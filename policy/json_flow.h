/* SPDX-License-Identifier: MPL-2.0
 *
 * JSON that arrives in pieces, cut anywhere: tells each name and value as it passes, keeps nothing but the beginning of one
 * text, allocates nothing. For answers of any size of which only a few figures are wanted; what must be checked to the letter goes
 * through json.h.
 */
#ifndef FAIRVISOR_POLICY_JSON_FLOW_H
#define FAIRVISOR_POLICY_JSON_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slice.h"

#define JSON_FLOW_DEPTH 64
#define JSON_FLOW_TEXT  256 /* bytes of a text that are kept */

enum json_flow_event {
    JSON_FLOW_NAME,   /* of a member; its value comes next */
    JSON_FLOW_STRING, /* whole */
    JSON_FLOW_SCALAR, /* a number, true, false or null */
    JSON_FLOW_OPEN,   /* { or [ */
    JSON_FLOW_CLOSE,
};

struct json_flow {
    uint8_t state;     /* json_flow.c's own */
    uint8_t escape;    /* likewise */
    uint16_t unit;     /* likewise: of a \u escape */
    bool is_name;      /* the string at hand is a member's name */
    bool is_broken;    /* this is not JSON: nothing more is told of it */
    bool is_cut;       /* the text was longer than what is kept of it */
    unsigned depth;    /* containers that are open */
    uint64_t is_object; /* bit n - 1: the n-th open container is an object */
    size_t text_size;
    size_t length;     /* bytes of the whole string, escapes undone, roughly */
    char text[JSON_FLOW_TEXT]; /* of a name, string or scalar */
};

/* Called for each event; flow->text, text_size, is_cut and length are those of the event. depth counts the container that opens or
 * closes in both cases. */
typedef void json_flow_listener(void *context, const struct json_flow *flow, enum json_flow_event event);

void json_flow_init(struct json_flow *flow);

/* Reads on. Several values one after the other are fine. */
void json_flow_feed(struct json_flow *flow, struct slice bytes, json_flow_listener *listener, void *context);

/* Bytes of a string, not of a name, that has begun and not ended yet. */
size_t json_flow_begun(const struct json_flow *flow);

/* There is nothing more: a number at the very end is told. */
void json_flow_end(struct json_flow *flow, json_flow_listener *listener, void *context);

#endif
