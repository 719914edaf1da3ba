/* SPDX-License-Identifier: MPL-2.0
 *
 * Numbers with units as people write them in settings: "128m", "10s". Strict: the whole text, no sign, no spaces,
 * nothing rounded, overflow refused.
 */
#ifndef FAIRVISOR_SHM_QUANTITY_H
#define FAIRVISOR_SHM_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slice.h"

#define QUANTITY_TEXT_SIZE 24

/* Decimal digits. */
bool quantity_parse_count(struct slice text, uint64_t *count);

/* Digits and k, m or g (powers of 1024, either case); none means bytes. */
bool quantity_parse_size(struct slice text, uint64_t *bytes);

/* Digits and ms, s, m, h or d; none means seconds. */
bool quantity_parse_duration(struct slice text, uint64_t *milliseconds);

/* The shortest text that reads back as the same number. */
void quantity_print_size(uint64_t bytes, char text[QUANTITY_TEXT_SIZE]);
void quantity_print_duration(uint64_t milliseconds, char text[QUANTITY_TEXT_SIZE]);

#endif
