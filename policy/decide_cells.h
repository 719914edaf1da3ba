/* SPDX-License-Identifier: MPL-2.0
 *
 * Where the limits of one identity are counted, asked without a request: for an operator who wants to look at them, or
 * to set one right.
 */
#ifndef FAIRVISOR_POLICY_DECIDE_CELLS_H
#define FAIRVISOR_POLICY_DECIDE_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/decide.h"
#include "shm/cell.h"
#include "shm/event.h"

/* A key in its canonical spelling and the value it has. */
struct decide_cells_pair {
    struct slice key, value;
};

/* Who is meant, and of which limits. Without pairs: the budgets that requests share, whoever they are from. */
struct decide_cells_identity {
    const struct decide_cells_pair *pairs;
    size_t count;
    struct slice policy, rule; /* only of these; empty: any */
};

struct decide_cells_limit {
    const struct policy *policy;
    const struct rule *rule; /* NULL: the policy's circuit breaker */
    const char *role;        /* "rate", "budget", "minute", "day", "flight", "breaker" */
    bool is_shadow;          /* counted beside the enforced limits */
    uint64_t key[2];
    struct cell_limit limit;
    int64_t window_ns; /* time in which the whole limit comes back */
};

typedef void decide_cells_observer(void *context, const struct decide_cells_limit *limit);

/* Index of the first pair whose key nothing in the bundle asks for; identity->count when there is none. */
size_t decide_cells_find_unknown(const struct decider *decider, const struct decide_cells_identity *identity);

/* Tells OBSERVER each limit all of whose keys the pairs have, and each breaker that is about them; returns how many. A
 * rule whose match contradicts a pair is left out. Loop detection is not among them: its cells are about requests.
 * With a value that is a hash, as events tell it in the place of one that is hidden, the pairs mean whoever the events in the
 * arena tell by it, and nobody when none does: see decide_cells_is_hash. Ends the request that DECIDER may be at. */
size_t decide_cells_list(struct decider *decider, const struct decide_cells_identity *identity, struct moment now,
                         decide_cells_observer *observer, void *context);

/* Whether VALUE has the form of a hash that stands in events: "#" and 16 hexadecimal digits. */
bool decide_cells_is_hash(struct slice value);

/* The same for the limits that the cells of EVENT count, as the bundle has them: whose name it hides, too. */
size_t decide_cells_of_event(struct decider *decider, const struct event *event, struct moment now,
                             decide_cells_observer *observer, void *context);

#endif
