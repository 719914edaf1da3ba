/* SPDX-License-Identifier: MPL-2.0
 *
 * Which events somebody wants to see: words of the command line against events. Of several wishes of one kind any will do; of
 * different kinds all must hold.
 */
#ifndef FAIRVISOR_CLI_SIEVE_H
#define FAIRVISOR_CLI_SIEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/event.h"
#include "shm/failure.h"

#define SIEVE_MAX 16 /* wishes of one kind */

struct sieve_list {
    struct slice items[SIEVE_MAX];
    size_t count;
};

/* Borrows the words it is made of. */
struct sieve {
    unsigned actions; /* bits 1 << enum event_action; 0: all but charges and settlements */
    struct sieve_list reasons, policies;
    struct sieve_list keys; /* "header:x-api-key=VALUE", or a name alone: any value */
    int64_t since_ns;       /* wall clock */
};

/* Adds a comma list. Fail with EXIT_CODE_USAGE: an action that is none, too many words. */
bool sieve_add_actions(struct sieve *sieve, const char *word, struct failure *failure);
bool sieve_add(struct sieve_list *list, const char *option, const char *word, struct failure *failure);

/* The same for one that no event can have: a reason, or verb of an operator's deed, that is none; a word that is no key. */
bool sieve_add_reason(struct sieve *sieve, const char *word, struct failure *failure);
bool sieve_add_key(struct sieve *sieve, const char *word, struct failure *failure);

/* WORD is a span ("10m": ago, from NOW_NS) or a point in time ("2026-11-24T20:00:00Z"). */
bool sieve_set_since(struct sieve *sieve, const char *word, int64_t now_ns, struct failure *failure);

bool sieve_passes(const struct sieve *sieve, const struct event *event);

#endif
