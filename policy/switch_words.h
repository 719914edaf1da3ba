/* SPDX-License-Identifier: MPL-2.0
 *
 * Keys, values and routes as an operator writes them on a command line, read by the very rules that bundles are read
 * by: what is refused there is refused here, with the same words, and what is taken has the same canonical form.
 */
#ifndef FAIRVISOR_POLICY_SWITCH_WORDS_H
#define FAIRVISOR_POLICY_SWITCH_WORDS_H

#include <stddef.h>

#include "policy/bundle.h"
#include "shm/failure.h"
#include "shm/slice.h"

struct switch_words {
    struct slice key, value;
    struct slice route;  /* empty: none */
    struct slice reason; /* empty: none */
};

/* A bundle of nothing but kill switches, one for each of the COUNT WORDS, in their order; the caller frees it. NULL with
 * EXIT_CODE_USAGE and what is wrong with the first bad one. COMPLAINTS has the warnings, their pointers begin with
 * SWITCH_WORDS_POINTER. */
#define SWITCH_WORDS_POINTER "/kill_switches/"
struct bundle *switch_words_parse(const struct switch_words *words, size_t count, struct complaint_list *complaints,
                                  struct failure *failure);

#endif
