/* SPDX-License-Identifier: MPL-2.0
 *
 * Where a JSON string ends, or does not go on as it stands: what is asked of almost every byte of prompts and answers.
 */
#ifndef FAIRVISOR_POLICY_QUOTE_H
#define FAIRVISOR_POLICY_QUOTE_H

/* AT is the first byte behind a string's opening quote, which is looked at, too. Returns its closing quote, or END when there is none
 * before it. */
const char *quote_find_end(const char *at, const char *end);

/* The first quote or backslash from AT on, or END: how far a string goes on as it stands. */
const char *quote_find_special(const char *at, const char *end);

#endif
