/* SPDX-License-Identifier: MPL-2.0
 *
 * The reference model: what the contract says of one request, slowly and obviously. Every policy is looked at, one
 * after the other; what is remembered of an identity stands under its full text in a plain hash map; amounts are exact
 * integers, times are nanoseconds. It shares no code with the engine.
 */
#ifndef FAIRVISOR_TESTS_POLICY_ORACLE_MODEL_H
#define FAIRVISOR_TESTS_POLICY_ORACLE_MODEL_H

#include "tests/policy/oracle/world.h"

#define MODEL_DEMANDS 64
#define MODEL_NEVER   INT64_MAX

/* What a limit remembers of an identity. */
enum model_kind { MODEL_BUCKET, MODEL_WINDOW, MODEL_COUNT, MODEL_FLIGHT, MODEL_BREAKER };

#define MODEL_FLIGHTS 64

struct model_limit {
    enum model_kind kind;
    int64_t capacity;     /* millionths */
    int64_t rate, per_ns; /* bucket */
    int64_t end_s;        /* window: of the one that lies now */
    int calendar;
    int64_t length_ns; /* count, flight, breaker */
};

struct model_slot {
    struct model_slot *next;
    char *key;
    enum model_kind kind;
    int64_t stamp;          /* boot time of the last change */
    __int128 debt;          /* bucket: millionths times the nanoseconds of its unit */
    int64_t whole_ns;       /* bucket: when it had none last */
    int64_t spent;          /* window; breaker: of this minute */
    int64_t end_s;          /* window */
    int calendar;           /* window: period and zone */
    int64_t count, ends_ns; /* count */
    int flight_count;       /* flight */
    int64_t lane_ns;        /* flight: a third of the time to live, in whole milliseconds, rounded up */
    int64_t layout_ns;      /* flight: boot time of the last change of it */
    int64_t lanes[MODEL_FLIGHTS];
    int young_count; /* flight: what nobody may forget yet */
    int64_t young_begun[MODEL_FLIGHTS], young_until[MODEL_FLIGHTS];
    int64_t previous, opened; /* breaker: of the minute before; boot time it opened, 0 = closed */
    struct model_limit last;  /* that it was brought up to a moment under */
};

/* One limit that a request meets. */
struct model_demand {
    char key[512];
    struct model_limit limit;
    int64_t cost;
    const char *policy, *rule; /* rule NULL: loop detection or breaker */
    const char *reason;
    int shadow; /* 0: enforced; n: the n-th shadow policy that matched */
    bool is_shown, is_settled;
    bool never_refuses, is_loop, is_excuse, is_idle;
    int excuse; /* 1 + its index; 0 = none */
    int first;  /* breaker: the demands of its policy begin there */
    const struct world_policy *of_policy;
    const struct world_rule *of_rule;
    /* the answer */
    bool fits, trips, refuses, is_held_back;
    int64_t remaining; /* before */
    int64_t wait_ns;
};

struct model_verdict {
    bool is_allowed;
    const char *reason; /* of a refusal before any limit; NULL: see demands */
    int refusal_count;  /* refusals that no limit needs to be asked for; each may be told */
    struct {
        const char *policy, *rule, *reason;
    } refusals[MODEL_DEMANDS];
    int demand_count;
    struct model_demand demands[MODEL_DEMANDS];
    bool would_reject, has_reservation;
    const struct world_price *price; /* of the model asked for; NULL = none */
    bool overfills; /* more requests are in flight than may be: model and engine are both wrong */
    unsigned matched;
    bool warns, throttles, loop_warns;
    int64_t delay_ms, loop_count;
};

enum model_settlement { MODEL_SETTLED, MODEL_UNSERVED, MODEL_IN_PART, MODEL_BEFORE, MODEL_EXPIRED, MODEL_UNKNOWN };

struct model;

/* STEPS is how many steps there may be: each may have a reservation. */
struct model *model_new(int steps);
void model_free(struct model *model);

/* Judges STEP's request under BUNDLE and charges it when it is allowed. VERDICT is large: keep one. */
void model_ask(struct model *model, const struct world_bundle *bundle, const struct world_step *step,
               struct model_verdict *verdict);

enum model_settlement model_settle(struct model *model, const struct world_bundle *bundle,
                                   const struct world_step *step);

/* ---- model_calendar.c ----------------------------------------------------------------------------------------------
 */

/* End of the window of PERIOD in ZONE that NOW_S lies in. */
int64_t model_calendar_end(enum world_period period, enum world_zone zone, int64_t now_s);

/* ---- model_slot.c --------------------------------------------------------------------------------------------------
 */

/* Brings SLOT up to a moment under LIMIT. */
void model_slot_touch(struct model_slot *slot, const struct model_limit *limit, int64_t boot_ns, int64_t wall_ns);

/* Judges DEMAND against a copy of SLOT, or a fresh one when NULL. */
void model_slot_judge(const struct model_slot *slot, struct model_demand *demand, int64_t boot_ns, int64_t wall_ns);

/* Charges COST; a negative one gives back. */
void model_slot_charge(struct model_slot *slot, const struct model_limit *limit, int64_t cost, int64_t boot_ns);

/* Takes out a request that began at BEGUN_NS, unless the time to live was changed since LAYOUT_NS: then time alone
 * does. */
void model_slot_land(struct model_slot *slot, int64_t begun_ns, int64_t layout_ns);

/* Gives back AMOUNT of what a breaker counted at BEGUN_NS. */
void model_slot_unspend(struct model_slot *slot, int64_t amount, int64_t begun_ns);

/* Corrects by COST what no limit is known for any more but the last. false when there is nothing that a charge could be made on. */
bool model_slot_correct(struct model_slot *slot, int64_t cost, int64_t begun_ns, int64_t layout_ns, int64_t boot_ns,
                        int64_t wall_ns);

/* How many requests are in flight that no limit may have forgotten yet. */
int model_slot_young(const struct model_slot *slot, int64_t boot_ns);

/* A slot that nothing is remembered in. */
void model_slot_init(struct model_slot *slot, const struct model_limit *limit, int64_t boot_ns);

#endif
