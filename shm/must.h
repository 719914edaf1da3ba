/* SPDX-License-Identifier: MPL-2.0
 *
 * An assertion that is never compiled out, for our own bugs only: never for bytes from a socket, a file or the arena.
 */
#ifndef FAIRVISOR_SHM_MUST_H
#define FAIRVISOR_SHM_MUST_H

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "fairvisor: bug at %s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
