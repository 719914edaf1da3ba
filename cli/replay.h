/* SPDX-License-Identifier: MPL-2.0
 *
 * A bundle that judges recorded requests: the very engine of the service, on counters of its own, in the time that the
 * requests say.
 */
#ifndef FAIRVISOR_CLI_REPLAY_H
#define FAIRVISOR_CLI_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/record.h"
#include "cli/tally.h"
#include "policy/bundle.h"
#include "policy/decide.h"
#include "policy/references.h"
#include "shm/failure.h"
#include "shm/settings.h"

/* A request that is still in flight. */
struct replay_flight {
    int64_t end_ns;
    struct usage usage;
    bool has_usage;
    char *reservation; /* owned; and behind it the model */
    struct slice model;
    size_t size;
};

/* Verdicts here beside those that the log tells. */
struct replay_agreement {
    uint64_t told;
    uint64_t rejected_then, rejected_here; /* only */
};

struct replay {
    struct bundle *bundle; /* owned */
    struct arena arena;
    struct references references;
    struct decider *decider;
    struct tally tally;
    bool counts_usage;
    bool refuses_bad_tokens;            /* as the service does */
    uint64_t with_body, without_body; /* requests to limits that look into bodies */
    struct replay_flight *flights; /* a heap by end_ns */
    size_t flight_count, flight_room;
    struct replay_agreement agreement;
    uint64_t unsettled; /* requests that reserved something, and nobody knows what they used */
    bool is_out_of_memory;
};

/* Takes BUNDLE, and fresh counters of the size and the files of SETTINGS; requests will lie between FROM_NS and TO_NS. With DRY,
 * every policy is in shadow. replay_close also after false. */
bool replay_open(struct replay *replay, struct bundle *bundle, bool dry, const struct settings *settings,
                 int64_t from_ns, int64_t to_ns, size_t longest, struct failure *failure);
void replay_close(struct replay *replay);

/* Judges RECORD, which must not be earlier than the one before. */
void replay_judge(struct replay *replay, struct record *record, const struct facts *facts, struct verdict *verdict);

#endif
