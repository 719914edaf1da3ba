/* SPDX-License-Identifier: MPL-2.0
 *
 * Well-formed UTF-8 (RFC 3629; Unicode, table 3-7): no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */
#ifndef FAIRVISOR_SHM_UTF8_H
#define FAIRVISOR_SHM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slice.h"

/* Bytes of the character that TEXT begins with; 0 when TEXT is empty or begins with none. */
size_t utf8_size(struct slice text);

/* Is the character of SIZE bytes at TEXT a control (C0, DEL, C1), which a terminal may take for an order? */
bool utf8_is_control(const char *text, size_t size);

#endif
