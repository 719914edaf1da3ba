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
#include "worker/outbox.h"
#include "worker/sse.h"

#define METER_EVENT_MAX 262144 /* bytes of an event that is held back until it is known; of a larger one the rest just passes */

/* Whether what was reserved may grow to USAGE. */
typedef bool meter_fits(void *context, const struct usage *usage, struct slice model);

enum meter_body { METER_NOTHING, METER_OPAQUE, METER_JSON, METER_EVENTS };

struct meter {
    struct verdict_metering wants;
    meter_fits *fits;
    void *context;
    bool hides_usage; /* we asked for it, the client did not */
    bool told_usage;  /* the client asked for it */
    bool has_head;
    unsigned status;
    enum meter_body body;
    struct usage_reader reader;
    struct sse sse;
    /* of the event at hand */
    struct outbox held;
    bool is_passing; /* too large to be held: its bytes go as they come */
    size_t start_size;
    char start[8]; /* of its data */
    uint64_t text_before, ended_before;
    /* of the whole stream */
    int64_t next_look; /* tokens of completion at which the limit is looked at again */
    bool is_done, is_cut;
};

enum meter_pass { METER_SAME, METER_CHANGED, METER_CUT };

/* Begins with a request for WANTS. */
void meter_init(struct meter *meter, const struct verdict_metering *wants, meter_fits *fits, void *context);
void meter_fini(struct meter *meter);

/* Writes the request's BODY into OUT when it has to be changed, and says whether it has. *IS_CLAMPED becomes false when a completion that had
 * to be made shorter could not be. */
bool meter_request(struct meter *meter, struct slice path, struct slice body, struct outbox *out, bool *is_clamped);

/* The response's head. Returns whether its body may be changed. */
bool meter_head(struct meter *meter, unsigned status, struct slice content_type, bool is_bodyless);

/* A piece of the response's body; OUT gets what goes in its place unless it stays the same. */
enum meter_pass meter_take(struct meter *meter, struct slice piece, struct outbox *out);

/* The response is complete: what was held goes to OUT. */
void meter_finish(struct meter *meter, struct outbox *out);

/* What was used so far. false when it can only be what was reserved: the answer was none that we can read. IS_TOLD: by the answer. */
bool meter_usage(const struct meter *meter, struct usage *usage, bool *is_told, bool *clamped);

/* ---- meter_close.c ---------------------------------------------------------------------------------------------- */

/* Ends the stream at hand for a client that has got all it may. */
void meter_close_stream(const struct meter *meter, struct outbox *out);

#endif
