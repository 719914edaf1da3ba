/* SPDX-License-Identifier: MPL-2.0
 *
 * One request, one verdict: kill switches, route match, then all rules of all matching policies against the arena's
 * cells, all or nothing (contract, "Evaluation order").
 */
#ifndef FAIRVISOR_POLICY_DECIDE_H
#define FAIRVISOR_POLICY_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "policy/claims.h"
#include "policy/facts.h"
#include "policy/references.h"
#include "policy/reservation.h"
#include "policy/usage.h"
#include "policy/verdict.h"
#include "shm/arena.h"
#include "shm/counters.h"
#include "shm/flights.h"
#include "shm/moment.h"
#include "shm/settings.h"

struct decider; /* all that a process needs to decide by one bundle: scratch, counters, resolved series */

/* What happened on the way, for `fairvisor explain`. Called for each policy and rule that was looked at. */
enum decide_step {
    DECIDE_KILL_SWITCH, /* detail = descriptor text; value = its value */
    DECIDE_KILL_KEY_MISSING,       /* COUNT switches are by a key that the request does not have; detail = key */
    DECIDE_KILL_SWITCHES_PASSED,   /* COUNT switches are by this key, for other values; detail = key, value = found value */
    DECIDE_KILL_SWITCH_ELSEWHERE,  /* one for this value, but only on ROUTE; likewise */
    DECIDE_KILL_SWITCH_ENDED,      /* one for this value, but it has ended; likewise */
    DECIDE_POLICY_MATCHED,
    DECIDE_RULE_NOT_APPLICABLE, /* a match condition does not hold; detail = key, value = found value */
    DECIDE_KEY_FOUND,           /* detail = key, value = found value */
    DECIDE_KEY_MISSING,         /* detail = key */
    DECIDE_RULE_SKIPPED,        /* on_missing: skip */
    DECIDE_RULE_SHARED,         /* on_missing: share */
    DECIDE_FALLBACK_USED,
    DECIDE_WOULD_REJECT, /* a shadow policy's rule or, with none, its loop detection or breaker would have refused */
    DECIDE_LIMIT, /* limit is filled; fits says whether it lets the request through */
};
struct decide_note {
    enum decide_step step;
    const struct policy *policy;
    const struct rule *rule;
    struct slice detail, value, route;
    uint32_t count;
    bool fits;
    bool has_no_room; /* DECIDE_LIMIT only: shared memory is full, and this identity is not in it */
    bool is_shadow;
    enum reason reason; /* DECIDE_WOULD_REJECT only */
    const struct limit_state *limit;
    int64_t cost; /* millionths; DECIDE_LIMIT only */
    const char *role; /* what the limit counts: "rate", "budget", "minute", "day", "flight", "loop", "loop retry",
                       * "breaker"; DECIDE_LIMIT and DECIDE_WOULD_REJECT only */
};
typedef void decide_observer(void *context, const struct decide_note *note);

/* Makes a decider for BUNDLE on ARENA. SLOT is the caller's own counter slot, or NULL to count nothing; SCRATCH_SIZE as
 * for descriptor_cache_init. NULL when memory is out. BUNDLE and ARENA must outlive it. */
struct decider *decide_new(const struct bundle *bundle, const struct arena *arena, struct counter_slot *slot,
                           size_t scratch_size);
void decide_free(struct decider *decider);

/* From now on keys such as ip:country are looked up in REFERENCES, which must outlive the decider. Without, they have
 * only the values that trusted proxies tell. */
void decide_use_references(struct decider *decider, const struct references *references);

/* Which decisions become events: see events.h. */
struct decide_recording {
    uint16_t writer;              /* number of this process among EVENTS_WRITERS */
    uint32_t generation;          /* told in each event */
    bool records_all;             /* every allowed request; else a sample of them */
    enum settings_redact redact;  /* which values of keys are told as hashes only */
};

/* From now on refusals, would-be refusals, warnings and allows become events of the decider's arena. Not for a decider without
 * arena or slot. false when memory is out. */
bool decide_events_open(struct decider *decider, const struct decide_recording *recording);

/* VALUE of KEY as events and log lines tell it: itself or, where REDACT hides it, "#" and a part of its hash, in ROOM. */
#define DECIDE_REDACT_SIZE 20
struct slice decide_redact(const struct arena *arena, enum settings_redact redact, struct slice key, struct slice value,
                           char room[DECIDE_REDACT_SIZE]);

/* Whether a decision looks at claims: the bundle has keys of tokens, or a kill switch that was set by hand. */
bool decide_kills_use_claims(struct decider *decider);

/* How many keys of kill switches that were set by hand the bundle does not have, as of the last decision; *KEYS are the decider's
 * until the next one. */
uint32_t decide_kills_keys(const struct decider *decider, const struct descriptor **keys);

/* Judges and, when it is allowed, charges. Does not allocate. Fills VERDICT entirely. */
void decide_request(struct decider *decider, const struct facts *facts, const struct claims *claims, struct moment now,
                    struct verdict *verdict);

/* The same, telling OBSERVER each step: for a replay, where somebody wants to know who was refused. */
void decide_trace(struct decider *decider, const struct facts *facts, const struct claims *claims, struct moment now,
                  struct verdict *verdict, decide_observer *observer, void *context);

/* Value of a key, of the request that is judged or was judged last; false when it has none. */
bool decide_key(struct decider *decider, uint32_t descriptor, struct slice *value);

/* Refuses for REASON without judging; counts and records it. Fills VERDICT entirely. */
void decide_refuse(struct decider *decider, const struct facts *facts, enum reason reason, struct moment now,
                   struct verdict *verdict);

enum decide_settlement {
    DECIDE_SETTLED,
    DECIDE_SETTLED_UNSERVED,   /* likewise; the bundle does not have all of its limits any more, but what they counted is kept */
    DECIDE_SETTLED_IN_PART,    /* likewise, or it has them all; of one more was used than reserved, and there is nothing left that it could
                                * be charged to: of a limit that is gone nothing is counted any more, or shared memory is full */
    DECIDE_SETTLED_BEFORE,     /* by an earlier call: nothing was changed */
    DECIDE_SETTLEMENT_EXPIRED, /* too late: what was reserved stays charged */
    DECIDE_SETTLEMENT_UNKNOWN, /* not a reservation of this arena, or absurd figures */
    DECIDE_SETTLEMENT_BUSY,    /* no room or a stuck stripe: nothing was changed, try again */
};

/* Corrects what the reservation TEXT charged in advance: less was used, and the rest is given back (never above the limit's size);
 * more, and it is charged, below zero if need be. Requests in flight land. MODEL answered; budgets of money charge its price, and
 * when it has none (or is empty) that of the model that was asked for; when neither has one, what was reserved stays. USAGE NULL:
 * nobody knows, and everything but what is in flight stays charged as it was reserved. Once: see enum decide_settlement. */
enum decide_settlement decide_reserve_settle(struct decider *decider, struct slice text, const struct usage *usage,
                                             struct slice model, struct moment now);

/* Ends the request of the reservation TEXT without a word about what it used: what is in flight lands, everything else
 * stays charged as it was reserved. For whoever saw the request's end himself: it is not too late after 15 minutes, and nobody else
 * may have TEXT, for nothing notes that it was done: do it once. */
enum decide_settlement decide_reserve_release(struct decider *decider, struct slice text, struct moment now);

/* Like decide_reserve_settle, but for whoever saw the request's end himself, as above. */
enum decide_settlement decide_reserve_finish(struct decider *decider, struct slice text, const struct usage *usage,
                                             struct slice model, struct moment now);

/* Writes what the reservation TEXT holds in flight to FLIGHTS and returns how many. Changes nothing. */
uint32_t decide_reserve_flights(struct decider *decider, struct slice text, struct flight flights[RESERVATION_MAX_ENTRIES]);

/* Whether a policy that matches FACTS looks into the request's body. Reads nothing but path, host and method. */
bool decide_wants_body(struct decider *decider, const struct facts *facts);

/* Charges what the reservation in the SIZE bytes of TEXT lacks to USAGE, all or nothing, and writes it anew in its
 * place. false, and nothing is changed, when its limits do not have so much. What was reserved beyond USAGE stays. It
 * remains one reservation, settled once whichever of its texts is settled. */
bool decide_reserve_grow(struct decider *decider, char *text, size_t size, const struct usage *usage, struct slice model,
                         struct moment now);

/* Whether the breaker of POLICY is open at NOW; when there is one for each identity, the one that opened last. */
bool decide_guards_is_open(const struct decider *decider, const struct policy *policy, struct moment now);

/* Judges without charging or counting, telling OBSERVER each step, and the kill switches that do not refuse. VERDICT is
 * the one that decide_request would give, its numbers those after the charge; OBSERVER gets those before. Works on a
 * read-only arena, and on none (every cell fresh). */
void decide_explain(struct decider *decider, const struct facts *facts, const struct claims *claims, struct moment now,
                    struct verdict *verdict, decide_observer *observer, void *context);

#endif
