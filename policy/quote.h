/* SPDX-License-Identifier: MPL-2.0
 *
 * Where a JSON string ends: the one question that is asked of almost every byte of a prompt.
 */
#ifndef FAIRVISOR_POLICY_QUOTE_H
#define FAIRVISOR_POLICY_QUOTE_H

/* AT is the first byte behind a string's opening quote. Returns its closing quote, or END when there is none before it. */
const char *quote_find_end(const char *at, const char *end);

#endif
