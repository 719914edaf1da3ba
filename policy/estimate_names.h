/* SPDX-License-Identifier: MPL-2.0
 *
 * What the members of a request body mean to an estimate, by their names, however these are spelt. Private to
 * policy/estimate*.c.
 */
#ifndef FAIRVISOR_POLICY_ESTIMATE_NAMES_H
#define FAIRVISOR_POLICY_ESTIMATE_NAMES_H

#include <stdbool.h>

#include "policy/estimate.h"

#define ESTIMATE_NAMES_DEEPEST 64                 /* nesting of objects and arrays within which a name means anything */
#define ESTIMATE_NAMES_LONGEST ESTIMATE_MODEL_MAX /* bytes; no known name is longer */

/* What the value behind a name means here. */
enum estimate_meaning {
    MEANS_NOTHING,
    MEANS_TEXT,    /* strings are prompt */
    MEANS_TOKENS,  /* strings are prompt, numbers are token ids */
    MEANS_PROMPTS, /* likewise, and an array may hold several that are completed each */
    MEANS_SCHEMA,  /* all of it is prompt, names and numbers too */
    MEANS_DATA,    /* of a document: text, unless it looks like bytes */
    MEANS_MEDIA,   /* an image, a file, a piece of sound */
    MEANS_MOST,    /* a number of completion tokens */
    MEANS_CHOICES, /* a number of completions */
    MEANS_PART,    /* kind of a content part */
    MEANS_MODEL,
    MEANS_BACKGROUND,
};

/* What NAME, as it stands in the body, means in an object that is nested DEPTH deep (1: the body itself). *IS_FOLDED:
 * whoever tells capitals from small letters knows no such name. */
enum estimate_meaning estimate_names_meaning(struct slice name, int depth, bool *is_folded);

/* NAME with its escapes undone, in OUT: who reads the body behind us undoes them too. A name that is too long, or holds
 * what no known name holds, comes back as it is. With FOLDS it is as those see it who do not tell capitals from small
 * letters. */
struct slice estimate_names_unescape(struct slice name, bool folds, char out[ESTIMATE_NAMES_LONGEST]);

#endif
