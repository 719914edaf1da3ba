/* SPDX-License-Identifier: MPL-2.0
 *
 * Who was refused by what, how often, from when to when: sums over a replay, for each limit and for each identity.
 */
#ifndef FAIRVISOR_CLI_TALLY_H
#define FAIRVISOR_CLI_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/decide.h"
#include "policy/region.h"

#define TALLY_SLOTS          60        /* of the time that the requests span */
#define TALLY_MAX_IDENTITIES (4u << 20) /* told apart; further ones only count for their rule */

/* A key that a rule limits by, or asks for in its match: in how many requests it was looked for, and in how many it was not. */
struct tally_key {
    const struct descriptor *descriptor;
    bool is_condition;
    uint64_t found, lacking;
};

/* A rule; or, without one, the guard of a policy (loop_detection, circuit_breaker), or what stands above policies. */
struct tally_row {
    const struct policy *policy; /* or NULL */
    const struct rule *rule;     /* or NULL */
    const char *guard;           /* without a rule: what refused */
    uint64_t requests;           /* that it had a say in: counted by it or refused */
    uint64_t refused, would;     /* would: by a shadow policy */
    uint64_t by_reason[REASON_COUNT];
    uint64_t identities, identities_refused;
    uint64_t slots[TALLY_SLOTS]; /* refused and would */
    struct tally_key *keys;      /* of the rule */
    uint32_t key_count;
    uint64_t seen, hit;          /* number of the last request that it had a say in, that it refused */
    struct tally_identity *current; /* of the request number seen; NULL = not told apart */
    struct tally_row *next;
};

struct tally_identity {
    uint64_t key[2];
    struct tally_row *row;
    struct slice text; /* "header:x-api-key=1234, path=/a" */
    uint64_t requests, refused, would;
    int64_t first_ns, last_ns;   /* refusals */
    int64_t began_ns;            /* of the spell at hand: 0 = none */
    int64_t longest_ns, all_ns;  /* spells: runs of refusals less than a minute apart */
};

struct tally {
    struct region *region;
    struct tally_row *rows, **by_rule; /* by_rule: [index of the rule over the bundle] */
    const struct bundle *bundle;
    uint32_t *first_rules; /* per policy */
    struct tally_identity **table; /* open addressing; a power of two */
    size_t room, count;
    uint64_t untold; /* requests of identities beyond TALLY_MAX_IDENTITIES */
    int64_t from_ns, span_ns;
    /* the request at hand */
    struct decider *decider;
    const struct facts *facts;
    int64_t now_ns;
    uint64_t number;
    bool is_out_of_memory;
    /* all requests */
    uint64_t allowed, refused, would, unmatched;
    uint64_t slots_allowed[TALLY_SLOTS], slots_refused[TALLY_SLOTS], slots_would[TALLY_SLOTS];
};

/* Requests will lie between FROM_NS and TO_NS. BUNDLE must outlive the tally. tally_fini also after false. */
bool tally_init(struct tally *tally, const struct bundle *bundle, int64_t from_ns, int64_t to_ns);
void tally_fini(struct tally *tally);

/* Begins a request; then decide_trace with tally_observe and the tally; then tally_verdict. */
void tally_begin(struct tally *tally, struct decider *decider, const struct facts *facts, int64_t now_ns);
void tally_observe(void *context, const struct decide_note *note);
void tally_verdict(struct tally *tally, const struct verdict *verdict);

/* When SLOT of TALLY_SLOTS begins. */
int64_t tally_slot_ns(const struct tally *tally, size_t slot);

/* Ends the spells that last to the end. */
void tally_finish(struct tally *tally);

/* The COUNT identities with the most refusals of both kinds, most first; those without any are left out. *ALL is how many have
 * some. Owned by the caller (free); NULL when memory is out. */
struct tally_identity **tally_worst(const struct tally *tally, size_t most, size_t *count, size_t *all);

/* Name of a row's rule, guard, or what else refused. */
struct slice tally_rule_name(const struct tally_row *row);

#endif
