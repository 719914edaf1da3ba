/* SPDX-License-Identifier: MPL-2.0
 *
 * A text that grows by formatted pieces in room of a fixed size: what finds no place is cut, and it always ends in a NUL.
 */
#ifndef FAIRVISOR_SHM_LINE_H
#define FAIRVISOR_SHM_LINE_H

#include <stddef.h>

struct line {
    char *data;
    size_t room; /* bytes of DATA, with the NUL; at least 1 */
    size_t used; /* without the NUL */
};

void line_put(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
