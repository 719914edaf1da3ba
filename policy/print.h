/* SPDX-License-Identifier: MPL-2.0
 *
 * A bundle in its canonical form.
 */
#ifndef FAIRVISOR_POLICY_PRINT_H
#define FAIRVISOR_POLICY_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "shm/slice.h"

/* Prints the JSON document TEXT, a bundle that load_bundle takes: the same members and elements, members in the order
 * of fields.def and then by name, numbers in their shortest plain form, strings with the fewest escapes, two spaces of
 * indent. Equal bundles print equal bytes, and what is printed loads as the same bundle. false when TEXT is no JSON,
 * memory is out, or OUT failed. */
bool print_bundle(struct slice text, FILE *out);

#endif
