/* SPDX-License-Identifier: MPL-2.0
 *
 * Well-formed UTF-8 (RFC 3629; Unicode, table 3-7): no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */
#ifndef FAIRVISOR_SHM_UTF8_H
#define FAIRVISOR_SHM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slice.h"

/* Bytes of the character that TEXT begins with; 0 when TEXT is empty or begins with none. */
size_t utf8_size(struct slice text);

/* The code point of the character of SIZE bytes at TEXT; SIZE is utf8_size's, and not 0. */
uint32_t utf8_point(const char *text, size_t size);

/* Is the character of SIZE bytes at TEXT a control, which makes a reader see something else than there is: C0, DEL and
 * C1, which a terminal may take for an order; what turns the direction of writing, so that a line reads otherwise than it
 * is; separators of lines and paragraphs? All of them are below U+10000. */
bool utf8_is_control(const char *text, size_t size);

/* Writes '?' in the place of each control character and of each byte that is no UTF-8, in the string TEXT itself, which
 * never grows. */
void utf8_tame(char *text);

#endif
