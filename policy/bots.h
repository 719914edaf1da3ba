/* SPDX-License-Identifier: MPL-2.0
 *
 * What a User-Agent gives away: a list of substrings of known crawlers and tools, each with its category, all of them
 * looked for in one pass (Aho, Corasick: "Efficient string matching", 1975). Immutable once made.
 */
#ifndef FAIRVISOR_POLICY_BOTS_H
#define FAIRVISOR_POLICY_BOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/failure.h"
#include "shm/slice.h"

#define BOTS_NONE        UINT32_MAX
#define BOTS_MIN_PATTERN 3
#define BOTS_MAX_PATTERN 128
#define BOTS_MAX_BYTES   65534 /* of all patterns together */

/* The category of a request without a User-Agent; no line of a list may use it. */
#define BOTS_EMPTY_CATEGORY "empty"

struct bots;

/* Reads TEXT: category, a tab, substring on each line, '#' comments. NULL when a line is anything else; the sentence
 * begins with FILE and the line. The caller frees the result; TEXT need not outlive the call. */
struct bots *bots_parse(const char *file, struct slice text, struct failure *failure);
void bots_free(struct bots *bots);

/* Looks for all patterns in TEXT, without regard to the case of ASCII letters. Returns the one that stands first in the
 * list among those found and BEST; BEST (BOTS_NONE to begin with) when none is found. Each byte is looked at once. */
uint32_t bots_find(const struct bots *bots, struct slice text, uint32_t best);

/* Category of a pattern that bots_find gave, not BOTS_NONE; lives as long as BOTS. */
struct slice bots_category(const struct bots *bots, uint32_t pattern);

#endif
