/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to policy/difference*.c: one comparison on its way.
 */
#ifndef FAIRVISOR_POLICY_DIFFERENCE_PRIVATE_H
#define FAIRVISOR_POLICY_DIFFERENCE_PRIVATE_H

#include <stdbool.h>

#include "policy/difference.h"
#include "policy/fields.h"

/* Where a comparison is, and on what. */
struct difference_work {
    const struct bundle *before, *after;
    int64_t now; /* seconds since 1970 */
    struct difference_list *list;
    struct slice policy, rule;
    bool is_shadow; /* the policy refuses nothing, before and after: nothing in it is stricter or looser */
    bool begins_at_zero; /* so does what is added now */
    bool is_out_of_memory;
};

/* Which of two is the larger set. */
enum difference_extent { EXTENT_SAME, EXTENT_WIDER, EXTENT_NARROWER, EXTENT_OTHER };

/* What a larger figure means. */
enum difference_sense { MORE_IS_LOOSER, MORE_IS_STRICTER, MORE_IS_OTHER };

/* ---- difference.c ------------------------------------------------------------------------------------------------ */

void difference_add(struct difference_work *work, enum difference_change change, enum difference_effect effect,
                    const char *subject, struct slice before, struct slice after);

/* Figures in millionths or whole numbers; with HAS_NONE, 0 is no limit at all. Equal ones add nothing. */
void difference_add_amount(struct difference_work *work, const char *subject, int64_t before, int64_t after,
                           enum difference_sense sense, bool has_none);
void difference_add_count(struct difference_work *work, const char *subject, int64_t before, int64_t after,
                          enum difference_sense sense, bool has_none);

/* Words or texts; equal ones add nothing. */
void difference_add_text(struct difference_work *work, const char *subject, struct slice before, struct slice after,
                         enum difference_effect effect);
void difference_add_word(struct difference_work *work, enum field field, int before, int after,
                         enum difference_effect effect);

void difference_add_switch(struct difference_work *work, const char *subject, bool before, bool after);

/* The same, of what counters are found by (load_rule.c, decide_prepare.c): they begin at zero. */
void difference_add_identity(struct difference_work *work, const char *subject, struct slice before, struct slice after,
                             enum difference_effect effect);
void difference_add_identity_word(struct difference_work *work, enum field field, int before, int after,
                                  enum difference_effect effect);

/* What limits from now on, and did not before. */
void difference_add_limit(struct difference_work *work, const char *subject, struct slice after);

/* Sets of requests: BEFORE and AFTER tell them. */
void difference_add_extent(struct difference_work *work, const char *subject, enum difference_extent extent,
                           struct slice before, struct slice after);

/* What it is for AFTER to cover BEFORE, and the other way round. */
enum difference_extent difference_extent_of(bool after_covers_before, bool before_covers_after);

/* Grows a text; a work that ran out of memory loses it. */
struct difference_text {
    struct difference_work *work;
    char *data;
    size_t size, room;
};
void difference_text_add(struct difference_text *text, struct slice more);
void difference_text_amount(struct difference_text *text, const char *label, int64_t millionths);
struct slice difference_text_take(struct difference_text *text);

/* Bytewise, as bundles sort. */
int difference_order(struct slice a, struct slice b);

/* ---- the rest, one object each ----------------------------------------------------------------------------------- */

void difference_bundle_compare(struct difference_work *work);
void difference_policy_compare(struct difference_work *work, const struct policy *before, const struct policy *after);
void difference_rule_compare(struct difference_work *work, const struct rule *before, const struct rule *after);

/* "token_bucket for each ip:address". */
struct slice difference_rule_tell(struct difference_work *work, const struct bundle *bundle, const struct rule *rule);

#endif
