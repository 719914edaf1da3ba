/* SPDX-License-Identifier: MPL-2.0
 *
 * Decimal numbers as exact integer millionths.
 */
#ifndef FAIRVISOR_POLICY_DECIMAL_H
#define FAIRVISOR_POLICY_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#include "shm/slice.h"

#define DECIMAL_MAX       (INT64_C(1) << 53) /* millionths; larger amounts are refused, in either direction */
#define DECIMAL_TEXT_SIZE 24                 /* the longest text and its NUL */

enum decimal_result {
    DECIMAL_OK,
    DECIMAL_MALFORMED, /* not a number by RFC 8259's grammar */
    DECIMAL_NOT_EXACT, /* more than six decimal places: *MILLIONTHS is the next amount away from zero */
    DECIMAL_TOO_LARGE, /* beyond DECIMAL_MAX */
};

/* Reads a JSON number, exponent and all ("1e3", "0.25", "-2"), into millionths. Linear in the text. */
enum decimal_result decimal_parse(struct slice text, int64_t *millionths);

/* Writes the shortest plain form ("1000", "0.25", "-2") and a NUL; returns its length. */
size_t decimal_print(int64_t millionths, char text[DECIMAL_TEXT_SIZE]);

#endif
