/* SPDX-License-Identifier: MPL-2.0
 *
 * A JSON Schema of policy bundles, made from the table that the loader checks by.
 */
#ifndef FAIRVISOR_CLI_SCHEMA_H
#define FAIRVISOR_CLI_SCHEMA_H

#include <stdio.h>

/* Prints the schema (draft 7, which editors know). A bundle that it refuses, the loader refuses; it cannot express
 * everything: see tests/policy/schema-cannot. */
void schema_print(FILE *out);

#endif
