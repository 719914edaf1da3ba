/* SPDX-License-Identifier: MPL-2.0
 *
 * What one bundle demands otherwise than another, as values: policies and rules by name, limits by figure, and whether
 * more or fewer requests are refused.
 */
#ifndef FAIRVISOR_POLICY_DIFFERENCE_H
#define FAIRVISOR_POLICY_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "shm/slice.h"

enum difference_change {
    DIFFERENCE_ADDED,
    DIFFERENCE_REMOVED,
    DIFFERENCE_CHANGED,
    DIFFERENCE_RAISED,
    DIFFERENCE_LOWERED,
    DIFFERENCE_WIDENED,  /* covers what it covered, and more */
    DIFFERENCE_NARROWED, /* covers a part of what it covered */
};

/* What it means to clients. */
enum difference_effect { DIFFERENCE_STRICTER, DIFFERENCE_LOOSER, DIFFERENCE_OTHER, DIFFERENCE_EFFECTS };

struct difference {
    enum difference_change change;
    enum difference_effect effect;
    struct slice policy, rule; /* names; empty above them */
    const char *subject;       /* "burst", "selector", "kill switch"; static storage */
    struct slice before, after; /* readable; empty where there is none */
    bool begins_at_zero;        /* its counters are found by another name than before: nobody has spent anything there */
};

struct region;

struct difference_list {
    struct difference *items;
    size_t count, room;
    size_t by_effect[DIFFERENCE_EFFECTS];
    size_t at_zero; /* how many have begins_at_zero */
    struct region *region; /* texts */
};

/* Compares two bundles, which must outlive the list, as they hold at NOW (seconds since 1970). Version and issued_at
 * are no difference, nor is the order of anything. Owned by the caller (difference_free); NULL when memory is out. */
struct difference_list *difference_find(const struct bundle *before, const struct bundle *after, int64_t now);
void difference_free(struct difference_list *list);

/* How many rules and fallback limits of AFTER begin at zero, for BEFORE has none that counts in the same place; -1 when
 * memory is out. */
int64_t difference_zero_count(const struct bundle *before, const struct bundle *after);

/* "added", "stricter". */
const char *difference_change_name(enum difference_change change);
const char *difference_effect_name(enum difference_effect effect);

#endif
