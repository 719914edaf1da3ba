/* SPDX-License-Identifier: MPL-2.0
 *
 * The place in a source text that a complaint is about.
 */
#ifndef FAIRVISOR_CLI_EXCERPT_H
#define FAIRVISOR_CLI_EXCERPT_H

#include <stdint.h>
#include <stdio.h>

#include "shm/slice.h"

/* Prints the line (from 1) and a caret under the byte COLUMN (from 1); of a long line only the neighbourhood. Prints
 * nothing when the place does not exist. */
void excerpt_print(struct slice text, uint32_t line, uint32_t column, FILE *out);

#endif
