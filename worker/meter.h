/* SPDX-License-Identifier: MPL-2.0
 *
 * What an exchange with a model uses, found out from the bytes that pass: asks for usage, reads it, counts where none is told, hides
 * what the client did not ask for, and ends a stream that outgrows its limit in the stream's own words. Does no I/O and settles
 * nothing: exchange.c does.
 */
#ifndef FAIRVISOR_WORKER_METER_H
#define FAIRVISOR_WORKER_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/body_edit.h"
#include "policy/usage_reader.h"
#include "policy/verdict.h"
#include "worker/elements.h"
#include "worker/eventstream.h"
#include "worker/outbox.h"
#include "worker/sse.h"

#define METER_EVENT_MAX 262144 /* bytes of an event that is held back until it is known; of a larger one the rest just passes */

#define METER_FIRST_REFUSAL 300 /* from this status on an answer is none of a model */

/* Reserves as much as USAGE in all; false, and nothing is reserved in addition, when that is more than the limits have. */
typedef bool meter_grow(void *context, const struct usage *usage, struct slice model);

enum meter_body { METER_NOTHING, METER_OPAQUE, METER_JSON, METER_EVENTS, METER_FRAMES };

/* What Bedrock tells in the head of an answer, whatever the model's own words for it are, and whether the body has any. */
enum meter_beside { BESIDE_INPUT, BESIDE_OUTPUT, BESIDE_CACHE_READ, BESIDE_CACHE_WRITE, METER_BESIDES };

struct meter {
    struct verdict_metering wants;
    meter_grow *grow;
    void *context;
    bool hides_usage; /* we asked for it, the client did not */
    bool told_usage;  /* the client asked for it */
    bool asks_nothing; /* of a model: the request has no body */
    bool has_head;
    unsigned status;
    unsigned beside_given; /* bit n: figure n was told */
    int64_t beside[METER_BESIDES];
    enum meter_body body;
    struct usage_reader reader;
    struct sse sse;
    struct eventstream frames;
    struct elements elements; /* of an answer that is an array: each is an event */
    bool changes; /* what passes may be changed */
    /* of the event at hand */
    struct outbox held;
    bool is_passing; /* too large to be held: its bytes go as they come */
    size_t start_size;
    char start[8]; /* of its data */
    uint64_t text_before, ended_before;
    /* of the whole stream */
    int64_t next_look; /* tokens of completion at which what is reserved does not suffice any more */
    bool has_passed; /* an element of an array */
    bool is_done, is_cut;
};

enum meter_pass { METER_SAME, METER_CHANGED, METER_CUT };

/* Begins with a request for WANTS. */
void meter_init(struct meter *meter, const struct verdict_metering *wants, meter_grow *grow, void *context);
void meter_fini(struct meter *meter);

/* Writes the request's BODY into OUT when it has to be changed, and says whether it has. *IS_CLAMPED becomes false when
 * a completion that had to be made shorter could not be. */
bool meter_request(struct meter *meter, struct slice path, struct slice body, struct outbox *out, bool *is_clamped);

/* The response's head. One that says how long its body is (METER_COUNTED) is not of a stream. Returns whether the body may be changed. */
enum meter_framing { METER_BODYLESS, METER_COUNTED, METER_OPEN };
bool meter_head(struct meter *meter, unsigned status, struct slice content_type, enum meter_framing framing);

/* A piece of the response's body; OUT gets what goes in its place unless it stays the same. */
enum meter_pass meter_take(struct meter *meter, struct slice piece, struct outbox *out);

/* The response is complete: what was held goes to OUT. */
void meter_finish(struct meter *meter, struct outbox *out);

/* ---- meter_usage.c ---------------------------------------------------------------------------------------------- */

/* A field of the response's head. */
void meter_usage_field(struct meter *meter, struct slice name, struct slice value);

/* What was used so far. false when it can only be what was reserved: the answer was none that we can read, or the model works on it
 * still. One that was ready before it was sent (no stream) and is not told to have cost anything yet is likewise unknown when the client
 * left (WAS_LEFT) in the middle of it. IS_TOLD: by the answer. */
bool meter_usage(const struct meter *meter, bool was_left, struct usage *usage, bool *is_told, bool *clamped);

/* Some tell zeros with all text before the last event: they say nothing of a stream that is not at its end. USAGE becomes what was
 * counted then. */
void meter_usage_correct_zeros(const struct meter *meter, struct usage *usage);

/* ---- meter_close.c ---------------------------------------------------------------------------------------------- */

/* Ends the stream at hand, of events or one array, for a client that has got all it may. */
void meter_close_stream(const struct meter *meter, struct outbox *out);

#endif
